// authorize: may this user do that? PURE, over what it is told of the cluster.
//
// system:masters may everything. A node may what its agent needs, on what is its own. Everybody
// who is authenticated may discover the API and ask about himself. RBAC joins as another source of
// "allowed" in decide().
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/apiserver/route.h"
#include "server/apiserver/user.h"

namespace orch::apiserver {

// Views; they live as long as the call.
struct Action {
  std::string_view verb;
  std::string_view group, resource, subresource, ns, name;
  std::string_view path;  // Of what is no resource; then the fields above but verb are empty.
};
Action action_of(const Target& target, std::string_view method);

class Authorizer {
 public:
  // The node that a pod is bound to, "" for none.
  using NodeOfPod = std::function<std::string(std::string_view ns, std::string_view name)>;

  explicit Authorizer(NodeOfPod node_of_pod) : node_of_pod_(std::move(node_of_pod)) {}

  bool allowed(const User& user, const Action& action) const;
  // 403 in Kubernetes' words.
  Result<void> authorize(const User& user, const Action& action) const;

 private:
  bool node_allowed(std::string_view node, const Action& action) const;

  NodeOfPod node_of_pod_;
};

// User "x" cannot list resource "pods" in API group "" in the namespace "default"
std::string refusal(const User& user, const Action& action);

// Paths that need no credentials: health and version.
bool is_public_path(std::string_view path);

}  // namespace orch::apiserver
