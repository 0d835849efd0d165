#include "server/admission/quota.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace orch::admission {
namespace {

using api::Quantity;
using api::Value;

constexpr std::string_view kCount = "count/";
constexpr std::string_view kStorageClass = ".storageclass.storage.k8s.io/";
constexpr std::string_view kStorageClassAnnotation = "volume.beta.kubernetes.io/storage-class";

const Quantity kOne = Quantity::of(1);

bool is_core(const api::Resource& resource, std::string_view plural) {
  return resource.group.empty() && resource.plural == plural;
}

bool has_ended(const Value& pod) {
  const std::string& phase = pod["status"]["phase"].as_string();
  return phase == "Succeeded" || phase == "Failed";
}

// cpu, memory and ephemeral-storage have names without "requests." as well.
bool has_short_name(const std::string& name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage" ||
         name.starts_with("hugepages-");
}

void add_pod(const Value& pod, Quantities* used) {
  if (has_ended(pod)) return;
  (*used)["pods"] = kOne;
  for (const auto& [name, amount] : pod_quantities(pod["spec"], "requests")) {
    if (has_short_name(name)) (*used)[name] = amount;
    (*used)["requests." + name] = amount;
  }
  for (const auto& [name, amount] : pod_quantities(pod["spec"], "limits")) {
    (*used)["limits." + name] = amount;
  }
}

void add_service(const Value& service, Quantities* used) {
  const Value& spec = service["spec"];
  const std::string& type = spec["type"].as_string();
  const Quantity ports = Quantity::of(static_cast<int64_t>(spec["ports"].size()));
  (*used)["services"] = kOne;
  if (type == "LoadBalancer") (*used)["services.loadbalancers"] = kOne;
  const bool takes_ports =
      type == "NodePort" ||
      (type == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"].as_bool(true));
  if (takes_ports) (*used)["services.nodeports"] = ports;
}

void add_claim(const Value& claim, Quantities* used) {
  (*used)["persistentvolumeclaims"] = kOne;
  const Value& storage = claim.at("spec.resources.requests")["storage"];
  const auto amount = Quantity::parse(storage.as_string());
  if (amount) (*used)["requests.storage"] = *amount;
  std::string storage_class = claim.at("metadata.annotations")[kStorageClassAnnotation].as_string();
  if (storage_class.empty()) storage_class = claim.at("spec.storageClassName").as_string();
  if (storage_class.empty()) return;
  const std::string prefix = storage_class + std::string(kStorageClass);
  (*used)[prefix + "persistentvolumeclaims"] = kOne;
  if (amount) (*used)[prefix + "requests.storage"] = *amount;
}

bool is_best_effort(const Value& spec) {
  for (const char* list : {"containers", "initContainers"}) {
    for (const Value& container : spec[list].items()) {
      const Value& resources = container["resources"];
      for (const char* which : {"requests", "limits"}) {
        for (const char* name : {"cpu", "memory"}) {
          if (Quantity::parse(resources[which][name].as_string()).value_or({}).sign() > 0) {
            return false;
          }
        }
      }
    }
  }
  return true;
}

bool names_other_namespaces(const Value& spec) {
  for (const char* kind : {"podAffinity", "podAntiAffinity"}) {
    const Value& affinity = spec["affinity"][kind];
    const auto reaches_out = [](const Value& term) {
      return !term["namespaces"].empty() || !term["namespaceSelector"].is_null();
    };
    for (const Value& term : affinity["requiredDuringSchedulingIgnoredDuringExecution"].items()) {
      if (reaches_out(term)) return true;
    }
    for (const Value& each : affinity["preferredDuringSchedulingIgnoredDuringExecution"].items()) {
      if (reaches_out(each["podAffinityTerm"])) return true;
    }
  }
  return false;
}

bool in_scope(const std::string& scope, const Value& spec) {
  if (scope == "Terminating") return spec["activeDeadlineSeconds"].is_int();
  if (scope == "NotTerminating") return !spec["activeDeadlineSeconds"].is_int();
  if (scope == "BestEffort") return is_best_effort(spec);
  if (scope == "NotBestEffort") return !is_best_effort(spec);
  if (scope == "CrossNamespacePodAffinity") return names_other_namespaces(spec);
  return scope == "PriorityClass" && !spec["priorityClassName"].empty();
}

bool selected(const Value& requirement, const Value& spec) {
  const std::string& scope = requirement["scopeName"].as_string();
  const std::string& op = requirement["operator"].as_string();
  if (scope != "PriorityClass" || op == "Exists") return in_scope(scope, spec);
  const std::string& name = spec["priorityClassName"].as_string();
  if (op == "DoesNotExist") return name.empty();
  const auto& values = requirement["values"].items();
  const bool listed = std::any_of(values.begin(), values.end(),
                                  [&](const Value& each) { return each.as_string() == name; });
  return op == "In" ? !name.empty() && listed : !listed;
}

}  // namespace

Quantities usage_of(const api::Resource& resource, const Value& object) {
  Quantities used;
  const std::string group = resource.group.empty() ? "" : "." + resource.group;
  used[std::string(kCount) + resource.plural + group] = kOne;
  if (is_core(resource, "pods")) {
    add_pod(object, &used);
  } else if (is_core(resource, "services")) {
    add_service(object, &used);
  } else if (is_core(resource, "persistentvolumeclaims")) {
    add_claim(object, &used);
  } else if (resource.group.empty()) {
    used[resource.plural] = kOne;
  }
  return used;
}

bool quota_counts(const Value& quota, const api::Resource& resource, const Value& object) {
  const Value& spec = quota["spec"];
  const Value& requirements = spec["scopeSelector"]["matchExpressions"];
  if (spec["scopes"].empty() && requirements.empty()) return true;
  if (!is_core(resource, "pods")) return false;  // Only pods have scopes.
  for (const Value& scope : spec["scopes"].items()) {
    if (!in_scope(scope.as_string(), object["spec"])) return false;
  }
  for (const Value& requirement : requirements.items()) {
    if (!selected(requirement, object["spec"])) return false;
  }
  return true;
}

Counted counted_by(std::string_view name) {
  if (name.starts_with(kCount)) {
    name.remove_prefix(kCount.size());
    const size_t dot = name.find('.');
    return {dot == name.npos ? "" : std::string(name.substr(dot + 1)),
            std::string(name.substr(0, dot)), true};
  }
  if (name == "requests.storage" || name.find(kStorageClass) != name.npos) {
    return {"", "persistentvolumeclaims", false};
  }
  if (name.starts_with("services.")) return {"", "services", false};
  for (const std::string_view plural : {"configmaps", "secrets", "services", "resourcequotas",
                                        "replicationcontrollers", "persistentvolumeclaims"}) {
    if (name == plural) return {"", std::string(plural), true};
  }
  return {"", "pods", false};
}

std::vector<std::string> unspecified(const Quantities& hard, const Value& pod) {
  std::map<std::string, std::string> missing;  // Name in the quota → containers.
  for (const auto& [name, bound] : hard) {
    const bool limit = name.starts_with("limits.");
    const std::string plain = limit                           ? name.substr(7)
                              : name.starts_with("requests.") ? name.substr(9)
                                                              : name;
    if (plain != "cpu" && plain != "memory") continue;  // Only these must be said.
    for (const char* list : {"containers", "initContainers"}) {
      for (const Value& container : pod["spec"][list].items()) {
        const Value& resources = container["resources"];
        if (resources[limit ? "limits" : "requests"].has(plain)) continue;
        std::string& whose = missing[name];
        whose += (whose.empty() ? "" : ",") + container["name"].as_string();
      }
    }
  }
  std::vector<std::string> texts;
  for (const auto& [name, containers] : missing) texts.push_back(name + " for: " + containers);
  return texts;
}

std::string to_text(const Quantities& quantities, const Quantities& names) {
  std::vector<std::string> parts;
  for (const auto& [name, unused] : names) {
    const auto found = quantities.find(name);
    const Quantity amount = found == quantities.end() ? Quantity() : found->second;
    parts.push_back(name + "=" + amount.to_string());
  }
  return join(parts, ",");
}

}  // namespace orch::admission
