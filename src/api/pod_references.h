// pod_references: the names of other objects that a pod uses: what its node must be able to read,
// and what it must not make up itself. PURE. All of them lie in the pod's own namespace.
// Follows: core/v1 PodSpec; Kubernetes' "Using Node Authorization" (what a node may read).
#pragma once

#include <set>
#include <string>

#include "api/json.h"

namespace orch::api {

// On a pod that stands for one that a node runs of its own accord.
inline constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";

struct PodReferences {
  std::set<std::string> secrets;      // Volumes, environments, credentials for pulls.
  std::set<std::string> config_maps;  // Volumes and environments.
  std::set<std::string> claims;       // PersistentVolumeClaims; of ephemeral volumes, too.
  std::string service_account;
};

PodReferences pod_references(const Value& pod);

}  // namespace orch::api
