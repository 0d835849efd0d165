// Requests for certificates. What a request says stands for ever; decisions on it come through
// /approval, the certificate through /status, and neither is ever taken back. Whether the request
// itself is well-formed PKCS #10, and who may approve and sign, are the server's admission.
// Follows: kubernetes.io "Certificates and Certificate Signing Requests".
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "api/hook_list.h"
#include "api/names.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr size_t kMaxSignerName = 571;  // A domain of 253, a slash, a path of 317.
constexpr int64_t kMinExpirationSeconds = 600;
constexpr std::string_view kDecisions[] = {"Approved", "Denied"};

bool lasts(std::string_view type) {
  return type == "Approved" || type == "Denied" || type == "Failed";
}

void prepare_request_update(Value& request, const Value& old, std::string_view subresource) {
  request.set("spec", old["spec"]);
  if (subresource != "approval") return;
  Value status = old["status"].is_object() ? old["status"] : Value::object();
  status.set("conditions", std::as_const(request)["status"]["conditions"]);
  request.set("status", std::move(status));
}

void validate_signer_name(const std::string& name, Causes& causes) {
  const std::string path = "spec.signerName";
  if (name.empty()) return;  // The table has complained.
  if (name.size() > kMaxSignerName) return add_too_long(&causes, path, kMaxSignerName);
  const auto parts = split(name, '/');
  if (parts.size() != 2) {
    return add_invalid(
        &causes, path, name,
        "must be a fully qualified domain and path of the form 'example.com/signer-name'");
  }
  if (name == "kubernetes.io/legacy-unknown") {
    return add_invalid(&causes, path, name,
                       "the legacy signerName is not allowed via this API version");
  }
  add_problems(&causes, path, name, dns_subdomain_problems(parts[0]));
  if (parts[0].find('.') == parts[0].npos) {
    add_invalid(&causes, path, name, "should be a domain with at least two segments");
  }
  for (const std::string_view step : split(parts[1], '.')) {
    add_problems(&causes, path, name, dns_label_problems(step));
  }
}

void validate_usages(const Value& usages, Causes& causes) {
  if (usages.empty()) add_required(&causes, "spec.usages", "usages are required");
  std::set<std::string> seen;
  for (size_t i = 0; i < usages.size(); ++i) {
    if (!seen.insert(usages[i].as_string()).second) {
      add_duplicate(&causes, at("spec.usages", i), usages[i]);
    }
  }
}

void validate_conditions(const Value& conditions, Causes& causes) {
  const std::string path = "status.conditions";
  std::set<std::string> seen;
  for (size_t i = 0; i < conditions.size(); ++i) {
    const std::string here = at(path, i);
    const Value& condition = conditions[i];
    const std::string& type = condition["type"].as_string();
    const std::string& status = condition["status"].as_string();
    if (type.empty()) add_required(&causes, at(here, "type"));
    if (status.empty()) {
      add_required(&causes, at(here, "status"));
    } else if (lasts(type) && status != "True") {
      add_not_supported(&causes, at(here, "status"), status, {"True"});
    }
    if (!seen.insert(type).second) add_duplicate(&causes, at(here, "type"), type);
    const bool second = (type == "Approved" && seen.contains("Denied")) ||
                        (type == "Denied" && seen.contains("Approved"));
    if (second) {
      add_invalid(&causes, at(here, "type"), type,
                  "Approved and Denied conditions are mutually exclusive");
    }
  }
}

void validate_request(const Value& request, Causes& causes) {
  const Value& spec = request["spec"];
  validate_signer_name(spec["signerName"].as_string(), causes);
  validate_usages(spec["usages"], causes);
  const Value& seconds = spec["expirationSeconds"];
  if (!seconds.is_null() && seconds.as_int() < kMinExpirationSeconds) {
    add_invalid(&causes, "spec.expirationSeconds", seconds,
                "may not specify a duration less than 600 seconds (10 minutes)");
  }
  validate_conditions(request["status"]["conditions"], causes);
}

bool has_condition(const Value& request, std::string_view type) {
  const auto& all = request["status"]["conditions"].items();
  return std::any_of(all.begin(), all.end(),
                     [&](const Value& c) { return c["type"].as_string() == type; });
}

void validate_request_update(const Value& request, const Value& old, std::string_view subresource,
                             Causes& causes) {
  for (const char* type : {"Approved", "Denied", "Failed"}) {
    if (!has_condition(old, type) || has_condition(request, type)) continue;
    add_forbidden(&causes, "status.conditions",
                  std::string("updates may not remove a condition of type \"") + type + "\"");
  }
  if (subresource != "approval") {
    for (const std::string_view type : kDecisions) {
      if (has_condition(old, type) || !has_condition(request, type)) continue;
      add_forbidden(&causes, "status.conditions",
                    "updates may not add a condition of type \"" + std::string(type) + "\"");
    }
  }
  const Value& was = old["status"]["certificate"];
  if (!was.empty() && request["status"]["certificate"] != was) {
    add_forbidden(&causes, "status.certificate",
                  "updates may not modify existing certificate content");
  }
}

}  // namespace

const Hook kCertificateSigningRequestHook = {
    .prepare_update = prepare_request_update,
    .validate = validate_request,
    .validate_update = validate_request_update,
};

}  // namespace orch::api
