// Ingresses, their classes, and network policies.
// Follows: kubernetes.io "Ingress", "Network Policies".
#include <string>
#include <utility>

#include "api/hook_list.h"
#include "api/metadata.h"
#include "api/names.h"
#include "api/workload.h"
#include "base/net_address.h"

namespace orch::api {
namespace {

void validate_backend(const Value& backend, const std::string& path, Causes& causes) {
  const Value& service = backend["service"];
  const bool resource = !backend["resource"].is_null();
  if (resource && !service.is_null()) {
    add_invalid(&causes, path, "", "cannot set both resource and service backends");
  } else if (service.is_null() && !resource) {
    add_required(&causes, path, "must specify either service or resource");
  }
  if (service.is_null()) return;
  const std::string here = at(path, "service");
  const Value& port = service["port"];
  const bool named = !port["name"].empty(), numbered = port["number"].as_int() != 0;
  if (service["name"].empty()) add_required(&causes, at(here, "name"));
  if (named && numbered) {
    add_invalid(&causes, here, "", "cannot set both port name & port number");
  } else if (named) {
    add_problems(&causes, at(here, "port.name"), port["name"],
                 port_name_problems(port["name"].as_string()));
  } else if (numbered) {
    add_problems(&causes, at(here, "port.number"), port["number"],
                 port_number_problems(port["number"].as_int()));
  } else {
    add_required(&causes, here, "port name or number is required");
  }
}

void validate_path(const Value& one, const std::string& path, Causes& causes) {
  const std::string& type = one["pathType"].as_string();
  const Value& text = one["path"];
  if (type.empty()) add_required(&causes, at(path, "pathType"), "pathType must be specified");
  if (type == "Exact" || type == "Prefix") {
    if (!text.as_string().starts_with('/')) {
      add_invalid(&causes, at(path, "path"), text, "must be an absolute path");
    }
    for (const char* bad : {"//", "/./", "/../", "%2f", "%2F"}) {
      if (text.as_string().find(bad) != std::string::npos) {
        add_invalid(&causes, at(path, "path"), text, std::string("must not contain '") + bad + "'");
      }
    }
  }
  validate_backend(one["backend"], at(path, "backend"), causes);
}

void validate_host(const Value& host, const std::string& path, Causes& causes) {
  if (host.empty()) return;
  std::string_view name = host.as_string();
  if (ip_problems(name).empty()) {
    add_invalid(&causes, path, host, "must be a DNS name, not an IP address");
    return;
  }
  if (name.starts_with("*.")) name.remove_prefix(2);
  add_problems(&causes, path, host, dns_subdomain_problems(name));
}

void validate_ingress(const Value& ingress, Causes& causes) {
  const Value& spec = ingress["spec"];
  const Value& rules = spec["rules"];
  if (rules.empty() && spec["defaultBackend"].is_null()) {
    add_invalid(&causes, "spec", "", "either `defaultBackend` or `rules` must be specified");
  }
  if (!spec["defaultBackend"].is_null()) {
    validate_backend(spec["defaultBackend"], "spec.defaultBackend", causes);
  }
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string here = at("spec.rules", i);
    validate_host(rules[i]["host"], at(here, "host"), causes);
    const Value& paths = rules[i]["http"]["paths"];
    for (size_t k = 0; k < paths.size(); ++k) {
      validate_path(paths[k], at(at(here, "http.paths"), k), causes);
    }
  }
  for (size_t i = 0; i < spec["tls"].size(); ++i) {
    const Value& hosts = spec["tls"][i]["hosts"];
    for (size_t k = 0; k < hosts.size(); ++k) {
      validate_host(hosts[k], at(at(at("spec.tls", i), "hosts"), k), causes);
    }
  }
  const Value& name = spec["ingressClassName"];
  if (!name.is_null()) {
    add_problems(&causes, "spec.ingressClassName", name, dns_subdomain_problems(name.as_string()));
  }
}

// The annotation is how classes were named before there was a field.
void validate_new_ingress(const Value& ingress, Causes& causes) {
  const Value& annotation = ingress["metadata"]["annotations"]["kubernetes.io/ingress.class"];
  if (annotation.is_null() || ingress["spec"]["ingressClassName"].is_null()) return;
  add_invalid(&causes, "metadata.annotations[kubernetes.io/ingress.class]", annotation,
              "can not be set when the class field is also set");
}

void default_ingress_class(Value& ingress_class) {
  const Value& parameters = std::as_const(ingress_class).at("spec.parameters");
  if (parameters.is_null() || !parameters["scope"].is_null()) return;
  ingress_class["spec"]["parameters"].set("scope", "Cluster");
}

void validate_ingress_class(const Value& ingress_class, Causes& causes) {
  constexpr size_t kMaxController = 250;
  const Value& controller = ingress_class.at("spec.controller");
  if (controller.empty()) {
    add_required(&causes, "spec.controller");
  } else if (const size_t slash = controller.as_string().find('/'); slash == std::string::npos) {
    add_invalid(&causes, "spec.controller", controller,
                "must be a domain-prefixed path (such as \"acme.io/foo\")");
  } else {
    add_problems(&causes, "spec.controller", controller,
                 dns_subdomain_problems(controller.as_string().substr(0, slash)));
  }
  if (controller.as_string().size() > kMaxController) {
    add_too_long(&causes, "spec.controller", kMaxController);
  }
  const Value& parameters = ingress_class.at("spec.parameters");
  const bool in_namespace = parameters["scope"].as_string() == "Namespace";
  if (in_namespace && parameters["namespace"].empty()) {
    add_required(&causes, "spec.parameters.namespace", "`parameters.scope` is set to 'Namespace'");
  } else if (!in_namespace && !parameters["namespace"].empty()) {
    add_forbidden(&causes, "spec.parameters.namespace", "`parameters.scope` is set to 'Cluster'");
  }
}

void validate_ingress_class_update(const Value& now, const Value& old, std::string_view,
                                   Causes& causes) {
  validate_unchanged(now, old, "spec.controller", causes);
}

void default_network_policy(Value& policy) {
  Value& spec = policy["spec"];
  if (!std::as_const(spec)["policyTypes"].empty()) return;
  Value types = Value::array({"Ingress"});
  if (!std::as_const(spec)["egress"].empty()) types.push_back("Egress");
  spec.set("policyTypes", std::move(types));
}

void validate_policy_port(const Value& port, const std::string& path, Causes& causes) {
  const Value& number = port["port"];
  if (number.is_int()) {
    add_problems(&causes, at(path, "port"), number, port_number_problems(number.as_int()));
  } else if (number.is_string()) {
    add_problems(&causes, at(path, "port"), number, port_name_problems(number.as_string()));
  }
  const Value& end = port["endPort"];
  if (end.is_null()) return;
  if (!number.is_int()) {
    add_invalid(&causes, at(path, "endPort"), end,
                "may not be specified when `port` is non-numeric");
  } else if (end.as_int() < number.as_int()) {
    add_invalid(&causes, at(path, "endPort"), end, "must be greater than or equal to `port`");
  }
}

void validate_peer(const Value& peer, const std::string& path, Causes& causes) {
  const Value& block = peer["ipBlock"];
  int kinds = 0;
  for (const char* name : {"podSelector", "namespaceSelector"}) {
    if (peer[name].is_null()) continue;
    ++kinds;
    validate_label_selector(peer[name], at(path, name), &causes);
  }
  if (kinds == 0 && block.is_null()) add_required(&causes, path, "must specify a peer");
  if (block.is_null()) return;
  if (kinds > 0) {
    add_forbidden(&causes, path, "may not specify both ipBlock and another peer");
  }
  const std::string here = at(path, "ipBlock");
  add_problems(&causes, at(here, "cidr"), block["cidr"], cidr_problems(block["cidr"].as_string()));
  const Value& except = block["except"];
  for (size_t i = 0; i < except.size(); ++i) {
    const std::string place = at(at(here, "except"), i);
    add_problems(&causes, place, except[i], cidr_problems(except[i].as_string()));
    const auto outer = parse_cidr(block["cidr"].as_string());
    const auto inner = parse_cidr(except[i].as_string());
    if (outer && inner && (!outer->contains(*inner) || *outer == *inner)) {
      add_invalid(&causes, place, except[i], "must be a strict subset of `cidr`");
    }
  }
}

void validate_network_policy(const Value& policy, Causes& causes) {
  const Value& spec = policy["spec"];
  if (spec["policyTypes"].size() > 2) {
    add_invalid(&causes, "spec.policyTypes", spec["policyTypes"],
                "may not specify more than two policyTypes");
  }
  validate_label_selector(spec["podSelector"], "spec.podSelector", &causes);
  for (const auto& [direction, peers] : {std::pair("ingress", "from"), std::pair("egress", "to")}) {
    const Value& rules = spec[direction];
    for (size_t i = 0; i < rules.size(); ++i) {
      const std::string here = at(at("spec", direction), i);
      const Value& ports = rules[i]["ports"];
      for (size_t k = 0; k < ports.size(); ++k) {
        validate_policy_port(ports[k], at(at(here, "ports"), k), causes);
      }
      const Value& all = rules[i][peers];
      for (size_t k = 0; k < all.size(); ++k) {
        validate_peer(all[k], at(at(here, peers), k), causes);
      }
    }
  }
}

}  // namespace

const Hook kIngressHook = {
    .validate_create = validate_new_ingress,
    .validate = validate_ingress,
};

const Hook kIngressClassHook = {
    .defaults = default_ingress_class,
    .validate = validate_ingress_class,
    .validate_update = validate_ingress_class_update,
};

const Hook kNetworkPolicyHook = {
    .defaults = default_network_policy,
    .validate = validate_network_policy,
};

}  // namespace orch::api
