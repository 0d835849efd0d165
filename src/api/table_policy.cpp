// The cells of access, quotas, admission, flows, aggregated APIs and the control plane.
#include <map>
#include <string>
#include <vector>

#include "api/table_cells.h"
#include "base/strings.h"

namespace orch::api {
namespace {

// ---- Access ----

Value role_ref(const Value& o, WallTime) {
  return o["roleRef"]["kind"].as_string() + "/" + o["roleRef"]["name"].as_string();
}

std::string subjects_of(const Value& o, std::string_view kind) {
  std::vector<std::string> names;
  for (const Value& subject : o["subjects"].items()) {
    if (subject["kind"].as_string() != kind) continue;
    const std::string& name = subject["name"].as_string();
    const bool account = kind == "ServiceAccount";
    names.push_back(account ? subject["namespace"].as_string() + "/" + name : name);
  }
  return join(names, ", ");
}
Value subject_users(const Value& o, WallTime) { return subjects_of(o, "User"); }
Value subject_groups(const Value& o, WallTime) { return subjects_of(o, "Group"); }
Value subject_accounts(const Value& o, WallTime) { return subjects_of(o, "ServiceAccount"); }

Value request_duration(const Value& o, WallTime) {
  const Value& seconds = o["spec"]["expirationSeconds"];
  return seconds.is_null() ? "<none>" : human_duration(std::chrono::seconds(seconds.as_int()));
}

Value request_condition(const Value& o, WallTime) {
  std::string text = "Pending";
  if (condition(o, "Approved") != nullptr) text = "Approved";
  if (condition(o, "Denied") != nullptr) text = "Denied";
  if (condition(o, "Failed") != nullptr) text += ",Failed";
  if (!o["status"]["certificate"].empty()) text += ",Issued";
  return text;
}

// ---- Quotas ----

std::string quota(const Value& o, bool limits) {
  std::map<std::string, std::string> hard;
  for (const Value::Member& m : o["status"]["hard"].members())
    if (m.name.starts_with("limits.") == limits) hard[m.name] = m.value.as_string();
  std::vector<std::string> parts;
  for (const auto& [name, most] : hard) {
    const Value& used = o["status"]["used"][name];
    parts.push_back(name + ": " + (used.is_null() ? "0" : used.as_string()) + "/" + most);
  }
  return join(parts, ", ");
}
Value quota_requests(const Value& o, WallTime) { return quota(o, false); }
Value quota_limits(const Value& o, WallTime) { return quota(o, true); }

// ---- Admission, flows, aggregation ----

Value webhook_count(const Value& o, WallTime) { return count_of(o["webhooks"]); }
Value validation_count(const Value& o, WallTime) { return count_of(o["spec"]["validations"]); }

Value param_kind(const Value& o, WallTime) {
  const Value& kind = o["spec"]["paramKind"];
  if (kind.is_null()) return "<unset>";
  return kind["apiVersion"].as_string() + "/" + kind["kind"].as_string();
}

Value param_ref(const Value& o, WallTime) {
  const Value& ref = o["spec"]["paramRef"];
  if (ref.is_null()) return "<unset>";
  if (ref["name"].empty()) return text_of_selector(ref["selector"]);
  const std::string ns = ref["namespace"].empty() ? "*" : ref["namespace"].as_string();
  return ns + "/" + ref["name"].as_string();
}

Value missing_level(const Value& o, WallTime) {
  const Value* dangling = condition(o, "Dangling");
  return dangling == nullptr ? "?" : (*dangling)["status"].as_string();
}

Value api_service(const Value& o, WallTime) {
  const Value& service = o["spec"]["service"];
  if (service.is_null()) return "Local";
  return service["namespace"].as_string() + "/" + service["name"].as_string();
}

Value api_service_available(const Value& o, WallTime) {
  const Value* available = condition(o, "Available");
  if (available == nullptr) return "Unknown";
  const std::string& status = (*available)["status"].as_string();
  if (status == "True") return status;
  return status + " (" + (*available)["reason"].as_string() + ")";
}

// ---- The control plane ----

// Its conditions stand beside metadata, not in a status.
const Value& healthy(const Value& o) {
  static const Value none;
  for (const Value& each : o["conditions"].items()) {
    if (each["type"].as_string() == "Healthy") return each;
  }
  return none;
}
Value component_status(const Value& o, WallTime) {
  const Value& condition = healthy(o);
  if (condition.is_null()) return "Unknown";
  return condition["status"].as_string() == "True" ? "Healthy" : "Unhealthy";
}
Value component_message(const Value& o, WallTime) { return healthy(o)["message"].as_string(); }
Value component_error(const Value& o, WallTime) { return healthy(o)["error"].as_string(); }

constexpr Cell kPolicyCells[] = {
    {"component_status", component_status},
    {"component_message", component_message},
    {"component_error", component_error},
    {"role_ref", role_ref},
    {"subject_users", subject_users},
    {"subject_groups", subject_groups},
    {"subject_accounts", subject_accounts},
    {"request_duration", request_duration},
    {"request_condition", request_condition},
    {"quota_requests", quota_requests},
    {"quota_limits", quota_limits},
    {"webhook_count", webhook_count},
    {"validation_count", validation_count},
    {"param_kind", param_kind},
    {"param_ref", param_ref},
    {"missing_level", missing_level},
    {"api_service", api_service},
    {"api_service_available", api_service_available},
};

}  // namespace

std::span<const Cell> policy_cells() { return kPolicyCells; }

}  // namespace orch::api
