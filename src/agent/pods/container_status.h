// container_status: one entry of containerStatuses. Pure. Called by pod_status().
#pragma once

#include "agent/pods/observed.h"
#include "agent/pods/pod_spec.h"

namespace orch::pods {

inline constexpr const char* kContainerIdScheme = "orch://";

struct ContainerStatusInput {
  const api::Value& pod;
  const Observed& observed;
  const ContainerSpec& container;
  bool has_init = false;  // The pod has init containers that are not all done.
  bool stopping = false;  // The pod as a whole is being stopped: nothing is restarted.
};

api::Value container_status(const ContainerStatusInput& input);

}  // namespace orch::pods
