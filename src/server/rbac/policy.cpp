#include "server/rbac/policy.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/strings.h"

namespace orch::rbac {
namespace {

constexpr std::string_view kServiceAccountPrefix = "system:serviceaccount:";

bool is_binding(const api::Resource& resource) {
  return resource.plural == "rolebindings" || resource.plural == "clusterrolebindings";
}

std::string key_of(std::string_view ns, std::string_view name) {
  return std::string(ns).append("/").append(name);
}

std::string user_key(std::string_view name) { return std::string("u:").append(name); }
std::string group_key(std::string_view name) { return std::string("g:").append(name); }

std::string quoted(std::string_view text) {
  std::string out;
  api::append_json_string(&out, text);
  return out;
}

struct Subject {
  std::string key, text;
};

// A service account without a namespace stands for nobody.
Subject subject_of(const api::Value& subject) {
  const std::string& kind = subject["kind"].as_string();
  const std::string& name = subject["name"].as_string();
  if (kind == "User") return {user_key(name), "User " + quoted(name)};
  if (kind == "Group") return {group_key(name), "Group " + quoted(name)};
  const std::string& ns = subject["namespace"].as_string();
  if (kind != "ServiceAccount" || ns.empty()) return {};
  return {user_key(std::string(kServiceAccountPrefix) + ns + ":" + name),
          "ServiceAccount " + quoted(name + "/" + ns)};
}

}  // namespace

bool Policy::is_fed_by(const api::Resource& resource) {
  return resource.group == kRbacGroup &&
         (is_binding(resource) || resource.plural == "roles" || resource.plural == "clusterroles");
}

void Policy::take(const api::Resource& resource, const api::Value& object) {
  const std::string& ns = object.at("metadata.namespace").as_string();
  if (is_binding(resource)) return take_binding(ns, object);
  Rules rules = parse_rules(object["rules"]);
  const std::unique_lock lock(mutex_);
  roles_[key_of(ns, object.at("metadata.name").as_string())] = std::move(rules);
}

void Policy::take_binding(std::string_view ns, const api::Value& object) {
  auto binding = std::make_shared<Binding>();
  binding->ns = ns;
  binding->name = object.at("metadata.name").as_string();
  binding->role = {object.at("roleRef.kind").as_string(), object.at("roleRef.name").as_string()};
  std::vector<Subject> subjects;
  for (const api::Value& each : object["subjects"].items()) {
    Subject subject = subject_of(each);
    if (subject.key.empty()) continue;
    binding->keys.push_back(subject.key);
    subjects.push_back(std::move(subject));
  }
  const std::string key = key_of(ns, binding->name);
  const std::unique_lock lock(mutex_);
  drop_binding(key);
  for (Subject& subject : subjects) {
    by_subject_[subject.key][binding->ns].push_back({binding, std::move(subject.text)});
  }
  bindings_[key] = std::move(binding);
}

void Policy::forget(const api::Resource& resource, std::string_view ns, std::string_view name) {
  const std::unique_lock lock(mutex_);
  if (is_binding(resource)) {
    drop_binding(key_of(ns, name));
  } else {
    roles_.erase(key_of(ns, name));
  }
}

// Under mutex_.
void Policy::drop_binding(const std::string& key) {
  const auto found = bindings_.find(key);
  if (found == bindings_.end()) return;
  const auto binding = found->second;
  bindings_.erase(found);
  for (const std::string& subject : binding->keys) {
    const auto grants = by_subject_.find(subject);
    if (grants == by_subject_.end()) continue;
    const auto here = grants->second.find(binding->ns);
    if (here == grants->second.end()) continue;
    std::erase_if(here->second, [&](const Grant& grant) { return grant.binding == binding; });
    if (here->second.empty()) grants->second.erase(here);
    if (grants->second.empty()) by_subject_.erase(grants);
  }
}

void Policy::visit_grants(const Asker& asker, std::string_view ns, const Visit& visit,
                          std::vector<std::string>* missing) const {
  const std::shared_lock lock(mutex_);
  std::vector<const std::map<std::string, Grants>*> mine;
  const auto add = [&](const std::string& key) {
    const auto found = by_subject_.find(key);
    if (found != by_subject_.end()) mine.push_back(&found->second);
  };
  add(user_key(asker.name));
  for (const std::string& group : asker.groups) add(group_key(group));
  std::vector<std::string> places = {""};
  if (!ns.empty()) places.emplace_back(ns);
  for (const std::string& place : places) {
    for (const auto* grants : mine) {
      const auto here = grants->find(place);
      if (here == grants->end()) continue;
      for (const Grant& grant : here->second) {
        const bool in_namespace = grant.binding->role.kind == "Role";
        const auto role =
            roles_.find(key_of(in_namespace ? grant.binding->ns : "", grant.binding->role.name));
        if (role != roles_.end()) {
          if (!visit(grant, role->second)) return;
        } else if (missing != nullptr) {
          missing->push_back((in_namespace ? "role." : "clusterrole.") + std::string(kRbacGroup) +
                             " " + quoted(grant.binding->role.name) + " not found");
        }
      }
    }
  }
}

Policy::Decision Policy::decide(const Asker& asker, const Action& action) const {
  Decision decision;
  std::vector<std::string> missing;
  visit_grants(
      asker, action.ns,
      [&](const Grant& grant, const Rules& rules) {
        for (const Rule& rule : rules) {
          if (!rule.allows(action)) continue;
          const Binding& binding = *grant.binding;
          const bool cluster = binding.ns.empty();
          decision.allowed = true;
          decision.reason = std::string("RBAC: allowed by ") +
                            (cluster ? "ClusterRoleBinding " + quoted(binding.name)
                                     : "RoleBinding " + quoted(binding.name + "/" + binding.ns)) +
                            " of " + binding.role.kind + " " + quoted(binding.role.name) + " to " +
                            grant.subject;
          return false;
        }
        return true;
      },
      &missing);
  if (decision.allowed || missing.empty()) return decision;
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  decision.reason =
      "RBAC: " + (missing.size() == 1 ? missing.front() : "[" + join(missing, ", ") + "]");
  return decision;
}

Rules Policy::rules_of(const Asker& asker, std::string_view ns) const {
  Rules all;
  visit_grants(
      asker, ns,
      [&](const Grant&, const Rules& rules) {
        all.insert(all.end(), rules.begin(), rules.end());
        return true;
      },
      nullptr);
  return all;
}

bool Policy::rules_of_role(const RoleRef& role, std::string_view ns, Rules* rules) const {
  const std::shared_lock lock(mutex_);
  const auto found = roles_.find(key_of(role.kind == "Role" ? ns : "", role.name));
  if (found == roles_.end()) return false;
  *rules = found->second;
  return true;
}

}  // namespace orch::rbac
