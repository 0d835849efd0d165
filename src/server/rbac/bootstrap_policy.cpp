#include "server/rbac/bootstrap_policy.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "server/rbac/rules.h"

namespace orch::rbac {
namespace {

using api::Value;

constexpr std::string_view kController = "system:controller:";

std::string aggregation_label(std::string_view name) {
  return std::string(kRbacGroup) + "/" + std::string(name);
}

Value named(std::string_view kind, std::string_view place) {
  const size_t slash = place.find('/');
  const bool in_namespace = kind == "Role" || kind == "RoleBinding";
  ORCH_CHECK(in_namespace == (slash != place.npos));
  Value metadata = Value::object({{"name", in_namespace ? place.substr(slash + 1) : place}});
  if (in_namespace) metadata.set("namespace", place.substr(0, slash));
  metadata.set("labels", Value::object({{"kubernetes.io/bootstrapping", "rbac-defaults"}}));
  metadata.set("annotations", Value::object({{kAutoUpdate, "true"}}));
  return Value::object({{"kind", kind},
                        {"apiVersion", std::string(kRbacGroup) + "/v1"},
                        {"metadata", std::move(metadata)}});
}

Value role(std::string_view kind, const std::vector<std::string_view>& words) {
  Value object = named(kind, words[1]);
  object.set("rules", Value::array());
  for (size_t i = 2; i < words.size(); ++i) {
    if (words[i].starts_with('+')) {
      object["metadata"]["labels"].set(aggregation_label(words[i].substr(1)), "true");
      continue;
    }
    ORCH_CHECK(words[i].starts_with("from="));
    const Value labels = Value::object({{aggregation_label(words[i].substr(5)), "true"}});
    const Value selector = Value::object({{"matchLabels", labels}});
    object.set("aggregationRule",
               Value::object({{"clusterRoleSelectors", Value::array({selector})}}));
  }
  return object;
}

Value binding(std::string_view kind, std::string_view place, std::string_view role_name) {
  Value object = named(kind, place);
  object.set("subjects", Value::array());
  object.set("roleRef", Value::object({{"apiGroup", kRbacGroup},
                                       {"kind", kind == "RoleBinding" ? "Role" : "ClusterRole"},
                                       {"name", role_name}}));
  return object;
}

Value service_account(std::string_view ns, std::string_view name) {
  return Value::object({{"kind", "ServiceAccount"}, {"name", name}, {"namespace", ns}});
}

Value subject(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon), name = text.substr(colon + 1);
  if (kind != "ServiceAccount") {
    return Value::object({{"kind", kind}, {"apiGroup", kRbacGroup}, {"name", name}});
  }
  const size_t slash = name.find('/');
  return service_account(name.substr(0, slash), name.substr(slash + 1));
}

std::vector<std::string> listed(std::string_view text) {
  std::vector<std::string> all;
  for (const std::string_view item : split(text, ',')) {
    const std::string_view name = trim(item);
    all.emplace_back(name == "core" ? "" : name);
  }
  return all;
}

// "get,list core,apps: pods, pods/log of a, b"
Value rule(std::string_view line) {
  const size_t blank = line.find(' '), colon = line.find(": ");
  ORCH_CHECK(blank < colon && colon != line.npos);
  const std::string_view groups = line.substr(blank + 1, colon - blank - 1);
  std::string_view things = line.substr(colon + 2);
  Rule parsed;
  parsed.verbs = listed(line.substr(0, blank));
  if (groups == "url") {
    parsed.urls = listed(things);
    return parsed.to_value();
  }
  parsed.groups = listed(groups);
  if (const size_t of = things.find(" of "); of != things.npos) {
    parsed.names = listed(things.substr(of + 4));
    things = things.substr(0, of);
  }
  parsed.resources = listed(things);
  return parsed.to_value();
}

// Lines with what continues them.
std::vector<std::string> entries(std::string_view table) {
  std::vector<std::string> all;
  for (const std::string_view line : split(table, '\n')) {
    if (line.empty()) continue;
    if (line.starts_with("    ")) {
      all.back().append(" ").append(trim(line));
    } else {
      all.emplace_back(line);
    }
  }
  return all;
}

void add_head(const std::string& line, std::vector<Value>* objects, std::vector<Value>* bindings) {
  const std::vector<std::string_view> words = split(line, ' ');
  ORCH_CHECK(words.size() >= 2);
  const std::string_view what = words[0];
  if (what == "clusterrole" || what == "role") {
    objects->push_back(role(what == "role" ? "Role" : "ClusterRole", words));
    return;
  }
  if (what == "controller") {
    const std::string name = std::string(kController) + std::string(words[1]);
    objects->push_back(role("ClusterRole", {what, name}));
    bindings->push_back(binding("ClusterRoleBinding", name, name));
    bindings->back()["subjects"].push_back(service_account("kube-system", words[1]));
    return;
  }
  ORCH_CHECK(what == "clusterbinding" || what == "binding");
  std::string_view to = words[1].substr(words[1].rfind('/') + 1);
  if (words.size() > 2) to = words[2].substr(std::string_view("to=").size());
  objects->push_back(
      binding(what == "binding" ? "RoleBinding" : "ClusterRoleBinding", words[1], to));
}

bool holds(const Value& list, const Value& item) {
  return std::find(list.items().begin(), list.items().end(), item) != list.items().end();
}

}  // namespace

std::vector<Value> bootstrap_policy() {
  std::vector<Value> objects, bindings;
  for (const std::string_view table : {bootstrap_roles(), bootstrap_controllers()}) {
    for (const std::string& line : entries(table)) {
      if (line.front() != ' ') {
        add_head(line, &objects, &bindings);
      } else if (std::as_const(objects.back()).has("subjects")) {
        objects.back()["subjects"].push_back(subject(trim(line)));
      } else {
        objects.back()["rules"].push_back(rule(trim(line)));
      }
    }
  }
  std::move(bindings.begin(), bindings.end(), std::back_inserter(objects));
  std::stable_partition(objects.begin(), objects.end(),
                        [](const Value& object) { return object.has("rules"); });
  return objects;
}

Value with_bootstrap(const Value& stored, const Value& wanted) {
  if (stored["metadata"]["annotations"][kAutoUpdate].as_string() == "false") return {};
  Value changed = stored;
  bool lacks = false;
  for (const char* part : {"labels", "annotations"}) {
    for (const auto& member : wanted["metadata"][part].members()) {
      if (stored["metadata"][part].has(member.name)) continue;
      changed["metadata"][part].set(member.name, member.value);
      lacks = true;
    }
  }
  if (wanted.has("aggregationRule") && stored["aggregationRule"].is_null()) {
    changed.set("aggregationRule", wanted["aggregationRule"]);
    lacks = true;
  }
  Rules missing;
  if (!wanted.has("aggregationRule")) {
    missing = uncovered(parse_rules(stored["rules"]), parse_rules(wanted["rules"]));
  }
  for (const Rule& each : missing) changed["rules"].push_back(each.to_value());
  for (const Value& each : wanted["subjects"].items()) {
    if (holds(stored["subjects"], each)) continue;
    changed["subjects"].push_back(each);
    lacks = true;
  }
  return lacks || !missing.empty() ? changed : Value();
}

}  // namespace orch::rbac
