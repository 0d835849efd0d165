// What the kinds beyond the daily pods and services demand and default, and what `kubectl get`
// shows of them. By table, against the built-in schema.
#include <catch2/catch_test_macros.hpp>
#include <utility>

#include "api/decode.h"
#include "api/defaults.h"
#include "api/strategy.h"
#include "api/table.h"

using namespace orch;
using namespace orch::api;

namespace {

// {"kind":K,"apiVersion":V,"metadata":{"name":"x"},<rest>}, as it would be stored.
Value made(const Resource& resource, std::string_view rest) {
  const std::string text = R"({"kind":")" + resource.kind + R"(","apiVersion":")" +
                           resource.api_version() + R"(","metadata":{"name":"x"},)" +
                           std::string(rest) + "}";
  INFO(text);
  auto parsed = parse_json(text);
  REQUIRE(parsed.ok());
  auto object = decode(*resource.type, *std::move(parsed));
  if (!object.ok()) FAIL(object.status().message);
  apply_defaults(resource, &*object);
  if (resource.namespaced) (*object)["metadata"].set("namespace", "default");
  return *std::move(object);
}

const Resource& resource_of(std::string_view api_version, std::string_view kind) {
  const Resource* found = Schema::builtin().find_kind(api_version, kind);
  REQUIRE(found != nullptr);
  return *found;
}

constexpr const char* kTemplate = R"("template":{"metadata":{"labels":{"a":"b"}},)"
                                  R"("spec":{"containers":[{"name":"c","image":"i"}]}})";
constexpr const char* kSelector = R"("selector":{"matchLabels":{"a":"b"}},)";
constexpr const char* kJob =
    R"("template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}})";

}  // namespace

TEST_CASE("kinds are validated: what is good passes, what is bad is named") {
  struct Case {
    const char *api_version, *kind;
    std::string rest;
    std::string_view field;  // Of the only cause; "" = good.
  };
  const std::string set = kSelector + std::string(kTemplate);
  const std::string path = R"({"path":"/","pathType":"Prefix","backend":)";
  const std::string claim = R"("accessModes":["ReadWriteOnce"],"resources":{"requests":)";
  const Case cases[] = {
      {"apps/v1", "StatefulSet", R"("spec":{"serviceName":"s",)" + set + "}", ""},
      {"apps/v1", "StatefulSet",
       R"("spec":{"serviceName":"s","updateStrategy":{"rollingUpdate":{"partition":-1}},)" + set +
           "}",
       "spec.updateStrategy.rollingUpdate.partition"},
      {"apps/v1", "DaemonSet", R"("spec":{)" + set + "}", ""},
      {"apps/v1", "DaemonSet",
       R"("spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":0}},)" + set + "}",
       "spec.updateStrategy.rollingUpdate.maxUnavailable"},
      {"v1", "ReplicationController", R"("spec":{)" + std::string(kTemplate) + "}", ""},
      {"v1", "ReplicationController",
       R"("spec":{"selector":{"a":"c"},)" + std::string(kTemplate) + "}",
       "spec.template.metadata.labels"},
      {"batch/v1", "Job", R"("spec":{)" + std::string(kJob) + "}", ""},
      {"batch/v1", "Job",
       R"("spec":{"completionMode":"Indexed","parallelism":1,)" + std::string(kJob) + "}",
       "spec.completions"},
      {"batch/v1", "Job", R"("spec":{)" + std::string(kTemplate) + "}",
       "spec.template.spec.restartPolicy"},
      {"batch/v1", "CronJob",
       R"("spec":{"schedule":"*/5 8-18 * jan,3 mon-fri","jobTemplate":{"spec":{)" +
           std::string(kJob) + "}}}",
       ""},
      {"batch/v1", "CronJob",
       R"("spec":{"schedule":"60 * * * *","jobTemplate":{"spec":{)" + std::string(kJob) + "}}}",
       "spec.schedule"},
      {"networking.k8s.io/v1", "Ingress",
       R"("spec":{"rules":[{"host":"*.a.b","http":{"paths":[)" + path +
           R"({"service":{"name":"s","port":{"number":80}}}}]}}]})",
       ""},
      {"networking.k8s.io/v1", "Ingress",
       R"("spec":{"rules":[{"http":{"paths":[)" + path +
           R"({"service":{"name":"s","port":{}}}}]}}]})",
       "spec.rules[0].http.paths[0].backend.service"},
      {"networking.k8s.io/v1", "NetworkPolicy",
       R"("spec":{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8"}}]}]})", ""},
      {"networking.k8s.io/v1", "NetworkPolicy",
       R"("spec":{"podSelector":{},"ingress":[{"ports":[{"port":80,"endPort":79}]}]})",
       "spec.ingress[0].ports[0].endPort"},
      {"v1", "PersistentVolumeClaim", R"("spec":{)" + claim + R"({"storage":"1Gi"}}})", ""},
      {"v1", "PersistentVolumeClaim", R"("spec":{)" + claim + R"({"storage":"0"}}})",
       "spec.resources[storage]"},
      {"v1", "PersistentVolume",
       R"("spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"}})", "spec"},
      {"v1", "PersistentVolume",
       R"("spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"},
          "hostPath":{"path":"/d"}})",
       ""},
      {"storage.k8s.io/v1", "StorageClass", R"("provisioner":"a.b/c")", ""},
      {"rbac.authorization.k8s.io/v1", "Role",
       R"("rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}])", ""},
      {"rbac.authorization.k8s.io/v1", "Role",
       R"("rules":[{"verbs":["get"],"nonResourceURLs":["/x"]}])", "rules[0].nonResourceURLs"},
      {"rbac.authorization.k8s.io/v1", "RoleBinding",
       R"("roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"User","name":"u"}])", ""},
      {"rbac.authorization.k8s.io/v1", "ClusterRoleBinding",
       R"("roleRef":{"kind":"Role","name":"r"})", "roleRef.kind"},
      {"autoscaling/v2", "HorizontalPodAutoscaler",
       R"("spec":{"scaleTargetRef":{"kind":"Deployment","name":"d"},"maxReplicas":3})", ""},
      {"autoscaling/v2", "HorizontalPodAutoscaler",
       R"("spec":{"scaleTargetRef":{"kind":"D","name":"d"},"minReplicas":4,"maxReplicas":3})",
       "spec.maxReplicas"},
      {"policy/v1", "PodDisruptionBudget", R"("spec":{"minAvailable":"50%"})", ""},
      {"policy/v1", "PodDisruptionBudget", R"("spec":{"minAvailable":1,"maxUnavailable":1})",
       "spec"},
      {"v1", "ResourceQuota", R"("spec":{"hard":{"pods":"-1"}})", "spec.hard[pods]"},
      {"v1", "LimitRange", R"("spec":{"limits":[{"type":"Container","max":{"cpu":"1"}}]})", ""},
      {"v1", "LimitRange",
       R"("spec":{"limits":[{"type":"Pod","min":{"cpu":"2"},"max":{"cpu":"1"}}]})",
       "spec.limits[0].min[cpu]"},
      {"scheduling.k8s.io/v1", "PriorityClass", R"("value":2000000000)", "value"},
  };
  for (const Case& c : cases) {
    INFO(c.kind << " " << c.rest);
    const Resource& resource = resource_of(c.api_version, c.kind);
    const Causes causes = validate_create(resource, made(resource, c.rest));
    std::string fields;
    for (const StatusCause& cause : causes) fields += (fields.empty() ? "" : " ") + cause.field;
    CHECK(fields == c.field);
  }
}

TEST_CASE("what can not change is refused") {
  struct Case {
    const char *api_version, *kind, *before, *after, *field;
  };
  const Case cases[] = {
      {"storage.k8s.io/v1", "StorageClass", R"("provisioner":"a")", R"("provisioner":"b")",
       "provisioner"},
      {"rbac.authorization.k8s.io/v1", "RoleBinding", R"("roleRef":{"kind":"Role","name":"r"})",
       R"("roleRef":{"kind":"Role","name":"q"})", "roleRef"},
      {"v1", "PersistentVolumeClaim",
       R"("spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}}})",
       R"("spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2"}}})",
       "spec"},
      {"scheduling.k8s.io/v1", "PriorityClass", R"("value":1)", R"("value":2)", "value"},
  };
  for (const Case& c : cases) {
    INFO(c.kind << " " << c.after);
    const Resource& resource = resource_of(c.api_version, c.kind);
    const Value before = made(resource, c.before);
    CHECK(validate_update(resource, before, before, "").empty());
    const Causes causes = validate_update(resource, made(resource, c.after), before, "");
    REQUIRE(causes.size() == 1);
    CHECK(causes[0].field == c.field);
  }
}

TEST_CASE("defaults of kinds") {
  const Value job = made(resource_of("batch/v1", "Job"), R"("spec":{)" + std::string(kJob) + "}");
  CHECK(job.at("spec.completions").as_int() == 1);
  CHECK(job.at("spec.backoffLimit").as_int() == 6);
  const Value cron =
      made(resource_of("batch/v1", "CronJob"),
           R"("spec":{"schedule":"@daily","jobTemplate":{"spec":{)" + std::string(kJob) + "}}}");
  CHECK(cron.at("spec.jobTemplate.spec.backoffLimit").is_null());
  CHECK(cron.at("spec.concurrencyPolicy").as_string() == "Allow");
  const Value set = made(resource_of("apps/v1", "StatefulSet"),
                         R"("spec":{)" + std::string(kSelector) + kTemplate + "}");
  CHECK(set.at("spec.podManagementPolicy").as_string() == "OrderedReady");
  CHECK(set.at("spec.persistentVolumeClaimRetentionPolicy.whenScaled").as_string() == "Retain");
  CHECK(set.at("spec.updateStrategy.rollingUpdate.partition").is_int());
}

TEST_CASE("cells of kinds") {
  struct Case {
    const char *cell, *object, *text;
  };
  const Case cases[] = {
      {"job_completions", R"({"spec":{"completions":3},"status":{"succeeded":2}})", "2/3"},
      {"job_status", R"({"status":{"conditions":[{"type":"Failed","status":"True"}]}})", "Failed"},
      {"cron_job_suspend", R"({"spec":{"suspend":false}})", "False"},
      {"template_node_selector", R"({"spec":{"template":{"spec":{"nodeSelector":{"b":"1"}}}}})",
       "b=1"},
      {"ingress_hosts", R"({"spec":{"rules":[{"host":"a"},{}]}})", "a"},
      {"ingress_ports", R"({"spec":{"tls":[{}]}})", "80, 443"},
      {"volume_modes", R"({"spec":{"accessModes":["ReadOnlyMany","ReadWriteOnce"]}})", "RWO,ROX"},
      {"claim_capacity", R"({"spec":{"volumeName":"v"},"status":{"capacity":{"storage":"1Gi"}}})",
       "1Gi"},
      {"storage_class_name",
       R"({"metadata":{"name":"s","annotations":{"storageclass.kubernetes.io/is-default-class":)"
       R"("true"}}})",
       "s (default)"},
      {"subject_accounts",
       R"({"subjects":[{"kind":"ServiceAccount","namespace":"n","name":"a"},{"kind":"User"}]})",
       "n/a"},
      {"quota_requests", R"({"status":{"hard":{"pods":"5","limits.cpu":"1"},"used":{"pods":"2"}}})",
       "pods: 2/5"},
      {"autoscaler_metrics",
       R"({"spec":{"metrics":[{"type":"Resource","resource":{"name":"cpu","target":)"
       R"({"averageUtilization":80}}}]}})",
       "cpu: <unknown>/80%"},
      {"request_condition", R"({"status":{"conditions":[{"type":"Approved"}]}})", "Approved"},
      {"controller",
       R"({"metadata":{"ownerReferences":[{"controller":true,"apiVersion":"apps/v1",)"
       R"("kind":"DaemonSet","name":"d"}]}})",
       "daemonset.apps/d"},
  };
  for (const Case& c : cases) {
    INFO(c.cell);
    const CellFunction cell = find_cell_function(c.cell);
    REQUIRE(cell != nullptr);
    const auto object = parse_json(c.object);
    REQUIRE(object.ok());
    CHECK(cell(*object, WallTime{}).as_string() == c.text);
  }
}
