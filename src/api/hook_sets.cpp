// StatefulSets, DaemonSets, ReplicationControllers and the states that they keep.
// Follows: kubernetes.io "StatefulSets", "DaemonSet", "ReplicationController".
#include <algorithm>
#include <string>
#include <utility>

#include "api/canonical.h"
#include "api/hook_list.h"
#include "api/pod_spec.h"
#include "api/workload.h"

namespace orch::api {
namespace {

bool is_rolling(const Value& object) {
  return object.at("spec.updateStrategy.type").as_string() == "RollingUpdate";
}

void refuse_rolling_options(const Value& object, Causes& causes) {
  if (is_rolling(object) || object.at("spec.updateStrategy.rollingUpdate").is_null()) return;
  add_invalid(&causes, "spec.updateStrategy.rollingUpdate",
              object.at("spec.updateStrategy.rollingUpdate"),
              "only allowed for updateStrategy 'RollingUpdate'");
}

void default_stateful_set(Value& set) {
  if (!is_rolling(set)) return;
  Value& strategy = set["spec"]["updateStrategy"];
  if (std::as_const(strategy).at("rollingUpdate.partition").is_null()) {
    strategy["rollingUpdate"].set("partition", 0);
  }
}

void validate_stateful_set(const Value& set, Causes& causes) {
  validate_workload(set, causes);
  refuse_rolling_options(set, causes);
  for (const char* path : {"spec.updateStrategy.rollingUpdate.partition",
                           "spec.revisionHistoryLimit", "spec.ordinals.start"}) {
    validate_not_negative(set.at(path), path, &causes);
  }
}

// Only what an update can carry out may change.
void validate_stateful_set_update(const Value& set, const Value& old, std::string_view,
                                  Causes& causes) {
  const Type& type = *Schema::builtin().find_type("apps/v1.StatefulSetSpec");
  const auto fixed = [&](Value spec) {
    for (const char* name :
         {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
          "persistentVolumeClaimRetentionPolicy", "minReadySeconds"}) {
      spec.remove(name);
    }
    return canonicalize(type, std::move(spec));
  };
  if (fixed(set["spec"]) == fixed(old["spec"])) return;
  add_forbidden(&causes, "spec",
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                "'template', 'updateStrategy', 'revisionHistoryLimit', "
                "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

void default_daemon_set(Value& set) {
  if (!is_rolling(set)) return;
  Value& strategy = set["spec"]["updateStrategy"];
  const auto fill = [&](const char* name, int value) {
    if (std::as_const(strategy).at("rollingUpdate")[name].is_null()) {
      strategy["rollingUpdate"].set(name, value);
    }
  };
  fill("maxUnavailable", 1);
  fill("maxSurge", 0);
}

void validate_daemon_set(const Value& set, Causes& causes) {
  validate_workload(set, causes);
  validate_not_negative(set.at("spec.revisionHistoryLimit"), "spec.revisionHistoryLimit", &causes);
  if (!is_rolling(set)) return;
  const std::string path = "spec.updateStrategy.rollingUpdate";
  const Value& rolling = set.at(path);
  const int64_t down =
      validate_share(rolling["maxUnavailable"], at(path, "maxUnavailable"), causes);
  const int64_t surge = validate_share(rolling["maxSurge"], at(path, "maxSurge"), causes);
  if (down == 0 && surge == 0) {
    add_required(&causes, at(path, "maxUnavailable"), "cannot be 0 when maxSurge is 0");
  } else if (down > 0 && surge > 0) {
    add_invalid(&causes, at(path, "maxSurge"), rolling["maxSurge"],
                "may not be set when maxUnavailable is non-zero");
  }
}

// The labels of the template stand for a selector and labels that aren't given.
void default_replication_controller(Value& controller) {
  const Value labels = controller.at("spec.template.metadata.labels");
  if (labels.empty()) return;
  if (std::as_const(controller)["spec"]["selector"].empty()) {
    controller["spec"].set("selector", labels);
  }
  if (std::as_const(controller)["metadata"]["labels"].empty()) {
    controller["metadata"].set("labels", labels);
  }
}

void validate_replication_controller(const Value& controller, Causes& causes) {
  const Value& spec = controller["spec"];
  validate_not_negative(spec["replicas"], "spec.replicas", &causes);
  validate_not_negative(spec["minReadySeconds"], "spec.minReadySeconds", &causes);
  if (spec["selector"].empty()) add_required(&causes, "spec.selector");
  if (spec["template"].is_null()) {
    add_required(&causes, "spec.template");
    return;
  }
  const Value& labels = spec.at("template.metadata.labels");
  const auto& wanted = spec["selector"].members();
  if (!std::all_of(wanted.begin(), wanted.end(),
                   [&](const Value::Member& one) { return labels[one.name] == one.value; })) {
    add_invalid(&causes, "spec.template.metadata.labels", labels,
                "`selector` does not match template `labels`");
  }
  validate_pod_template(spec["template"], "spec.template", &causes);
  const Value& restart = spec.at("template.spec.restartPolicy");
  if (!restart.empty() && restart.as_string() != "Always") {
    add_not_supported(&causes, "spec.template.spec.restartPolicy", restart, {"Always"});
  }
}

void validate_template(const Value& object, Causes& causes) {
  validate_pod_template(object["template"], "template", &causes);
}

void validate_replication_controller_update(const Value& controller, const Value&,
                                            std::string_view subresource, Causes& causes) {
  if (subresource == "status") validate_replica_status(controller["status"], causes);
}

void validate_controller_revision(const Value& revision, Causes& causes) {
  if (revision["data"].is_null()) add_required(&causes, "data", "data is mandatory");
  validate_not_negative(revision["revision"], "revision", &causes);
}

void validate_controller_revision_update(const Value& revision, const Value& old, std::string_view,
                                         Causes& causes) {
  validate_unchanged(revision, old, "data", causes);
}

}  // namespace

const Hook kStatefulSetHook = {
    .defaults = default_stateful_set,
    .validate = validate_stateful_set,
    .validate_update = validate_stateful_set_update,
};

const Hook kDaemonSetHook = {
    .defaults = default_daemon_set,
    .validate = validate_daemon_set,
    .validate_update = validate_workload_update,
};

const Hook kReplicationControllerHook = {
    .defaults = default_replication_controller,
    .validate = validate_replication_controller,
    .validate_update = validate_replication_controller_update,
};

const Hook kPodTemplateHook = {
    .validate = validate_template,
};

const Hook kControllerRevisionHook = {
    .validate = validate_controller_revision,
    .validate_update = validate_controller_revision_update,
};

}  // namespace orch::api
