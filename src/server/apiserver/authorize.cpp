#include "server/apiserver/authorize.h"

#include <array>

#include "base/strings.h"
#include "server/apiserver/health.h"

namespace orch::apiserver {
namespace {

bool is_read(std::string_view verb) { return verb == "get" || verb == "list" || verb == "watch"; }

bool is_write(std::string_view verb) {
  return verb == "create" || verb == "update" || verb == "patch";
}

// What an agent reads to run its pods, tend its services and answer DNS.
bool node_reads(const Action& action) {
  if (!action.subresource.empty()) return false;
  if (action.group.empty()) {
    constexpr std::array<std::string_view, 5> kCore = {"pods", "services", "nodes", "configmaps",
                                                       "secrets"};
    for (const std::string_view resource : kCore) {
      if (action.resource == resource) return true;
    }
    return false;
  }
  return action.group == "discovery.k8s.io" && action.resource == "endpointslices";
}

}  // namespace

Action action_of(const Target& target, std::string_view method) {
  Action action;
  if (target.resource) {
    // Kubernetes knows no verb for OPTIONS: only who may everything may that, behind a proxy.
    action.verb = method == "OPTIONS" ? std::string_view() : verb_name(target.verb);
    action.group = target.resource->group;
    action.resource = target.resource->plural;
    action.subresource = target.subresource_name();
    action.ns = target.ns;
    action.name = target.name;
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
  if (!node.empty() && node_allowed(node, action)) return {true, ""};
  return policy_.decide(asker_of(user), action);
}

// An object's name is not known when it is created: admission compares it with the node then.
bool Authorizer::node_allowed(std::string_view node, const Action& action) const {
  if (action.resource.empty()) return false;
  if (is_read(action.verb) && node_reads(action)) return true;
  const bool core = action.group.empty();
  const bool own_name = action.name == node || action.verb == "create";
  if (core && action.resource == "nodes") {
    const bool part = action.subresource.empty() || action.subresource == "status";
    return part && own_name && is_write(action.verb);
  }
  if (action.group == "coordination.k8s.io" && action.resource == "leases") {
    const bool touches = is_write(action.verb) || action.verb == "get";
    return action.ns == "kube-node-lease" && own_name && touches;
  }
  if (action.resource == "events" && (core || action.group == "events.k8s.io")) {
    return is_write(action.verb);
  }
  if (core && action.resource == "serviceaccounts" && action.subresource == "token") {
    return action.verb == "create";
  }
  if (core && action.resource == "pods" && !action.name.empty()) {
    const bool status = action.subresource == "status" && is_write(action.verb);
    const bool removal = action.subresource.empty() && action.verb == "delete";
    return (status || removal) && node_of_pod_(action.ns, action.name) == node;
  }
  return false;
}

Result<void> Authorizer::authorize(const User& user, const Action& action) const {
  if (allowed(user, action)) return {};
  return refused(user, action);
}

Status refused(const User& user, const Action& action) {
  if (!action.path.empty()) return forbidden("forbidden: " + refusal(user, action));
  return forbidden({action.group, action.resource, action.name}, refusal(user, action));
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
