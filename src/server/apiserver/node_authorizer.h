// node_authorizer: what a node may do: what its agent needs, and of Secrets, ConfigMaps, claims,
// volumes and accounts only those that its own pods use. PURE, over the graph. Everything that is
// not said here is refused; node_restriction.h then looks at what a node writes.
//
// A node of orch is kubelet, service proxy and DNS in one, so it may also read what those need: all
// Nodes, Services and EndpointSlices.
// Follows: Kubernetes' "Using Node Authorization", KEP-279, KEP-4601 (pods by spec.nodeName).
#pragma once

#include <string>
#include <string_view>

#include "server/apiserver/node_graph.h"
#include "server/rbac/rules.h"

namespace orch::apiserver {

struct NodeDecision {
  bool allowed = false;
  std::string reason;  // In Kubernetes' words; "" when there is nothing to say.
};

NodeDecision decide_node(const NodeGraph& graph, std::string_view node, const rbac::Action& action);

}  // namespace orch::apiserver
