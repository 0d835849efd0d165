// node_restriction: what a node may write of what it may touch at all (node_authorizer.h): its own
// Node without the labels and taints that others decide, the status of its own pods, mirror pods,
// its own lease and CSINode. PURE. Called by admission, for every write.
// Follows: the NodeRestriction admission plugin, with its words.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "base/result.h"
#include "server/apiserver/write.h"

namespace orch::apiserver {

// `old` is null for a create, `object` is null for a delete and an eviction. Anybody who is no node
// passes.
Result<void> restrict_node(const WriteRequest& request, const api::Value& old,
                           const api::Value& object);

// Of Kubernetes' own domains a node may give itself few labels.
bool node_may_set_label(std::string_view key);

}  // namespace orch::apiserver
