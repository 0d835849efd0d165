#include "api/pod_spec.h"

#include "api/metadata.h"
#include "api/names.h"
#include "api/quantity.h"

namespace orch::api {
namespace {

constexpr size_t kMaxNameservers = 3;
constexpr size_t kMaxSearches = 32;
constexpr size_t kMaxSearchCharacters = 2048;

void validate_optional(const Value& text, const std::string& path,
                       Problems (*rule)(std::string_view), Causes* causes) {
  if (!text.empty()) add_problems(causes, path, text, rule(text.as_string()));
}

void validate_dns(const Value& spec, const std::string& path, Causes* causes) {
  const Value& config = spec["dnsConfig"];
  const std::string here = at(path, "dnsConfig");
  const Value& servers = config["nameservers"];
  if (spec["dnsPolicy"].as_string() == "None" && config.is_null()) {
    add_required(causes, here, "must provide `dnsConfig` when `dnsPolicy` is None");
  } else if (spec["dnsPolicy"].as_string() == "None" && servers.empty()) {
    add_required(causes, at(here, "nameservers"),
                 "must provide at least one DNS nameserver when `dnsPolicy` is None");
  }
  if (servers.size() > kMaxNameservers) {
    add_invalid(causes, at(here, "nameservers"), servers, "must not have more than 3 nameservers");
  }
  for (size_t i = 0; i < servers.size(); ++i) {
    add_problems(causes, at(at(here, "nameservers"), i), servers[i],
                 ip_problems(servers[i].as_string()));
  }
  const Value& searches = config["searches"];
  size_t characters = 0;
  for (const Value& search : searches.items()) characters += search.as_string().size() + 1;
  if (searches.size() > kMaxSearches) {
    add_invalid(causes, at(here, "searches"), searches, "must not have more than 32 search paths");
  }
  if (characters > kMaxSearchCharacters + 1) {
    add_invalid(causes, at(here, "searches"), searches,
                "must not have more than 2048 characters (including spaces) in the search list");
  }
}

void validate_host_aliases(const Value& aliases, const std::string& path, Causes* causes) {
  for (size_t i = 0; i < aliases.size(); ++i) {
    const std::string here = at(path, i);
    validate_optional(aliases[i]["ip"], at(here, "ip"), ip_problems, causes);
    for (const Value& name : aliases[i]["hostnames"].items()) {
      add_problems(causes, at(here, "hostnames"), name, dns_subdomain_problems(name.as_string()));
    }
  }
}

}  // namespace

void validate_not_negative(const Value& number, const std::string& path, Causes* causes) {
  if (number.as_int() < 0) add_invalid(causes, path, number, "must be greater than or equal to 0");
}

void validate_resource_list(const Value& resources, const std::string& path, Causes* causes,
                            bool of_node) {
  for (const Value::Member& one : resources.members()) {
    const std::string here = at_key(path, one.name);
    const auto amount = Quantity::parse(one.value.as_string());
    if (!amount.ok()) {
      add_invalid(causes, here, one.value, amount.status().message);
      continue;
    }
    if (amount->sign() < 0) {
      add_invalid(causes, here, one.value, "must be greater than or equal to 0");
    }
    const bool extended = one.name.find('/') != one.name.npos;
    const bool known = one.name == "cpu" || one.name == "memory" ||
                       one.name == "ephemeral-storage" || one.name.starts_with("hugepages-") ||
                       (of_node && one.name == "pods");
    add_problems(causes, here, one.name, qualified_name_problems(one.name));
    if (!known && !extended) {
      add_invalid(causes, here, one.name, "must be a standard resource type or fully qualified");
      if (!of_node) {
        add_invalid(causes, here, one.name, "must be a standard resource for containers");
      }
    }
    if (extended && amount->milli_value() % 1000 != 0) {
      add_invalid(causes, here, one.value, "must be an integer");
    }
  }
}

void validate_pod_spec(const Value& spec, const std::string& path, Causes* causes) {
  validate_volumes(spec["volumes"], at(path, "volumes"), causes);
  validate_containers(spec, path, causes);
  validate_scheduling(spec, path, causes);
  validate_dns(spec, path, causes);
  validate_pod_security(spec, path, causes);
  validate_host_aliases(spec["hostAliases"], at(path, "hostAliases"), causes);
  validate_not_negative(spec["terminationGracePeriodSeconds"],
                        at(path, "terminationGracePeriodSeconds"), causes);
  const Value& deadline = spec["activeDeadlineSeconds"];
  if (!deadline.is_null() && (deadline.as_int() < 1 || deadline.as_int() > 2147483647)) {
    add_invalid(causes, at(path, "activeDeadlineSeconds"), deadline,
                "must be between 1 and 2147483647, inclusive");
  }
  validate_optional(spec["hostname"], at(path, "hostname"), dns_label_problems, causes);
  validate_optional(spec["subdomain"], at(path, "subdomain"), dns_label_problems, causes);
  for (const char* field :
       {"serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"}) {
    validate_optional(spec[field], at(path, field), dns_subdomain_problems, causes);
  }
  validate_optional(spec["schedulerName"], at(path, "schedulerName"), qualified_name_problems,
                    causes);
  const Value& gates = spec["readinessGates"];
  for (size_t i = 0; i < gates.size(); ++i) {
    add_problems(causes, at(at(at(path, "readinessGates"), i), "conditionType"),
                 gates[i]["conditionType"],
                 qualified_name_problems(gates[i]["conditionType"].as_string()));
  }
  validate_os(spec, path, causes);
  validate_resource_claims(spec, path, causes);
  validate_resource_list(spec["overhead"], at(path, "overhead"), causes);
}

void validate_pod_template(const Value& pod_template, const std::string& path, Causes* causes) {
  validate_labels(pod_template.at("metadata.labels"), at(path, "metadata.labels"), causes);
  validate_annotations(pod_template.at("metadata.annotations"), at(path, "metadata.annotations"),
                       causes);
  validate_pod_spec(pod_template["spec"], at(path, "spec"), causes);
}

}  // namespace orch::api
