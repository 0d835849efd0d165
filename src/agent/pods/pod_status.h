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

}  // namespace orch::pods
