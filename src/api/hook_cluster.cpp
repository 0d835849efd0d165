// Kinds of the cluster's own: Namespace, Node, RuntimeClass, Lease.
// Follows: kubernetes.io "Namespaces", "Nodes", "Leases".
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "api/hook_list.h"
#include "api/names.h"
#include "api/pod_spec.h"
#include "api/workload.h"

namespace orch::api {
namespace {

constexpr const char* kNamespaceFinalizer = "kubernetes";

void default_namespace(Value& ns) {
  const Value& name = std::as_const(ns).at("metadata.name");
  if (name.empty()) return;
  const std::string text = name.as_string();
  ns["metadata"]["labels"].set("kubernetes.io/metadata.name", text);
}

void prepare_namespace(Value& ns) {
  Value& finalizers = ns["spec"]["finalizers"];
  const Array& given = std::as_const(finalizers).items();
  if (std::find(given.begin(), given.end(), Value(kNamespaceFinalizer)) == given.end()) {
    finalizers.push_back(kNamespaceFinalizer);
  }
  ns.set("status", Value::object({{"phase", "Active"}}));
}

// Its finalizers change through /finalize alone.
void prepare_namespace_update(Value& ns, const Value& old, std::string_view subresource) {
  if (subresource == "finalize") return;
  if (old.has("spec")) {
    ns.set("spec", old["spec"]);
  } else {
    ns.remove("spec");
  }
}

void validate_namespace(const Value& ns, Causes& causes) {
  const Value& finalizers = ns.at("spec.finalizers");
  for (size_t i = 0; i < finalizers.size(); ++i) {
    add_problems(&causes, at("spec.finalizers", i), finalizers[i],
                 qualified_name_problems(finalizers[i].as_string()));
  }
}

void default_node(Value& node) {
  const Value capacity = std::as_const(node).at("status.capacity");
  if (capacity.empty() || !std::as_const(node).at("status.allocatable").empty()) return;
  node["status"].set("allocatable", capacity);
}

void validate_node(const Value& node, Causes& causes) {
  const Value& taints = node.at("spec.taints");
  std::set<std::string> seen;
  for (size_t i = 0; i < taints.size(); ++i) {
    const std::string here = at("spec.taints", i);
    const Value& taint = taints[i];
    const std::string& effect = taint["effect"].as_string();
    add_problems(&causes, at(here, "key"), taint["key"],
                 qualified_name_problems(taint["key"].as_string()));
    add_problems(&causes, at(here, "value"), taint["value"].as_string(),
                 label_value_problems(taint["value"].as_string()));
    if (!seen.insert(taint["key"].as_string() + ":" + effect).second) {
      add_duplicate(&causes, here, taint);
    }
  }
  const Value& ranges = node.at("spec.podCIDRs");
  for (size_t i = 0; i < ranges.size(); ++i) {
    add_problems(&causes, at("spec.podCIDRs", i), ranges[i], cidr_problems(ranges[i].as_string()));
  }
  const auto is_v6 = [&](size_t i) { return ranges[i].as_string().find(':') != std::string::npos; };
  if (ranges.size() > 2 || (ranges.size() == 2 && is_v6(0) == is_v6(1))) {
    add_invalid(&causes, "spec.podCIDRs", ranges,
                "may specify no more than one CIDR for each IP family");
  }
  for (const char* list : {"capacity", "allocatable"}) {
    validate_resource_list(node["status"][list], at("status", list), &causes, /*of_node=*/true);
  }
}

// Set once, then never again.
void validate_node_update(const Value& node, const Value& old, std::string_view, Causes& causes) {
  for (const char* field : {"podCIDRs", "providerID"}) {
    const Value& was = old["spec"][field];
    if (was.empty() || node["spec"][field] == was) continue;
    add_forbidden(
        &causes, at("spec", field),
        std::string("node updates may not change ") + field + " except from \"\" to valid");
  }
}

void validate_lease(const Value& lease, Causes& causes) {
  const Value& spec = lease["spec"];
  const Value& seconds = spec["leaseDurationSeconds"];
  if (!seconds.is_null() && seconds.as_int() <= 0) {
    add_invalid(&causes, "spec.leaseDurationSeconds", seconds, "must be greater than 0");
  }
  validate_not_negative(spec["leaseTransitions"], "spec.leaseTransitions", &causes);
  const Value& holder = spec["holderIdentity"];
  if (holder.is_string() && holder.empty()) {
    add_invalid(&causes, "spec.holderIdentity", holder, "must not be empty");
  }
}

void validate_runtime_class(const Value& runtime, Causes& causes) {
  const Value& handler = runtime["handler"];
  if (!handler.empty()) {
    add_problems(&causes, "handler", handler, dns_label_problems(handler.as_string()));
  }
  validate_resource_list(runtime["overhead"]["podFixed"], "overhead.podFixed", &causes);
}

void validate_runtime_class_update(const Value& now, const Value& old, std::string_view,
                                   Causes& causes) {
  validate_unchanged(now, old, "handler", causes);
}

}  // namespace

const Hook kNamespaceHook = {
    .defaults = default_namespace,
    .prepare_create = prepare_namespace,
    .prepare_update = prepare_namespace_update,
    .validate = validate_namespace,
};

const Hook kNodeHook = {
    .defaults = default_node,
    .keeps_status = true,
    .validate = validate_node,
    .validate_update = validate_node_update,
};

const Hook kRuntimeClassHook = {
    .validate = validate_runtime_class,
    .validate_update = validate_runtime_class_update,
};

const Hook kLeaseHook = {
    .validate = validate_lease,
};

}  // namespace orch::api
