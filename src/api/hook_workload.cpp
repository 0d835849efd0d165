// Deployments and ReplicaSets: their selector, their template, how they roll out.
// Follows: kubernetes.io "Deployments", "ReplicaSet".
#include <string>
#include <utility>

#include "api/canonical.h"
#include "api/hook_list.h"
#include "api/metadata.h"
#include "api/pod_spec.h"
#include "api/selector.h"
#include "api/workload.h"
#include "base/strings.h"

namespace orch::api {

void validate_workload(const Value& object, Causes& causes) {
  const Value& spec = object["spec"];
  const Value& selector = spec["selector"];
  validate_not_negative(spec["replicas"], "spec.replicas", &causes);
  validate_not_negative(spec["minReadySeconds"], "spec.minReadySeconds", &causes);
  if (!selector.is_null()) {
    validate_label_selector(selector, "spec.selector", &causes);
    if (selector["matchLabels"].empty() && selector["matchExpressions"].empty()) {
      add_invalid(&causes, "spec.selector", selector,
                  "empty selector is invalid for " + to_lower(object["kind"].as_string()));
    }
  }
  const Value& pod_template = spec["template"];
  const auto parsed = LabelSelector::from_object(selector);
  const bool matches = parsed.ok() && parsed->matches(labels_of(pod_template));
  if (parsed.ok() && (selector.is_null() || !parsed->everything()) && !matches) {
    add_invalid(&causes, "spec.template.metadata.labels", pod_template.at("metadata.labels"),
                "`selector` does not match template `labels`");
  }
  validate_pod_template(pod_template, "spec.template", &causes);
  const Value& restart = pod_template.at("spec.restartPolicy");
  if (!restart.empty() && restart.as_string() != "Always") {
    add_not_supported(&causes, "spec.template.spec.restartPolicy", restart, {"Always"});
  }
  if (!pod_template.at("spec.activeDeadlineSeconds").is_null()) {
    add_forbidden(&causes, "spec.template.spec.activeDeadlineSeconds",
                  "activeDeadlineSeconds in " + object["kind"].as_string() + " is not Supported");
  }
}

void validate_workload_update(const Value& object, const Value& old, std::string_view,
                              Causes& causes) {
  const Type& type = *Schema::builtin().find_type("meta/v1.LabelSelector");
  const Value& now = object.at("spec.selector");
  if (canonicalize(type, now) == canonicalize(type, old.at("spec.selector"))) return;
  add_invalid(&causes, "spec.selector", now, "field is immutable");
}

int64_t validate_share(const Value& share, const std::string& path, Causes& causes) {
  if (share.is_string()) {
    std::string_view digits = share.as_string();
    const bool percent = digits.ends_with('%');
    if (percent) digits.remove_suffix(1);
    const auto number = parse_int(digits);
    if (percent && number && *number >= 0) return *number;
    add_invalid(&causes, path, share,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. "
                "'1%',  or '93%', regex used for validation is '[0-9]+%')");
    return -1;
  }
  validate_not_negative(share, path, &causes);
  return share.as_int();
}

void validate_unchanged(const Value& object, const Value& old, const std::string& path,
                        Causes& causes) {
  const Value& now = object.at(path);
  const Value& before = old.at(path);
  if (now == before || (now.empty() && before.empty())) return;
  add_invalid(&causes, path, now, "field is immutable");
}

void validate_replica_status(const Value& status, Causes& causes) {
  const int64_t all = status["replicas"].as_int();
  for (const char* name : {"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas",
                           "observedGeneration"}) {
    validate_not_negative(status[name], at("status", name), &causes);
  }
  for (const char* name : {"fullyLabeledReplicas", "readyReplicas", "availableReplicas"}) {
    if (status[name].as_int() <= all) continue;
    add_invalid(&causes, at("status", name), status[name],
                "cannot be greater than status.replicas");
  }
  if (status["availableReplicas"].as_int() > status["readyReplicas"].as_int()) {
    add_invalid(&causes, "status.availableReplicas", status["availableReplicas"],
                "cannot be greater than readyReplicas");
  }
}

namespace {

void validate_replica_set_update(const Value& set, const Value& old, std::string_view subresource,
                                 Causes& causes) {
  if (subresource == "status") return validate_replica_status(set["status"], causes);
  validate_workload_update(set, old, subresource, causes);
}

bool is_rolling_deployment(const Value& deployment) {
  return deployment.at("spec.strategy.type").as_string() == "RollingUpdate";
}

void default_deployment(Value& deployment) {
  if (!is_rolling_deployment(deployment)) return;
  Value& strategy = deployment["spec"]["strategy"];
  for (const char* field : {"maxUnavailable", "maxSurge"}) {
    if (std::as_const(strategy).at("rollingUpdate")[field].is_null()) {
      strategy["rollingUpdate"].set(field, "25%");
    }
  }
}

void validate_deployment(const Value& deployment, Causes& causes) {
  validate_workload(deployment, causes);
  const Value& spec = deployment["spec"];
  validate_not_negative(spec["revisionHistoryLimit"], "spec.revisionHistoryLimit", &causes);
  const Value& deadline = spec["progressDeadlineSeconds"];
  validate_not_negative(deadline, "spec.progressDeadlineSeconds", &causes);
  if (!deadline.is_null() && deadline.as_int() <= spec["minReadySeconds"].as_int()) {
    add_invalid(&causes, "spec.progressDeadlineSeconds", deadline,
                "must be greater than minReadySeconds");
  }
  const Value& rolling = spec.at("strategy.rollingUpdate");
  const std::string path = "spec.strategy.rollingUpdate";
  if (!is_rolling_deployment(deployment)) {
    if (!rolling.is_null()) {
      add_forbidden(&causes, path, "may not be specified when strategy `type` is 'Recreate'");
    }
    return;
  }
  const Value& unavailable = rolling["maxUnavailable"];
  const int64_t down = validate_share(unavailable, at(path, "maxUnavailable"), causes);
  const int64_t surge = validate_share(rolling["maxSurge"], at(path, "maxSurge"), causes);
  if (down == 0 && surge == 0) {
    add_invalid(&causes, at(path, "maxUnavailable"), unavailable,
                "may not be 0 when `maxSurge` is 0");
  }
  if (unavailable.is_string() && down > 100) {
    add_invalid(&causes, at(path, "maxUnavailable"), unavailable, "must not be greater than 100%");
  }
}

// Annotations count too: a rollback is told by them.
bool same_deployment(const Value& object, const Value& old) {
  const Type& type = *Schema::builtin().find_type("apps/v1.DeploymentSpec");
  return canonicalize(type, object["spec"]) == canonicalize(type, old["spec"]) &&
         object.at("metadata.annotations") == old.at("metadata.annotations");
}

}  // namespace

const Hook kDeploymentHook = {
    .defaults = default_deployment,
    .same_generation = same_deployment,
    .validate = validate_deployment,
    .validate_update = validate_workload_update,
};

const Hook kReplicaSetHook = {
    .validate = validate_workload,
    .validate_update = validate_replica_set_update,
};

}  // namespace orch::api
