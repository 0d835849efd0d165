// limit_range: what a LimitRange gives to containers that ask for nothing, and what it refuses.
// PURE. Follows: kube-apiserver's plugin LimitRanger; "Limit Ranges".
#pragma once

#include <string>
#include <vector>

#include "api/json.h"

namespace orch::admission {

// Fills the requests and limits that a pod's containers lack, and says so in an annotation.
void apply_limit_defaults(const api::Value& limit_range, api::Value* pod);

// What is out of bounds, one message each, in Kubernetes' words. The second: of a
// PersistentVolumeClaim.
std::vector<std::string> check_pod_limits(const api::Value& limit_range, const api::Value& pod);
std::vector<std::string> check_claim_limits(const api::Value& limit_range, const api::Value& claim);

}  // namespace orch::admission
