// authorize: may this user do that? PURE, over what it is told of the cluster.
//
// system:masters may everything. A node may what node_authorizer.h says. All else the roles say
// (server/rbac): what everybody may see and ask is in the roles that every cluster has.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/apiserver/node_graph.h"
#include "server/apiserver/route.h"
#include "server/apiserver/user.h"
#include "server/rbac/policy.h"

namespace orch::apiserver {

using rbac::Action;
Action action_of(const Target& target, std::string_view method);

class Authorizer {
 public:
  using Decision = rbac::Policy::Decision;

  Authorizer(const rbac::Policy& policy, const NodeGraph& nodes) : policy_(policy), nodes_(nodes) {}

  Decision decide(const User& user, const Action& action) const;
  bool allowed(const User& user, const Action& action) const {
    return decide(user, action).allowed;
  }
  // 403 in Kubernetes' words.
  Result<void> authorize(const User& user, const Action& action) const;

 private:
  const rbac::Policy& policy_;
  const NodeGraph& nodes_;
};

// The 403 itself.
Status refused(const User& user, const Action& action, const std::string& reason);

rbac::Asker asker_of(const User& user);

// User "x" cannot list resource "pods" in API group "" in the namespace "default"
std::string refusal(const User& user, const Action& action);

// Paths that need no credentials: health and version.
bool is_public_path(std::string_view path);

}  // namespace orch::apiserver
