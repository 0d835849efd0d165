// The rules for containers, init containers and ephemeral containers of a pod.
#include <algorithm>
#include <set>
#include <string>

#include "api/names.h"
#include "api/pod_spec.h"
#include "api/quantity.h"
#include "base/strings.h"

namespace orch::api {
namespace {

enum class Role { main, init, sidecar, ephemeral };

void validate_port_reference(const Value& port, const std::string& path, Causes* causes) {
  if (port.is_string()) {
    add_problems(causes, path, port, port_name_problems(port.as_string()));
  } else {
    add_problems(causes, path, port, port_number_problems(port.as_int()));
  }
}

// What a probe or a lifecycle hook does: exactly one of its handlers.
void validate_handler(const Value& handler, const std::string& path, Causes* causes) {
  int given = 0;
  for (const char* kind : {"exec", "httpGet", "tcpSocket", "grpc", "sleep"}) {
    if (handler[kind].is_null()) continue;
    if (++given > 1) {
      add_forbidden(causes, at(path, kind), "may not specify more than 1 handler type");
    }
  }
  if (given == 0) add_required(causes, path, "must specify a handler type");
  if (handler["exec"].is_object() && handler.at("exec.command").empty()) {
    add_required(causes, at(path, "exec.command"));
  }
  for (const char* kind : {"httpGet", "tcpSocket", "grpc"}) {
    if (!handler[kind].is_object()) continue;
    validate_port_reference(handler[kind]["port"], at(at(path, kind), "port"), causes);
  }
  if (handler["httpGet"].is_object() && handler.at("httpGet.path").empty()) {
    add_required(causes, at(path, "httpGet.path"));
  }
}

void validate_probe(const Value& probe, const std::string& path, bool readiness, Causes* causes) {
  if (probe.is_null()) return;
  validate_handler(probe, path, causes);
  for (const char* field : {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                            "successThreshold", "failureThreshold"}) {
    validate_not_negative(probe[field], at(path, field), causes);
  }
  const Value& grace = probe["terminationGracePeriodSeconds"];
  if (readiness) {
    if (!grace.is_null()) {
      add_invalid(causes, at(path, "terminationGracePeriodSeconds"), grace,
                  "must not be set for readinessProbes");
    }
    return;
  }
  if (probe["successThreshold"].as_int() != 1) {
    add_invalid(causes, at(path, "successThreshold"), probe["successThreshold"], "must be 1");
  }
  if (!grace.is_null() && grace.as_int() < 1) {
    add_invalid(causes, at(path, "terminationGracePeriodSeconds"), grace, "must be greater than 0");
  }
}

void validate_ports(const Value& container, bool host_network, const std::string& path,
                    Causes* causes) {
  std::set<std::string> names;
  const Value& ports = container["ports"];
  for (size_t i = 0; i < ports.size(); ++i) {
    const Value& port = ports[i];
    const std::string here = at(path, i);
    const Value& name = port["name"];
    if (!name.empty()) {
      add_problems(causes, at(here, "name"), name, port_name_problems(name.as_string()));
      if (!names.insert(name.as_string()).second) add_duplicate(causes, at(here, "name"), name);
    }
    const Value& number = port["containerPort"];
    if (number.as_int() == 0) {
      add_required(causes, at(here, "containerPort"));
    } else {
      add_problems(causes, at(here, "containerPort"), number,
                   port_number_problems(number.as_int()));
    }
    const Value& host = port["hostPort"];
    if (host.as_int() == 0) continue;
    add_problems(causes, at(here, "hostPort"), host, port_number_problems(host.as_int()));
    if (host_network && host.as_int() != number.as_int()) {
      add_invalid(causes, at(here, "containerPort"), number,
                  "must match `hostPort` when `hostNetwork` is true");
    }
  }
}

void validate_resources(const Value& resources, const std::string& path, Causes* causes) {
  const Value& limits = resources["limits"];
  const Value& requests = resources["requests"];
  validate_resource_list(limits, at(path, "limits"), causes);
  validate_resource_list(requests, at(path, "requests"), causes);
  for (const Value::Member& one : requests.members()) {
    const bool whole = one.name.find('/') != one.name.npos || one.name.starts_with("hugepages-");
    if (whole && limits[one.name].is_null()) {
      add_required(causes, at(path, "limits"),
                   "Limit must be set for non overcommitable resources");
    }
    const auto request = Quantity::parse(one.value.as_string());
    const auto limit = Quantity::parse(limits[one.name].as_string());
    if (!limit.ok() || !request.ok()) continue;
    const std::string here = at(path, "requests");
    if (whole && *request != *limit) {
      add_invalid(causes, here, one.value,
                  "must be equal to " + one.name + " limit of " + limits[one.name].as_string());
    } else if (*request > *limit) {
      add_invalid(causes, here, one.value,
                  "must be less than or equal to " + one.name + " limit of " +
                      limits[one.name].as_string());
    }
  }
}

// Probes and lifecycle are for what runs on; an init container ends.
void validate_life(const Value& container, Role role, const std::string& path, Causes* causes) {
  const bool lives = role == Role::main || role == Role::sidecar;
  for (const char* field : {"livenessProbe", "readinessProbe", "startupProbe", "lifecycle"}) {
    if (lives || container[field].is_null()) continue;
    add_forbidden(causes, at(path, field),
                  role == Role::ephemeral ? "cannot be set for an Ephemeral Container"
                                          : "may not be set for init containers without "
                                            "restartPolicy=Always");
  }
  if (!lives) return;
  validate_probe(container["livenessProbe"], at(path, "livenessProbe"), false, causes);
  validate_probe(container["readinessProbe"], at(path, "readinessProbe"), true, causes);
  validate_probe(container["startupProbe"], at(path, "startupProbe"), false, causes);
  for (const char* hook : {"postStart", "preStop"}) {
    const Value& handler = container["lifecycle"][hook];
    if (!handler.is_null()) validate_handler(handler, at(at(path, "lifecycle"), hook), causes);
  }
}

void validate_container(const Value& container, Role role, const Value& spec,
                        const std::string& path, Causes* causes) {
  const std::string& name = container["name"].as_string();
  if (!name.empty()) {
    add_problems(causes, at(path, "name"), container["name"], dns_label_problems(name));
  }
  const std::string& image = container["image"].as_string();
  if (image.empty()) {
    add_required(causes, at(path, "image"));
  } else if (trim(image) != image) {
    add_invalid(causes, at(path, "image"), image, "must not have leading or trailing whitespace");
  }
  const Value& restart = container["restartPolicy"];
  if (role == Role::main && !restart.is_null()) {
    add_forbidden(causes, at(path, "restartPolicy"), "may not be set for non-init containers");
  } else if (!restart.is_null() && restart.as_string() != "Always") {
    add_not_supported(causes, at(path, "restartPolicy"), restart, {"Always"});
  }
  for (const char* field : {"ports", "resources", "resizePolicy"}) {
    if (role != Role::ephemeral || container[field].empty()) continue;
    add_forbidden(causes, at(path, field), "cannot be set for an Ephemeral Container");
  }
  validate_life(container, role, path, causes);
  validate_ports(container, spec["hostNetwork"].as_bool(), at(path, "ports"), causes);
  validate_env(container["env"], at(path, "env"), causes);
  validate_env_from(container["envFrom"], at(path, "envFrom"), causes);
  validate_resources(container["resources"], at(path, "resources"), causes);
  validate_container_security(container["securityContext"], spec, at(path, "securityContext"),
                              causes);
  validate_volume_mounts(container, spec["volumes"], path, causes);
}

// A port of the node can be taken once by the pod.
void validate_host_ports(const Value& spec, const std::string& path, Causes* causes) {
  std::set<std::string> taken;
  const Value& containers = spec["containers"];
  for (size_t i = 0; i < containers.size(); ++i) {
    const Value& ports = containers[i]["ports"];
    for (size_t j = 0; j < ports.size(); ++j) {
      const Value& port = ports[j];
      if (port["hostPort"].as_int() == 0) continue;
      const std::string key = port["protocol"].as_string() + "/" + port["hostIP"].as_string() +
                              "/" + std::to_string(port["hostPort"].as_int());
      if (taken.insert(key).second) continue;
      add_duplicate(causes, at(at(at(at(path, "containers"), i), "ports"), j) + ".hostPort", key);
    }
  }
}

}  // namespace

void validate_containers(const Value& spec, const std::string& path, Causes* causes) {
  std::set<std::string> names;
  const auto each = [&](const char* list, Role role) {
    const Value& containers = spec[list];
    for (size_t i = 0; i < containers.size(); ++i) {
      const std::string here = at(at(path, list), i);
      const Value& name = containers[i]["name"];
      const bool sidecar =
          role == Role::init && containers[i]["restartPolicy"].as_string() == "Always";
      validate_container(containers[i], sidecar ? Role::sidecar : role, spec, here, causes);
      if (!name.empty() && !names.insert(name.as_string()).second) {
        add_duplicate(causes, at(here, "name"), name);
      }
    }
  };
  each("containers", Role::main);
  each("initContainers", Role::init);
  const std::set<std::string> targets = names;
  each("ephemeralContainers", Role::ephemeral);
  const Value& ephemeral = spec["ephemeralContainers"];
  for (size_t i = 0; i < ephemeral.size(); ++i) {
    const Value& target = ephemeral[i]["targetContainerName"];
    if (target.empty() || targets.contains(target.as_string())) continue;
    add_not_found(causes, at(at(at(path, "ephemeralContainers"), i), "targetContainerName"),
                  target);
  }
  validate_host_ports(spec, path, causes);
}

}  // namespace orch::api
