// The way of an object from request to store: decode, defaults, preparation, validation, canonical
// form. By table, against the built-in schema.
#include "api/strategy.h"

#include <catch2/catch_test_macros.hpp>
#include <random>

#include "api/canonical.h"
#include "api/decode.h"
#include "api/defaults.h"
#include "api/hook_list.h"
#include "api/resources.h"

using namespace orch;
using namespace orch::api;

namespace {

Value json(std::string_view text) {
  auto parsed = parse_json(text);
  INFO(text);
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

Value decoded(const Resource& resource, std::string_view text) {
  auto object = decode(*resource.type, json(text));
  if (!object.ok()) FAIL(object.status().message);
  return std::move(object).value();
}

Value created(const Resource& resource, std::string_view text) {
  Value object = decoded(resource, text);
  apply_defaults(resource, &object);
  prepare_create(resource, &object);
  return object;
}

std::string told(const Causes& causes) {
  std::string text;
  for (const StatusCause& cause : causes) {
    if (!text.empty()) text += "; ";
    text += cause.field + ": " + cause.message;
  }
  return text;
}

constexpr const char* kPod = R"({"kind":"Pod","apiVersion":"v1",
  "metadata":{"name":"web","namespace":"default"},
  "spec":{"containers":[{"name":"c","image":"nginx"}]}})";

constexpr const char* kDeployment = R"({"kind":"Deployment","apiVersion":"apps/v1",
  "metadata":{"name":"web","namespace":"default"},
  "spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
  "spec":{"containers":[{"name":"c","image":"nginx:1.25"}]}}}})";

constexpr const char* kService = R"({"kind":"Service","apiVersion":"v1",
  "metadata":{"name":"web","namespace":"default"},
  "spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})";

}  // namespace

TEST_CASE("decode refuses what has the wrong shape, in Kubernetes' words") {
  struct Case {
    const Resource& resource;
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {resource::deployments(), R"({"spec":{"replicas":"three"}})",
       "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal "
       "string into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {resource::deployments(), R"({"spec":{"replicas":3000000000}})",
       "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal "
       "number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {resource::pods(), R"({"spec":{"containers":{}}})",
       "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal object into Go "
       "struct field PodSpec.spec.containers of type []v1.Container"},
      {resource::pods(), R"({"spec":{"containers":[{"image":7}]}})",
       "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal number into Go "
       "struct field Container.spec.containers.image of type string"},
      {resource::config_maps(), R"({"data":{"a":1}})",
       "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal "
       "number into Go struct field ConfigMap.data of type string"},
      {resource::secrets(), R"({"data":{"a":"!"}})",
       "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte "
       "0"},
  };
  for (const Case& one : cases) {
    const auto object = decode(*one.resource.type, json(one.text));
    REQUIRE_FALSE(object.ok());
    CHECK(object.status().code == 400);
    CHECK(object.status().message == one.message);
  }
  CHECK_FALSE(decode(*resource::pods().type, json("[]")).ok());
  CHECK_FALSE(
      decode(*resource::pods().type, json(R"({"metadata":{"creationTimestamp":"x"}})")).ok());
}

TEST_CASE("decode drops, tells of or refuses unknown fields") {
  const Type& type = *resource::pods().type;
  const std::string text = R"({"spec":{"foo":1,"containers":[{"name":"c","bar":null}]}})";
  const auto dropped = decode(type, json(text));
  REQUIRE(dropped.ok());
  CHECK(to_json(*dropped) == R"({"spec":{"containers":[{"name":"c"}]}})");

  std::vector<std::string> warnings;
  const std::vector<std::string> duplicates = {"spec.nodeName"};
  REQUIRE(decode(type, json(text), {Strictness::warn, &duplicates, &warnings}).ok());
  CHECK(warnings == std::vector<std::string>{"unknown field \"spec.foo\"",
                                             "unknown field \"spec.containers[0].bar\"",
                                             "duplicate field \"spec.nodeName\""});
  const auto refused = decode(type, json(text), {Strictness::strict, nullptr, nullptr});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().message ==
        "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field "
        "\"spec.foo\", unknown field \"spec.containers[0].bar\"");
}

TEST_CASE("decode brings scalars to their canonical form") {
  const Value pod = decoded(resource::pods(), R"({"metadata":{"creationTimestamp":
    "2026-01-02T04:04:05.5+01:00","labels":{"a":null}},
    "spec":{"containers":[{"resources":{"limits":{"cpu":0.5,"memory":"1024Mi"}}}]}})");
  CHECK(pod.at("metadata.creationTimestamp").as_string() == "2026-01-02T03:04:05Z");
  CHECK(pod["metadata"]["labels"]["a"].is_string());
  const Value& limits = pod["spec"]["containers"][size_t{0}].at("resources.limits");
  CHECK(limits["cpu"].as_string() == "500m");
  CHECK(limits["memory"].as_string() == "1Gi");
}

TEST_CASE("the canonical form is Go's: declared order, structs by value always there") {
  const Value pod =
      canonicalize(*resource::pods().type,
                   json(R"({"metadata":{"labels":{"b":"2","a":"1"},"name":"web"},"apiVersion":"v1",
               "kind":"Pod","spec":{"hostNetwork":false,"nodeSelector":{},
               "containers":[{"image":"i","name":"c"}]}})"));
  CHECK(to_json(pod) ==
        R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","creationTimestamp":null,)"
        R"("labels":{"a":"1","b":"2"}},"spec":{"containers":[{"name":"c","image":"i",)"
        R"("resources":{}}]},"status":{}})");
}

TEST_CASE("defaults of a pod, a deployment and a service") {
  const Value pod = created(resource::pods(), kPod);
  const Value& spec = pod["spec"];
  CHECK(spec["restartPolicy"].as_string() == "Always");
  CHECK(spec["dnsPolicy"].as_string() == "ClusterFirst");
  CHECK(spec["terminationGracePeriodSeconds"].as_int() == 30);
  CHECK(spec["enableServiceLinks"].as_bool());
  CHECK(spec["containers"][size_t{0}]["imagePullPolicy"].as_string() == "Always");
  CHECK(pod.at("status.phase").as_string() == "Pending");
  CHECK(pod.at("status.qosClass").as_string() == "BestEffort");

  const Value deployment = created(resource::deployments(), kDeployment);
  CHECK(deployment.at("spec.replicas").as_int() == 1);
  CHECK(deployment.at("spec.strategy.rollingUpdate.maxSurge").as_string() == "25%");
  CHECK(deployment.at("metadata.generation").as_int() == 1);
  const Value& containers = deployment.at("spec.template.spec.containers");
  CHECK(containers[size_t{0}]["imagePullPolicy"].as_string() == "IfNotPresent");
  CHECK(deployment.at("spec.template.spec.enableServiceLinks").is_null());

  const Value service = created(resource::services(), kService);
  const Value& port = service["spec"]["ports"][size_t{0}];
  CHECK(port["protocol"].as_string() == "TCP");
  CHECK(port["targetPort"].as_int() == 80);
  CHECK(service.at("spec.internalTrafficPolicy").as_string() == "Cluster");
  CHECK(service.at("spec.sessionAffinity").as_string() == "None");
}

TEST_CASE("good objects have no causes") {
  CHECK(told(validate_create(resource::pods(), created(resource::pods(), kPod))) == "");
  CHECK(told(validate_create(resource::deployments(),
                             created(resource::deployments(), kDeployment))) == "");
  CHECK(told(validate_create(resource::services(), created(resource::services(), kService))) == "");
}

TEST_CASE("validation tells what is wrong, where and why") {
  struct Case {
    const Resource& resource;
    const char* text;
    const char* causes;
  };
  const Case cases[] = {
      {resource::pods(), R"({"metadata":{"name":"A","namespace":"d"},"spec":{}})",
       "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower "
       "case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
       "character (e.g. 'example.com', regex used for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'); "
       "spec.containers: Required value"},
      {resource::pods(),
       R"({"metadata":{"name":"a","namespace":"d"},"spec":{"restartPolicy":"x",
          "containers":[{"name":"c","image":"i","volumeMounts":[{"name":"v","mountPath":"/v"}]},
                        {"name":"c","image":"i"}]}})",
       "spec.restartPolicy: Unsupported value: \"x\": supported values: \"Always\", "
       "\"OnFailure\", \"Never\"; spec.containers[0].volumeMounts[0].name: Not found: \"v\"; "
       "spec.containers[1].name: Duplicate value: \"c\""},
      {resource::services(),
       R"({"metadata":{"name":"s","namespace":"d"},"spec":{"ports":[{"port":0,"targetPort":1}]}})",
       "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
      {resource::config_maps(), R"({"metadata":{"name":"s","namespace":"d"},"data":{"..":"x"}})",
       "data[..]: Invalid value: \"..\": must not be '..'"},
      {resource::deployments(),
       R"({"kind":"Deployment","metadata":{"name":"s","namespace":"d"},"spec":{"replicas":-1,
          "selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"c"}},
          "spec":{"containers":[{"name":"c","image":"i"}]}}}})",
       "spec.replicas: Invalid value: -1: must be greater than or equal to 0; "
       "spec.template.metadata.labels: Invalid value: map[string]string{\"a\":\"c\"}: "
       "`selector` does not match template `labels`"},
      {resource::secrets(),
       R"({"metadata":{"name":"s","namespace":"d"},"type":"kubernetes.io/tls"})",
       "data[tls.crt]: Required value; data[tls.key]: Required value"},
      {resource::leases(),
       R"({"metadata":{"name":"s","namespace":"d"},"spec":{"leaseDurationSeconds":0}})",
       "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"},
      {resource::namespaces(), R"({"metadata":{"name":"s","namespace":"d"}})",
       "metadata.namespace: Forbidden: not allowed on this type"},
      {resource::nodes(),
       R"({"metadata":{"name":"n"},"spec":{"taints":[{"key":"a","effect":"Nope"}]}})",
       "spec.taints[0].effect: Unsupported value: \"Nope\": supported values: \"NoSchedule\", "
       "\"PreferNoSchedule\", \"NoExecute\""},
      {resource::endpoint_slices(),
       R"({"metadata":{"name":"s","namespace":"d"},"addressType":"IPv4",
          "endpoints":[{"addresses":["127.0.0.1"]}]})",
       "endpoints[0].addresses[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range "
       "(127.0.0.0/8, ::1/128)"},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    CHECK(told(validate_create(one.resource, created(one.resource, one.text))) == one.causes);
  }
}

TEST_CASE("an update keeps what isn't its own") {
  const Resource& resource = resource::deployments();
  Value old = created(resource, kDeployment);
  old["metadata"].set("uid", "u");
  old["status"].set("replicas", 3);

  Value same = decoded(resource, kDeployment);
  apply_defaults(resource, &same);
  prepare_update(resource, old, &same, "");
  CHECK(same.at("metadata.uid").as_string() == "u");
  CHECK(same.at("metadata.generation").as_int() == 1);
  CHECK(same.at("status.replicas").as_int() == 3);

  Value scaled = same;
  scaled["spec"].set("replicas", 5);
  scaled["status"].set("replicas", 9);
  prepare_update(resource, old, &scaled, "");
  CHECK(scaled.at("metadata.generation").as_int() == 2);
  CHECK(scaled.at("status.replicas").as_int() == 3);

  Value told_status = scaled;
  told_status["status"].set("replicas", 5);
  prepare_update(resource, old, &told_status, "status");
  CHECK(told_status.at("spec.replicas").as_int() == 1);
  CHECK(told_status.at("status.replicas").as_int() == 5);
  CHECK(told_status.at("metadata.generation").as_int() == 1);

  Value other = same;
  other["spec"]["selector"]["matchLabels"].set("app", "x");
  other["spec"]["template"]["metadata"]["labels"].set("app", "x");
  CHECK(
      told(validate_update(resource, other, old, "")) ==
      "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{\"app\":\"x\"},"
      " MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable");
}

TEST_CASE("of a pod's spec only little may change") {
  const Resource& resource = resource::pods();
  const Value old = canonicalize(*resource.type, created(resource, kPod));
  const auto causes_of = [&](auto change) {
    Value pod = old;
    change(pod["spec"]);
    prepare_update(resource, old, &pod, "");
    const Causes causes = validate_update(resource, pod, old, "");
    return causes.empty() ? std::string() : causes.front().reason;
  };
  CHECK(causes_of([](Value&) {}) == "");
  CHECK(causes_of([](Value& spec) { spec["containers"].array_items()[0].set("image", "other"); }) ==
        "");
  CHECK(causes_of([](Value& spec) {
          spec["tolerations"].push_back(json(R"({"key":"a","operator":"Exists"})"));
        }) == "");
  CHECK(causes_of([](Value& spec) { spec.set("nodeName", "n"); }) == "FieldValueForbidden");
  CHECK(causes_of([](Value& spec) {
          spec["containers"].push_back(json(R"({"name":"x","image":"i"})"));
        }) == "FieldValueForbidden");
}

TEST_CASE("immutable stays immutable") {
  const Resource& resource = resource::config_maps();
  const Value old = created(resource, R"({"metadata":{"name":"c","namespace":"d"},
    "immutable":true,"data":{"a":"1"}})");
  Value changed = old;
  changed["data"].set("a", "2");
  CHECK(told(validate_update(resource, changed, old, "")) ==
        "data: Forbidden: field is immutable when `immutable` is set");
  CHECK(validate_update(resource, old, old, "").empty());
}

TEST_CASE("stringData goes over data") {
  const Value secret = created(resource::secrets(), R"({"metadata":{"name":"c","namespace":"d"},
    "data":{"a":"MQ=="},"stringData":{"a":"2","b":"3"}})");
  CHECK_FALSE(secret.has("stringData"));
  CHECK(to_json(secret["data"]) == R"({"a":"Mg==","b":"Mw=="})");
  CHECK(secret["type"].as_string() == "Opaque");
}

namespace {

// A random document of a type: each field is there or not, of the right shape.
class Maker {
 public:
  explicit Maker(uint32_t seed) : random_(seed) {}

  Value object(const Type& type, int depth) {
    Value made = Value::object();
    for (const Field& field : type.fields) {
      if (random_() % 3 == 0) made.set(field.name, value(field, depth + 1));
    }
    return made;
  }

 private:
  Value value(const Field& field, int depth) {
    switch (field.shape) {
      case Shape::boolean:
        return random_() % 2 == 0;
      case Shape::int32:
      case Shape::int64:
      case Shape::number:
        return static_cast<int>(random_() % 3);
      case Shape::int_or_string:
        return random_() % 2 == 0 ? Value(1) : Value("50%");
      case Shape::bytes:
        return "YQ==";
      case Shape::quantity:
        return "1500m";
      case Shape::time:
      case Shape::micro_time:
        return "2026-01-02T03:04:05Z";
      case Shape::string:
        return random_() % 3 == 0 ? "" : "a";
      case Shape::duration:
        return "1s";
      case Shape::any:
        return Value::object({{"x", 1}});
      case Shape::object:
        return depth > 6 ? Value::object() : object(*field.type, depth);
      case Shape::array:
        return depth > 6 ? Value::array() : many(field, depth);
      case Shape::map:
        return depth > 6 ? Value::object() : Value::object({{"k", value(*field.element, depth)}});
    }
    return {};
  }
  Value many(const Field& field, int depth) {
    Value list = Value::array();
    for (uint32_t i = random_() % 3; i > 0; --i) list.push_back(value(*field.element, depth));
    return list;
  }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("defaults and the canonical form are idempotent for any object") {
  for (const Resource* resource : Schema::builtin().resources()) {
    for (uint32_t seed = 0; seed < 10; ++seed) {
      INFO(resource->kind << " seed " << seed);
      auto object = decode(*resource->type, Maker(seed).object(*resource->type, 0));
      REQUIRE(object.ok());
      apply_defaults(*resource, &*object);
      Value again = *object;
      apply_defaults(*resource, &again);
      CHECK(to_json(again) == to_json(*object));
      const Value canonical = canonicalize(*resource->type, std::move(again));
      CHECK(to_json(canonicalize(*resource->type, canonical)) == to_json(canonical));
      // What was stored reads back as the same bytes.
      auto read = decode(*resource->type, canonical, {Strictness::strict, nullptr, nullptr});
      REQUIRE(read.ok());
      apply_defaults(*resource, &*read);
      CHECK(to_json(canonicalize(*resource->type, *read)) == to_json(canonical));
      validate_create(*resource, canonical);  // Must bear whatever decode lets through.
    }
  }
}

TEST_CASE("one step off the canonical form is brought back to it") {
  const Type& type = *resource::pods().type;
  const Value canonical = canonicalize(
      type, json(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","labels":{"b":"1",
            "c":"2"}},"spec":{"containers":[{"name":"x","image":"y"}],"hostNetwork":true}})"));
  const std::string text = to_json(canonical);
  CHECK(to_json(canonicalize(type, canonical)) == text);

  std::vector<Value> others(8, canonical);
  std::swap(others[0].object_members()[0], others[0].object_members()[1]);
  auto& labels = others[1]["metadata"]["labels"].object_members();
  std::swap(labels[0], labels[1]);
  others[2]["metadata"].remove("creationTimestamp");  // Always written, null.
  others[3]["spec"].set("hostIPC", false);            // Zero, and not always written.
  others[4]["spec"].set("nodeName", nullptr);
  others[5].remove("status");  // A struct held by value.
  others[6]["spec"]["containers"].array_items()[0].remove("resources");
  others[7].set("unheard", "of");
  for (const Value& other : others) {
    CHECK(to_json(other) != text);
    CHECK(to_json(canonicalize(type, other)) == text);
  }
}

TEST_CASE("every hook that a row names is there") {
  for (const Resource* resource : Schema::builtin().resources()) {
    INFO(resource->kind);
    CHECK((resource->hook.empty() || find_hook(resource->hook) != nullptr));
  }
}
