#include "server/audit/policy.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

namespace orch::audit {
namespace {

using api::Value;

constexpr std::array<std::string_view, 4> kLevels = {"None", "Metadata", "Request",
                                                     "RequestResponse"};
constexpr std::array<std::string_view, 4> kStages = {"RequestReceived", "ResponseStarted",
                                                     "ResponseComplete", "Panic"};

bool has(const std::vector<std::string>& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }

Result<void> check_members(const Value& value, const std::string& path,
                           std::initializer_list<std::string_view> known) {
  if (!value.is_object()) return bad_request(path + ": must be an object");
  for (const Value::Member& member : value.members()) {
    if (std::ranges::find(known, member.name) == known.end()) {
      return bad_request(path + "." + member.name + ": unknown field");
    }
  }
  return {};
}

Result<std::vector<std::string>> texts(const Value& object, std::string_view name,
                                       const std::string& path) {
  std::vector<std::string> list;
  const Value& value = object[name];
  const auto wrong = [&] {
    return bad_request(path + "." + std::string(name) + ": must be a list of strings");
  };
  if (!value.is_null() && !value.is_array()) return wrong();
  for (const Value& item : value.items()) {
    if (!item.is_string()) return wrong();
    list.push_back(item.as_string());
  }
  return list;
}

Result<bool> flag(const Value& object, std::string_view name, const std::string& path,
                  bool otherwise) {
  const Value& value = object[name];
  if (value.is_null()) return otherwise;
  if (!value.is_bool()) return bad_request(path + "." + std::string(name) + ": must be a boolean");
  return value.as_bool();
}

Result<uint8_t> stages(const Value& object, const std::string& path) {
  uint8_t bits = 0;
  for (const std::string& name : ORCH_TRY(texts(object, "omitStages", path))) {
    const auto at = std::ranges::find(kStages, name);
    if (at == kStages.end()) {
      return bad_request(path + ".omitStages: " + in_quotes(name) + " is no stage: " +
                         "RequestReceived, ResponseStarted, ResponseComplete, Panic");
    }
    bits |= static_cast<uint8_t>(1 << (at - kStages.begin()));
  }
  return bits;
}

// "*" stands alone, or at the end of a path.
Result<void> check_path(const std::string& url, const std::string& path) {
  if (url == "*") return {};
  const size_t star = url.find('*');
  if (!url.starts_with("/") || (star != url.npos && star + 1 != url.size())) {
    return bad_request(path + ".nonResourceURLs: " + in_quotes(url) +
                       " must begin with \"/\" and may have a \"*\" at its end");
  }
  return {};
}

bool matches_path(const std::string& wanted, std::string_view path) {
  if (wanted == "*" || wanted == path) return true;
  return wanted.ends_with("*") &&
         path.starts_with(std::string_view(wanted).substr(0, wanted.size() - 1));
}

// "pods", "pods/log", "pods/*", "*/scale", "*"
bool matches_resource(std::string_view wanted, const Subject& subject) {
  if (wanted == "*") return true;
  const size_t slash = wanted.find('/');
  const std::string_view resource = wanted.substr(0, slash);
  if (slash == wanted.npos) return subject.subresource.empty() && resource == subject.resource;
  const std::string_view part = wanted.substr(slash + 1);
  if (part == "*") return resource == subject.resource;
  return part == subject.subresource && (resource == "*" || resource == subject.resource);
}

}  // namespace

std::string_view to_text(Level level) { return kLevels[static_cast<size_t>(level)]; }
std::string_view to_text(Stage stage) { return kStages[static_cast<size_t>(stage)]; }

Result<Policy::Rule> Policy::parse_rule(const Value& value, const std::string& path) {
  ORCH_TRY(check_members(value, path,
                         {"level", "users", "userGroups", "verbs", "resources", "namespaces",
                          "nonResourceURLs", "omitStages", "omitManagedFields"}));
  Rule rule;
  const auto level = std::ranges::find(kLevels, value["level"].as_string());
  if (level == kLevels.end()) {
    return bad_request(path + ".level: must be None, Metadata, Request or RequestResponse");
  }
  rule.verdict.level = static_cast<Level>(level - kLevels.begin());
  rule.users = ORCH_TRY(texts(value, "users", path));
  rule.groups = ORCH_TRY(texts(value, "userGroups", path));
  rule.verbs = ORCH_TRY(texts(value, "verbs", path));
  rule.namespaces = ORCH_TRY(texts(value, "namespaces", path));
  rule.paths = ORCH_TRY(texts(value, "nonResourceURLs", path));
  for (const std::string& url : rule.paths) ORCH_TRY(check_path(url, path));
  for (const Value& item : value["resources"].items()) {
    const std::string where = path + ".resources[" + std::to_string(rule.resources.size()) + "]";
    ORCH_TRY(check_members(item, where, {"group", "resources", "resourceNames"}));
    Resources one{.group = item["group"].as_string(), .resources = {}, .names = {}};
    one.resources = ORCH_TRY(texts(item, "resources", where));
    one.names = ORCH_TRY(texts(item, "resourceNames", where));
    if (!one.names.empty() && one.resources.empty()) {
      return bad_request(where + ".resourceNames: needs at least one of resources");
    }
    rule.resources.push_back(std::move(one));
  }
  if (!rule.paths.empty() && !(rule.resources.empty() && rule.namespaces.empty())) {
    return bad_request(path + ".nonResourceURLs: can't be joined with resources or namespaces");
  }
  return rule;
}

Result<Policy> Policy::parse(const Value& document) {
  ORCH_TRY(check_members(
      document, "policy",
      {"apiVersion", "kind", "metadata", "omitStages", "omitManagedFields", "rules"}));
  if (document["apiVersion"].as_string() != "audit.k8s.io/v1" ||
      document["kind"].as_string() != "Policy") {
    return bad_request("policy: must be a Policy of audit.k8s.io/v1");
  }
  const uint8_t omitted = ORCH_TRY(stages(document, "policy"));
  const bool without_managers = ORCH_TRY(flag(document, "omitManagedFields", "policy", false));
  const api::Array& rules = document["rules"].items();
  if (rules.empty() || rules.size() > kMaxRules) {
    return bad_request("policy.rules: must be between 1 and " + std::to_string(kMaxRules));
  }
  Policy policy;
  for (const Value& value : rules) {
    const std::string path = "policy.rules[" + std::to_string(policy.rules_.size()) + "]";
    Rule rule = ORCH_TRY(parse_rule(value, path));
    rule.verdict.omitted_stages = omitted | ORCH_TRY(stages(value, path));
    rule.verdict.omit_managed_fields =
        ORCH_TRY(flag(value, "omitManagedFields", path, without_managers));
    policy.rules_.push_back(std::move(rule));
  }
  return policy;
}

bool Policy::matches(const Resources& resources, const Subject& subject) {
  if (resources.group != subject.group) return false;
  if (resources.resources.empty()) return true;
  if (!resources.names.empty() && !has(resources.names, subject.name)) return false;
  return std::ranges::any_of(resources.resources, [&](const std::string& wanted) {
    return matches_resource(wanted, subject);
  });
}

bool Policy::matches(const Rule& rule, const Subject& subject) {
  if (!rule.users.empty() && !has(rule.users, subject.user)) return false;
  const auto in_rule = [&](const std::string& group) { return has(rule.groups, group); };
  if (!rule.groups.empty() && std::ranges::none_of(subject.groups, in_rule)) return false;
  if (!rule.verbs.empty() && !has(rule.verbs, subject.verb)) return false;
  if (!rule.namespaces.empty() || !rule.resources.empty()) {
    if (subject.resource.empty()) return false;
    if (!rule.namespaces.empty() && !has(rule.namespaces, subject.ns)) return false;
    return rule.resources.empty() || std::ranges::any_of(rule.resources, [&](const Resources& one) {
             return matches(one, subject);
           });
  }
  if (rule.paths.empty()) return true;
  if (!subject.resource.empty()) return false;
  return std::ranges::any_of(
      rule.paths, [&](const std::string& wanted) { return matches_path(wanted, subject.path); });
}

Verdict Policy::judge(const Subject& subject) const {
  for (const Rule& rule : rules_) {
    if (matches(rule, subject)) return rule.verdict;
  }
  return {};
}

}  // namespace orch::audit
