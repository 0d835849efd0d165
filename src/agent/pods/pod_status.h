// pod_status: what the API shall say about a pod that runs here. Pure.
//
// Conditions that this node does not own (PodScheduled, readiness gates, DisruptionTarget) are kept
// as they stand; lastTransitionTime moves only when a condition's status does; a terminal phase
// never changes again. Follows Kubernetes' "Pod Lifecycle" and the messages that kubectl prints.
#pragma once

#include "agent/pods/observed.h"
#include "api/json.h"

namespace orch::pods {

// The whole new `status` object. `pod` carries the status as last written.
api::Value pod_status(const api::Value& pod, const Observed& observed);

// What is known of a pod's status now: `own` (null: nothing yet) as this node last computed it, and
// the conditions of others as the server has them.
api::Value newest_status(const api::Value& of_server, const api::Value& own);

}  // namespace orch::pods
