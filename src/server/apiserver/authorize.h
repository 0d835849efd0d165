// authorize: may this user do that? PURE, over what it is told of the cluster.
//
// system:masters may everything. A node may what its agent needs, on what is its own. All else the
// roles say (server/rbac): what everybody may see and ask is in the roles that every cluster has.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/apiserver/route.h"
#include "server/apiserver/user.h"
#include "server/rbac/policy.h"

namespace orch::apiserver {

using rbac::Action;
Action action_of(const Target& target, std::string_view method);

class Authorizer {
 public:
  // The node that a pod is bound to, "" for none.
  using NodeOfPod = std::function<std::string(std::string_view ns, std::string_view name)>;

  using Decision = rbac::Policy::Decision;

  Authorizer(const rbac::Policy& policy, NodeOfPod node_of_pod)
      : policy_(policy), node_of_pod_(std::move(node_of_pod)) {}

  Decision decide(const User& user, const Action& action) const;
  bool allowed(const User& user, const Action& action) const {
    return decide(user, action).allowed;
  }
  // 403 in Kubernetes' words.
  Result<void> authorize(const User& user, const Action& action) const;

 private:
  bool node_allowed(std::string_view node, const Action& action) const;

  const rbac::Policy& policy_;
  NodeOfPod node_of_pod_;
};

// The 403 itself.
Status refused(const User& user, const Action& action);

rbac::Asker asker_of(const User& user);

// User "x" cannot list resource "pods" in API group "" in the namespace "default"
std::string refusal(const User& user, const Action& action);

// Paths that need no credentials: health and version.
bool is_public_path(std::string_view path);

}  // namespace orch::apiserver
