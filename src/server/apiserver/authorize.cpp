#include "server/apiserver/authorize.h"

#include "server/apiserver/health.h"
#include "server/apiserver/node_authorizer.h"

namespace orch::apiserver {

Action action_of(const Target& target, std::string_view method) {
  Action action;
  if (target.resource) {
    // Kubernetes knows no verb for OPTIONS: only who may everything may that, behind a proxy.
    action.verb = method == "OPTIONS" ? std::string_view() : verb_name(target.verb);
    action.group = target.resource->group;
    action.resource = target.resource->plural;
    action.subresource = target.subresource_name();
    action.ns = target.ns;
    action.name = target.name.empty() ? target.selected_name : target.name;
    action.field_selector = target.query.get("fieldSelector");
    return action;
  }
  action.path = target.path;
  action.verb = method == "GET" || method == "HEAD" ? "get"
                : method == "POST"                  ? "post"
                : method == "PUT"                   ? "put"
                : method == "DELETE"                ? "delete"
                                                    : "patch";
  return action;
}

Authorizer::Decision Authorizer::decide(const User& user, const Action& action) const {
  if (user.in_group(kMastersGroup)) return {true, ""};
  if (!action.path.empty() && is_public_path(action.path)) return {true, ""};
  const std::string_view node = user.node();
  if (node.empty()) return policy_.decide(asker_of(user), action);
  NodeDecision own = decide_node(nodes_, node, action);
  if (own.allowed) return {true, ""};
  Decision decision = policy_.decide(asker_of(user), action);
  if (decision.allowed || own.reason.empty()) return decision;
  if (!decision.reason.empty()) own.reason += "\n" + decision.reason;
  return {false, std::move(own.reason)};
}

Result<void> Authorizer::authorize(const User& user, const Action& action) const {
  const Decision decision = decide(user, action);
  if (decision.allowed) return {};
  return refused(user, action, decision.reason);
}

Status refused(const User& user, const Action& action, const std::string& reason) {
  std::string text = refusal(user, action);
  if (!reason.empty()) text += ": " + reason;
  if (!action.path.empty()) return forbidden("forbidden: " + text);
  return forbidden({action.group, action.resource, action.name}, text);
}

std::string refusal(const User& user, const Action& action) {
  std::string text = "User \"" + user.name + "\" cannot " + std::string(action.verb) + " ";
  if (!action.path.empty()) return text + "path \"" + std::string(action.path) + "\"";
  text += "resource \"" + std::string(action.resource);
  if (!action.subresource.empty()) text += "/" + std::string(action.subresource);
  text += "\" in API group \"" + std::string(action.group) + "\" ";
  if (action.ns.empty()) return text + "at the cluster scope";
  return text + "in the namespace \"" + std::string(action.ns) + "\"";
}

rbac::Asker asker_of(const User& user) { return {user.name, user.groups}; }

bool is_public_path(std::string_view path) { return is_health_path(path) || path == "/version"; }

}  // namespace orch::apiserver
