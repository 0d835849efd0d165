#include "server/apiserver/escalation.h"

#include <algorithm>
#include <utility>

namespace orch::apiserver {
namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

std::string quoted(std::string_view text) {
  std::string out;
  api::append_json_string(&out, text);
  return out;
}

bool may(const WriteRequest& request, const Authorizer& authorizer, std::string_view verb,
         std::string_view resource, std::string_view ns, std::string_view name) {
  Action action;
  action.verb = verb;
  action.group = kGroup;
  action.resource = resource;
  action.ns = ns;
  action.name = name;
  return authorizer.allowed(request.user, action);
}

Result<void> holds_all(const WriteRequest& request, const std::string& name,
                       const rbac::Policy& policy, const rbac::Rules& wanted) {
  const rbac::Rules held = policy.rules_of(asker_of(request.user), request.ns);
  const rbac::Rules missing = rbac::uncovered(held, wanted);
  if (missing.empty()) return {};
  std::vector<std::string> lines;
  for (const rbac::Rule& rule : missing) lines.push_back(rule.to_text());
  std::sort(lines.begin(), lines.end());
  std::string groups;
  for (const std::string& group : request.user.groups) {
    groups += (groups.empty() ? "" : " ") + quoted(group);
  }
  std::string text = "user " + quoted(request.user.name) + " (groups=[" + groups +
                     "]) is attempting to grant RBAC permissions not currently held:";
  for (const std::string& line : lines) text += "\n" + line;
  return forbidden({request.resource->group, request.resource->plural, name}, text);
}

}  // namespace

Result<void> check_escalation(const WriteRequest& request, const api::Value& old,
                              const api::Value& object, const Authorizer& authorizer,
                              const rbac::Policy& policy) {
  const api::Resource& resource = *request.resource;
  if (!rbac::Policy::is_fed_by(resource) || request.user.in_group(kMastersGroup)) return {};
  const std::string& name = object.at("metadata.name").as_string();
  const api::Value& role = object["roleRef"];
  if (role.is_null()) {
    if (!old.is_null() && old["rules"] == object["rules"] &&
        old["aggregationRule"] == object["aggregationRule"]) {
      return {};
    }
    if (may(request, authorizer, "escalate", resource.plural, request.ns, name)) return {};
    rbac::Rules wanted = rbac::parse_rules(object["rules"]);
    // What an aggregated role will hold is not known today: it takes all that there is.
    if (!object["aggregationRule"].is_null()) {
      wanted.push_back({{"*"}, {"*"}, {"*"}, {}, {}});
      wanted.push_back({{"*"}, {}, {}, {}, {"*"}});
    }
    return holds_all(request, name, policy, wanted);
  }
  if (!old.is_null() && old["roleRef"] == role && old["subjects"] == object["subjects"]) return {};
  const rbac::RoleRef wanted{role["kind"].as_string(), role["name"].as_string()};
  const bool in_namespace = wanted.kind == "Role";
  const std::string plural = in_namespace ? "roles" : "clusterroles";
  if (may(request, authorizer, "bind", plural, request.ns, wanted.name)) return {};
  rbac::Rules rules;
  if (!policy.rules_of_role(wanted, request.ns, &rules)) {
    return not_found({std::string(kGroup), plural, wanted.name});
  }
  return holds_all(request, name, policy, rules);
}

}  // namespace orch::apiserver
