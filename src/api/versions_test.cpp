// Two versions of one stored kind: nothing is lost on the way from one to the other and back.
#include "api/versions.h"

#include <catch2/catch_test_macros.hpp>

#include "api/canonical.h"
#include "api/decode.h"

using namespace orch;
using namespace orch::api;

namespace {

const Resource& resource_of(std::string_view group, std::string_view version,
                            std::string_view plural) {
  const Resource* found = Schema::builtin().find(group, version, plural);
  REQUIRE(found != nullptr);
  return *found;
}

Value canonical(const Resource& resource, std::string_view text) {
  auto parsed = parse_json(text);
  REQUIRE(parsed.ok());
  auto object = decode(*resource.type, *std::move(parsed));
  if (!object.ok()) FAIL(object.status().message);
  return canonicalize(*resource.type, *std::move(object));
}

// What a client of `view` would read, and what the store holds after it is written back.
Value there_and_back(const Resource& view, const Value& stored, Value* seen) {
  *seen = from_stored(view, stored);
  return canonicalize(*view.stored().type, to_stored(view, *seen));
}

}  // namespace

TEST_CASE("an event of either version is the same event") {
  const Resource& view = resource_of("events.k8s.io", "v1", "events");
  REQUIRE(&view.stored() == &resource_of("", "v1", "events"));
  const Value stored = canonical(view.stored(), R"({"kind":"Event","apiVersion":"v1",
    "metadata":{"name":"e","namespace":"n"},"involvedObject":{"kind":"Pod","name":"p"},
    "reason":"R","message":"m","source":{"component":"c","host":"h"},
    "firstTimestamp":"2024-01-01T00:00:00Z","lastTimestamp":"2024-01-01T00:00:01Z","count":3,
    "type":"Normal","eventTime":"2024-01-01T00:00:00.000001Z","reportingComponent":"x/y",
    "reportingInstance":"i","action":"A","series":{"count":2,
    "lastObservedTime":"2024-01-01T00:00:02.000000Z"}})");
  Value seen;
  CHECK(to_json(there_and_back(view, stored, &seen)) == to_json(stored));
  CHECK(seen["apiVersion"].as_string() == "events.k8s.io/v1");
  CHECK(seen.at("regarding.name").as_string() == "p");
  CHECK(seen["note"].as_string() == "m");
  CHECK(seen["reportingController"].as_string() == "x/y");
  CHECK(seen["deprecatedCount"].as_int() == 3);
  CHECK(seen.at("deprecatedSource.host").as_string() == "h");
}

TEST_CASE("an autoscaler keeps in annotations what its old version has no fields for") {
  const Resource& view = resource_of("autoscaling", "v1", "horizontalpodautoscalers");
  const Value stored = canonical(view.stored(), R"({"kind":"HorizontalPodAutoscaler",
    "apiVersion":"autoscaling/v2","metadata":{"name":"a","namespace":"n"},
    "spec":{"scaleTargetRef":{"kind":"Deployment","name":"d","apiVersion":"apps/v1"},
      "minReplicas":1,"maxReplicas":3,"metrics":[
      {"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization",
        "averageUtilization":70}}},
      {"type":"ContainerResource","containerResource":{"name":"memory","container":"c",
        "target":{"type":"AverageValue","averageValue":"1Gi"}}},
      {"type":"Object","object":{"describedObject":{"kind":"Ingress","name":"i"},
        "metric":{"name":"hits"},"target":{"type":"Value","value":"10"}}},
      {"type":"External","external":{"metric":{"name":"queue","selector":{"matchLabels":
        {"a":"b"}}},"target":{"type":"AverageValue","averageValue":"30"}}}],
      "behavior":{"scaleDown":{"stabilizationWindowSeconds":60}}},
    "status":{"currentReplicas":2,"desiredReplicas":2,"currentMetrics":[
      {"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":55,
        "averageValue":"200m"}}}],
      "conditions":[{"type":"AbleToScale","status":"True",
        "lastTransitionTime":"2024-01-01T00:00:00Z"}]}})");
  Value seen;
  CHECK(to_json(there_and_back(view, stored, &seen)) == to_json(stored));
  CHECK(seen.at("spec.targetCPUUtilizationPercentage").as_int() == 70);
  CHECK(seen.at("status.currentCPUUtilizationPercentage").as_int() == 55);
  CHECK(seen["metadata"]["annotations"].size() == 4);
  const auto metrics = parse_json(
      seen["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"].as_string());
  REQUIRE(metrics.ok());
  CHECK(to_json((*metrics)[1]) ==
        R"({"type":"Object","object":{"target":{"kind":"Ingress","name":"i"},)"
        R"("metricName":"hits","targetValue":"10"}})");
}

TEST_CASE("the stored version is its own view") {
  const Resource& pods = resource_of("", "v1", "pods");
  const Value pod = canonical(pods, R"({"kind":"Pod","apiVersion":"v1"})");
  CHECK(to_json(from_stored(pods, pod)) == to_json(pod));
  CHECK(to_json(to_stored(pods, pod)) == to_json(pod));
}
