// What limits and quotas say of objects.
#include <catch2/catch_test_macros.hpp>

#include "api/resources.h"
#include "server/admission/limit_range.h"
#include "server/admission/quota.h"

namespace orch::admission {
namespace {

using api::Value;

Value json(const std::string& text) {
  auto parsed = api::parse_json(text);
  REQUIRE(parsed.ok());
  return *std::move(parsed);
}

Value pod(const std::string& containers, const std::string& more = "") {
  return json(R"({"metadata":{"name":"p"},"spec":{"containers":[)" + containers + "]" + more +
              "}}");
}

std::string container(const std::string& name, const std::string& requests,
                      const std::string& limits = "") {
  return R"({"name":")" + name + R"(","resources":{"requests":{)" + requests + R"(},"limits":{)" +
         limits + "}}}";
}

TEST_CASE("a pod takes what its containers take together, or its start, whichever is more") {
  const Value one = pod(container("a", R"("cpu":"1")") + "," + container("b", R"("cpu":"500m")"),
                        R"(,"initContainers":[{"name":"i","resources":{"requests":{"cpu":"2",
        "memory":"1Gi"}}},{"name":"s","restartPolicy":"Always","resources":{"requests":
        {"cpu":"100m"}}}],"overhead":{"cpu":"10m"})");
  CHECK(to_value(pod_quantities(one["spec"], "requests")) ==
        json(R"({"cpu":"2010m","memory":"1Gi"})"));
  CHECK(pod_quantities(one["spec"], "limits").empty());
}

TEST_CASE("limits are given to those who ask for nothing, and told in an annotation") {
  const Value range = json(R"({"spec":{"limits":[{"type":"Container",
      "default":{"cpu":"1","memory":"1Gi"},"defaultRequest":{"cpu":"100m"}}]}})");
  Value one = pod(container("a", "", R"("cpu":"2")"));
  apply_limit_defaults(range, &one);
  CHECK(one.at("spec.containers").items()[0]["resources"] ==
        json(R"({"requests":{"cpu":"100m"},"limits":{"cpu":"2","memory":"1Gi"}})"));
  CHECK(one.at("metadata.annotations")["kubernetes.io/limit-ranger"].as_string() ==
        "LimitRanger plugin set: cpu request for container a; memory limit for container a");
}

TEST_CASE("what is out of a LimitRange's bounds is said in Kubernetes' words") {
  const auto problems = [](const std::string& limit, const Value& object) {
    return check_pod_limits(json(R"({"spec":{"limits":[)" + limit + "]}}"), object);
  };
  using Texts = std::vector<std::string>;
  const Value one = pod(container("a", R"("cpu":"100m")", R"("cpu":"1")"));
  CHECK(problems(R"({"type":"Container","max":{"cpu":"500m"}})", one) ==
        Texts{"maximum cpu usage per Container is 500m, but limit is 1"});
  CHECK(problems(R"({"type":"Container","max":{"memory":"1Gi"}})", one) ==
        Texts{"maximum memory usage per Container is 1Gi.  No limit is specified"});
  CHECK(problems(R"({"type":"Container","min":{"cpu":"200m"}})", one) ==
        Texts{"minimum cpu usage per Container is 200m, but request is 100m"});
  CHECK(
      problems(R"({"type":"Container","maxLimitRequestRatio":{"cpu":"5"}})", one) ==
      Texts{"cpu max limit to request ratio per Container is 5, but provided ratio is 10.000000"});
  CHECK(problems(R"({"type":"Pod","max":{"cpu":"900m"}})", one) ==
        Texts{"maximum cpu usage per Pod is 900m, but limit is 1"});
  CHECK(problems(R"({"type":"Pod","max":{"cpu":"1"},"min":{"cpu":"100m"}})", one).empty());
  const Value claims = json(R"({"spec":{"limits":[{"type":"PersistentVolumeClaim",
      "min":{"storage":"1Gi"},"max":{"storage":"5Gi"}}]}})");
  const auto claim = [](const char* size) {
    return json(std::string(R"({"spec":{"resources":{"requests":{"storage":")") + size + "\"}}}}");
  };
  CHECK(check_claim_limits(claims, claim("2Gi")).empty());
  CHECK(check_claim_limits(claims, claim("6Gi")) ==
        Texts{"maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"});
  CHECK(check_claim_limits(claims, claim("1Mi")) ==
        Texts{"minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"});
}

TEST_CASE("what an object uses has every name that a quota may call it") {
  const auto used = [](const api::Resource& resource, const Value& object) {
    return to_value(usage_of(resource, object));
  };
  const Value one = pod(container("a", R"("cpu":"1","example.com/gpu":"2")", R"("memory":"1Gi")"));
  CHECK(used(api::resource::pods(), one) ==
        json(R"({"count/pods":"1","cpu":"1","limits.memory":"1Gi","pods":"1","requests.cpu":"1",
                 "requests.example.com/gpu":"2"})"));
  Value ended = one;
  ended.set("status", json(R"({"phase":"Succeeded"})"));
  CHECK(used(api::resource::pods(), ended) == json(R"({"count/pods":"1"})"));
  CHECK(used(api::resource::services(),
             json(R"({"spec":{"type":"LoadBalancer","ports":[{},{}]}})")) ==
        json(R"({"count/services":"1","services":"1","services.loadbalancers":"1",
                 "services.nodeports":"2"})"));
  CHECK(used(api::resource::deployments(), json("{}")) ==
        json(R"({"count/deployments.apps":"1"})"));
  const auto* claims = api::Schema::builtin().find("", "v1", "persistentvolumeclaims");
  CHECK(used(*claims, json(R"({"spec":{"storageClassName":"fast",
                               "resources":{"requests":{"storage":"2Gi"}}}})")) ==
        json(R"({"count/persistentvolumeclaims":"1",
          "fast.storageclass.storage.k8s.io/persistentvolumeclaims":"1",
          "fast.storageclass.storage.k8s.io/requests.storage":"2Gi",
          "persistentvolumeclaims":"1","requests.storage":"2Gi"})"));
  CHECK(counted_by("count/deployments.apps").plural == "deployments");
  CHECK(counted_by("count/deployments.apps").group == "apps");
  CHECK(counted_by("requests.storage").plural == "persistentvolumeclaims");
  CHECK(counted_by("limits.cpu").plural == "pods");
}

TEST_CASE("a quota's scopes choose the pods that it counts") {
  const auto counts = [](const std::string& spec, const Value& object) {
    return quota_counts(json(R"({"spec":{)" + spec + "}}"), api::resource::pods(), object);
  };
  const Value lean = pod(container("a", "")), rich = pod(container("a", R"("cpu":"1")"));
  const Value brief = pod(container("a", ""), R"(,"activeDeadlineSeconds":5)");
  const Value high = pod(container("a", ""), R"(,"priorityClassName":"high")");
  CHECK(counts(R"("scopes":["BestEffort"])", lean));
  CHECK_FALSE(counts(R"("scopes":["BestEffort"])", rich));
  CHECK(counts(R"("scopes":["NotBestEffort","NotTerminating"])", rich));
  CHECK(counts(R"("scopes":["Terminating"])", brief));
  CHECK_FALSE(counts(R"("scopes":["Terminating"])", lean));
  const std::string in = R"("scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass",
      "operator":"In","values":["high"]}]})";
  CHECK(counts(in, high));
  CHECK_FALSE(counts(in, lean));
  CHECK_FALSE(quota_counts(json(R"({"spec":{"scopes":["BestEffort"]}})"), api::resource::services(),
                           json("{}")));
}

TEST_CASE("what a quota limits must be said by every container") {
  const Quantities hard = parse_quantities(json(R"({"cpu":"1","limits.memory":"1","pods":"3"})"));
  const Value one = pod(container("a", R"("cpu":"1")") + "," + container("b", ""));
  CHECK(unspecified(hard, one) == std::vector<std::string>{"cpu for: b", "limits.memory for: a,b"});
}

}  // namespace
}  // namespace orch::admission
