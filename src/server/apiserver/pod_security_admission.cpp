#include "server/apiserver/pod_security_admission.h"

#include <map>
#include <utility>

#include "api/resources.h"
#include "base/check.h"
#include "base/strings.h"
#include "server/admission/pod_security.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"

namespace orch::apiserver {
namespace {

using admission::SecurityPolicy;
using api::Value;

constexpr size_t kMaxPodsLookedAt = 3000;  // When a namespace becomes stricter.

// Where the pods stand that an object describes; null when it describes none.
const Value& template_of(const WriteRequest& request, const Value& object) {
  static const Value none;
  const api::Resource& resource = *request.resource;
  const std::string& group = resource.group;
  const std::string& plural = resource.plural;
  if (group == "apps" && plural != "controllerrevisions") return object.at("spec.template");
  if (group == "batch" && plural == "jobs") return object.at("spec.template");
  if (group == "batch") return object.at("spec.jobTemplate.spec.template");
  if (group.empty() && plural == "replicationcontrollers") return object.at("spec.template");
  if (group.empty() && plural == "podtemplates") return object["template"];
  return none;
}

std::shared_ptr<const Value> namespace_of(const store::Store& store, const WriteRequest& request) {
  const auto record = store.get(store_key(api::resource::namespaces(), "", request.ns));
  return record ? decode_shared(record) : std::make_shared<const Value>();
}

constexpr const char* kEnforceNote = "pod-security.kubernetes.io/enforce-policy";
constexpr const char* kAuditNote = "pod-security.kubernetes.io/audit-violations";

// What the level "audit" would have refused.
void note_violations(const WriteRequest& request, const Value& space, const Value& pod) {
  if (!request.notes) return;
  const SecurityPolicy policy = admission::security_policy(space, "audit");
  const auto violations = admission::check_pod_security(policy, pod);
  if (violations.empty()) return;
  (*request.notes)[kAuditNote] = "would violate " + admission::violation_text(policy, violations);
}

void warn(const Value& space, const Value& pod, std::vector<std::string>* warnings) {
  const SecurityPolicy policy = admission::security_policy(space, "warn");
  const auto violations = admission::check_pod_security(policy, pod);
  if (violations.empty()) return;
  warnings->push_back("would violate " + admission::violation_text(policy, violations));
}

Result<void> admit_pod(const store::Store& store, const WriteRequest& request, const Value& pod,
                       std::vector<std::string>* warnings) {
  const auto shared = namespace_of(store, request);
  const Value& space = *shared;
  const SecurityPolicy policy = admission::security_policy(space, "enforce");
  const auto violations = admission::check_pod_security(policy, pod);
  if (request.notes) (*request.notes)[kEnforceNote] = policy.to_text();
  note_violations(request, space, pod);
  if (violations.empty()) {
    warn(space, pod, warnings);
    return {};
  }
  return forbidden({"", "pods", pod.at("metadata.name").as_string()},
                   "violates " + admission::violation_text(policy, violations));
}

// "a (and 2 other pods): privileged, host namespaces": pods with the same faults in one line.
void warn_of_standing_pods(const store::Store& store, const Value& space,
                           const SecurityPolicy& policy, std::vector<std::string>* warnings) {
  const std::string& name = space.at("metadata.name").as_string();
  const auto range =
      store.range({store_prefix(api::resource::pods(), name), "", kMaxPodsLookedAt, 0});
  ORCH_CHECK(range.ok());
  std::map<std::string, std::pair<std::string, size_t>> by_reasons;  // → the first, how many.
  for (const auto& record : range->records) {
    const Value pod = decode_stored(record->bytes);
    const auto violations = admission::check_pod_security(policy, pod);
    if (violations.empty()) continue;
    auto& [first, count] = by_reasons[admission::reasons_text(violations)];
    if (count++ == 0) first = pod.at("metadata.name").as_string();
  }
  if (by_reasons.empty()) return;
  warnings->push_back("existing pods in namespace \"" + name +
                      "\" violate the new PodSecurity enforce level \"" + policy.to_text() + "\"");
  for (const auto& [reasons, pods] : by_reasons) {
    const auto& [first, count] = pods;
    std::string whose = first;
    if (count == 2) whose += " (and 1 other pod)";
    if (count > 2) whose += " (and " + std::to_string(count - 1) + " other pods)";
    warnings->push_back(whose + ": " + reasons);
  }
}

Result<void> admit_namespace(const store::Store& store, const Value& old, const Value& space,
                             std::vector<std::string>* warnings) {
  api::Causes causes;
  admission::validate_security_labels(space, &causes);
  if (!causes.empty()) {
    return invalid("", "Namespace", space.at("metadata.name").as_string(), std::move(causes));
  }
  const SecurityPolicy policy = admission::security_policy(space, "enforce");
  if (!old.is_null() && policy.tighter_than(admission::security_policy(old, "enforce"))) {
    warn_of_standing_pods(store, space, policy, warnings);
  }
  return {};
}

}  // namespace

Result<void> admit_pod_security(const store::Store& store, const WriteRequest& request,
                                const Value& old, const Value& object,
                                std::vector<std::string>* warnings) {
  if (request.subresource_name() == "ephemeralcontainers") {
    return admit_pod(store, request, object, warnings);
  }
  if (!request.subresource_name().empty()) return {};
  if (request.resource == &api::resource::namespaces()) {
    return admit_namespace(store, old, object, warnings);
  }
  if (request.resource == &api::resource::pods()) {
    // What of a pod may change later doesn't change its security.
    return old.is_null() ? admit_pod(store, request, object, warnings) : Result<void>();
  }
  const Value& pod = template_of(request, object);
  if (pod.is_null()) return {};
  const auto space = namespace_of(store, request);
  note_violations(request, *space, pod);
  warn(*space, pod, warnings);
  return {};
}

}  // namespace orch::apiserver
