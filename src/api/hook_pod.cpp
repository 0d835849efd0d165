// Pods: defaults that templates don't get, the first status, and what of a spec may still change.
// Follows: kubernetes.io "Pod Lifecycle", "Pod Quality of Service Classes", "Pod update and
// replacement".
#include <algorithm>
#include <utility>

#include "api/canonical.h"
#include "api/hook_list.h"
#include "api/pod_spec.h"
#include "api/quantity.h"

namespace orch::api {
namespace {

// What is limited but not requested, is requested in full.
void default_requests(Value& container) {
  const Value limits = std::as_const(container).at("resources.limits");
  if (limits.empty()) return;
  Value& requests = container["resources"]["requests"];
  if (requests.is_null()) requests = Value::object();
  for (const Value::Member& limit : limits.members()) {
    if (!requests.has(limit.name)) requests.set(limit.name, limit.value);
  }
}

void default_host_ports(Value& container) {
  Value* ports = container.find("ports");
  if (ports == nullptr || !ports->is_array()) return;
  for (Value& port : ports->array_items()) {
    if (std::as_const(port)["hostPort"].as_int() == 0) {
      port.set("hostPort", std::as_const(port)["containerPort"].as_int());
    }
  }
}

void set_defaults(Value& pod) {
  Value& spec = pod["spec"];
  if (!spec.is_object()) return;
  const Value& given = spec;
  if (given["enableServiceLinks"].is_null()) spec.set("enableServiceLinks", true);
  for (const char* list : {"initContainers", "containers"}) {
    Value* containers = spec.find(list);
    if (containers == nullptr || !containers->is_array()) continue;
    for (Value& container : containers->array_items()) {
      default_requests(container);
      if (given["hostNetwork"].as_bool()) default_host_ports(container);
    }
  }
}

bool sets_amount(const Value& list, const char* name) {
  const auto amount = Quantity::parse(list[name].as_string());
  return amount.ok() && amount->sign() > 0;
}

// Guaranteed: each container limits cpu and memory, and requests just that. BestEffort: none asks
// for any of the two. Burstable: the rest.
const char* qos_class(const Value& pod) {
  bool any = false;
  bool all = true;
  for (const char* list : {"initContainers", "containers"}) {
    for (const Value& container : pod["spec"][list].items()) {
      const Value& limits = container.at("resources.limits");
      const Value& requests = container.at("resources.requests");
      for (const char* name : {"cpu", "memory"}) {
        any |= sets_amount(limits, name) || sets_amount(requests, name);
        all &= sets_amount(limits, name) && limits[name] == requests[name];
      }
    }
  }
  return !any ? "BestEffort" : (all ? "Guaranteed" : "Burstable");
}

void prepare_create(Value& pod) {
  pod.set("status", Value::object({{"phase", "Pending"}, {"qosClass", qos_class(pod)}}));
}

void prepare_update(Value& pod, const Value& old, std::string_view subresource) {
  if (subresource == "ephemeralcontainers") {
    const Value added = std::as_const(pod)["spec"]["ephemeralContainers"];
    pod.set("spec", old["spec"]);
    pod["spec"].remove("ephemeralContainers");
    if (!added.empty()) pod["spec"].set("ephemeralContainers", added);
    return;
  }
  if (subresource != "status") return;
  const Value& qos = old.at("status.qosClass");
  if (!qos.is_null()) pod["status"].set("qosClass", qos);
}

void validate_create(const Value& pod, Causes& causes) {
  const Value& spec = pod["spec"];
  if (!spec["ephemeralContainers"].empty()) {
    add_forbidden(&causes, "spec.ephemeralContainers", "cannot be set on create");
  }
  if (!spec["schedulingGates"].empty() && !spec["nodeName"].empty()) {
    add_forbidden(&causes, "spec.nodeName",
                  "cannot be set until all schedulingGates have been cleared");
  }
}

void validate(const Value& pod, Causes& causes) { validate_pod_spec(pod["spec"], "spec", &causes); }

// Every toleration that was there is there still.
bool only_adds(const Value& tolerations, const Value& old) {
  const Array& now = tolerations.items();
  return std::all_of(old.items().begin(), old.items().end(), [&](const Value& one) {
    return std::any_of(now.begin(), now.end(), [&](const Value& another) {
      Value a = one, b = another;
      a.remove("tolerationSeconds");
      b.remove("tolerationSeconds");
      return a == b;
    });
  });
}

// Makes `spec` equal to `old` in all that an update may change.
void mask_changeable(Value& spec, const Value& old) {
  for (const char* list : {"containers", "initContainers"}) {
    Value* containers = spec.find(list);
    if (containers == nullptr || containers->size() != old[list].size()) continue;
    for (size_t i = 0; i < containers->size(); ++i) {
      containers->array_items()[i].set("image", old[list][i]["image"]);
    }
  }
  const auto take_over = [&](const char* field) {
    if (old.has(field)) {
      spec.set(field, old[field]);
    } else {
      spec.remove(field);
    }
  };
  take_over("activeDeadlineSeconds");
  take_over("serviceAccount");  // Only mirrors serviceAccountName.
  if (only_adds(std::as_const(spec)["tolerations"], old["tolerations"])) take_over("tolerations");
  if (old["terminationGracePeriodSeconds"].as_int() < 0 &&
      std::as_const(spec)["terminationGracePeriodSeconds"].as_int() == 1) {
    take_over("terminationGracePeriodSeconds");
  }
  // Gates are only ever opened. Before they are, the choice of nodes may become narrower.
  const Array& gates = old["schedulingGates"].items();
  const Array& closed = std::as_const(spec)["schedulingGates"].items();
  if (std::all_of(closed.begin(), closed.end(), [&](const Value& gate) {
        return std::find(gates.begin(), gates.end(), gate) != gates.end();
      })) {
    take_over("schedulingGates");
  }
  if (gates.empty()) return;
  take_over("affinity");
  const auto& wanted = old["nodeSelector"].members();
  if (std::all_of(wanted.begin(), wanted.end(), [&](const Value::Member& label) {
        return std::as_const(spec)["nodeSelector"][label.name] == label.value;
      })) {
    take_over("nodeSelector");
  }
}

void validate_deadline(const Value& now, const Value& was, Causes& causes) {
  if (was.is_null() || now == was) return;
  if (now.is_null()) {
    add_invalid(&causes, "spec.activeDeadlineSeconds", now,
                "must not update from a positive integer to nil value");
  } else if (now.as_int() > was.as_int()) {
    add_invalid(&causes, "spec.activeDeadlineSeconds", now,
                "must be less than or equal to previous value");
  }
}

// They come and stay: none is changed, none is taken away.
void validate_ephemeral_update(const Value& now, const Value& was, Causes& causes) {
  const std::string path = "spec.ephemeralContainers";
  const Type& type = *Schema::builtin().find_type("core/v1.EphemeralContainer");
  for (const Value& before : was.items()) {
    const Array& all = now.items();
    const auto same = std::find_if(all.begin(), all.end(),
                                   [&](const Value& c) { return c["name"] == before["name"]; });
    const std::string name = "\"" + before["name"].as_string() + "\"";
    if (same == all.end()) {
      add_forbidden(&causes, path,
                    "existing ephemeral containers " + name + " may not be removed\n");
    } else if (canonicalize(type, *same) != canonicalize(type, before)) {
      add_forbidden(&causes, path,
                    "existing ephemeral containers " + name + " may not be changed\n");
    }
  }
}

// Of what ended for good nobody may say that it goes on: not where nothing is restarted, nor, where
// only failures are, of what did not fail.
void validate_states(const Value& pod, const Value& old, const char* list, std::string_view policy,
                     Causes& causes) {
  if (policy == "Always" || policy.empty()) return;
  const auto named = [](const Value& containers, const Value& name) -> const Value& {
    static const Value none;
    for (const Value& one : containers.items()) {
      if (one["name"] == name) return one;
    }
    return none;
  };
  const Value& before = old["status"][list];
  for (size_t i = 0; i < before.size(); ++i) {
    const Value& ended = before[i].at("state.terminated");
    if (ended.is_null()) continue;
    if (policy == "OnFailure" && ended["exitCode"].as_int() != 0) continue;
    const Value& name = before[i]["name"];
    const Value& spec = named(old.at("spec.initContainers"), name);
    if (spec["restartPolicy"].as_string() == "Always") continue;  // A sidecar.
    const Value& now = named(pod["status"][list], name);
    if (now.is_null() || !now.at("state.terminated").is_null()) continue;
    add_forbidden(&causes, at(at(at("status", list), i), "state"),
                  "may not be transitioned to non-terminated state");
  }
}

void validate_update(const Value& pod, const Value& old, std::string_view subresource,
                     Causes& causes) {
  if (subresource == "ephemeralcontainers") {
    return validate_ephemeral_update(pod.at("spec.ephemeralContainers"),
                                     old.at("spec.ephemeralContainers"), causes);
  }
  if (subresource == "status") {
    const std::string& policy = old.at("spec.restartPolicy").as_string();
    validate_states(pod, old, "containerStatuses", policy, causes);
    validate_states(pod, old, "initContainerStatuses", policy, causes);
    validate_states(pod, old, "ephemeralContainerStatuses", "Never", causes);
  }
  if (!subresource.empty()) return;
  const Type& type = *Schema::builtin().find_type("core/v1.PodSpec");
  const Value& was = old["spec"];
  for (const char* list : {"containers", "initContainers"}) {
    if (pod["spec"][list].size() == was[list].size()) continue;
    add_forbidden(&causes, at("spec", list), "pod updates may not add or remove containers");
    return;
  }
  validate_deadline(pod.at("spec.activeDeadlineSeconds"), was["activeDeadlineSeconds"], causes);
  Value masked = pod["spec"];
  mask_changeable(masked, was);
  if (canonicalize(type, std::move(masked)) == canonicalize(type, was)) return;
  add_forbidden(&causes, "spec",
                "pod updates may not change fields other than `spec.containers[*].image`,"
                "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
                "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
                "(allow it to be set to 1 if it was previously negative)");
}

}  // namespace

const Hook kPodHook = {
    .defaults = set_defaults,
    .prepare_create = prepare_create,
    .prepare_update = prepare_update,
    .validate_create = validate_create,
    .validate = validate,
    .ignores_status = true,
    .validate_update = validate_update,
};

}  // namespace orch::api
