// Server-side apply: who owns what, who may change what, and what goes away. Tables of small
// stories, the exact words of conflicts, and random stories against a slow and obvious model.
#include "api/apply.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>
#include <set>

#include "api/canonical.h"
#include "api/managed_fields.h"
#include "api/ownership.h"
#include "api/resources.h"

using namespace orch;
using namespace orch::api;

namespace {

Value json(std::string_view text) {
  auto parsed = parse_json(text);
  INFO(text);
  REQUIRE(parsed.ok());
  return *std::move(parsed);
}

Value stored(const Resource& resource, Value object) {
  return canonicalize(*resource.type, std::move(object));
}

Value config_map(std::string_view data) {
  return json(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":)" +
              std::string(data) + "}");
}

Value deployment(std::string_view spec) {
  return json(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":)" +
              std::string(spec) + "}");
}

Writer by(std::string_view manager, std::string_view time = "2026-01-01T00:00:00Z") {
  Writer writer;
  writer.manager = manager;
  writer.time = time;
  return writer;
}

Writer forced(std::string_view manager) {
  Writer writer = by(manager);
  writer.force = true;
  return writer;
}

Value applied(const Resource& resource, const Value& live, const Value& config,
              const Writer& writer) {
  auto object = apply(resource, live, config, writer);
  if (!object.ok()) FAIL(object.status().message);
  return stored(resource, *std::move(object));
}

Value updated(const Resource& resource, const Value& live, Value object, const Writer& writer) {
  Value before = live;
  std::string owners;
  if (const Value& list = live["metadata"]["managedFields"]; !list.empty()) {
    owners = to_json(list);
    before["metadata"].remove("managedFields");
  }
  const std::string text = track_update(resource, before, owners, &object, writer);
  if (!text.empty()) object["metadata"].set("managedFields", json(text));
  return stored(resource, std::move(object));
}

// The FieldsV1 of one manager, "" when it has none.
std::string owned(const Value& object, std::string_view manager) {
  for (const Value& entry : object["metadata"]["managedFields"].items()) {
    if (entry["manager"].as_string() == manager) return to_json(entry["fieldsV1"]);
  }
  return "";
}

std::string time_of(const Value& object, std::string_view manager) {
  for (const Value& entry : object["metadata"]["managedFields"].items()) {
    if (entry["manager"].as_string() == manager) return entry["time"].as_string();
  }
  return "";
}

}  // namespace

TEST_CASE("FieldsV1 is written in Kubernetes' order and read back") {
  const std::string_view text =
      R"({"f:metadata":{"f:finalizers":{".":{},"v:\"a/b\"":{}}},"f:spec":{"f:a":{},"f:b":{".":{},)"
      R"("k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}},)"
      R"("k:{\"port\":443,\"protocol\":\"TCP\"}":{"f:name":{}}}}})";
  const auto set = FieldSet::parse_fields(json(text));
  REQUIRE(set.ok());
  CHECK(to_json(set->to_fields()) == text);
  std::vector<std::string> paths;
  for (const Path& path : set->paths()) paths.push_back(to_text(path));
  CHECK(paths == std::vector<std::string>{".metadata.finalizers", R"(.metadata.finalizers[="a/b"])",
                                          ".spec.a", ".spec.b",
                                          R"(.spec.b[port=80,protocol="TCP"])",
                                          R"(.spec.b[port=80,protocol="TCP"].port)",
                                          R"(.spec.b[port=443,protocol="TCP"].name)"});
  for (const char* bad : {"[]", R"({"x":{}})", R"({"k:[]":{}})", R"({"f:a":1})", R"({"i:x":{}})"}) {
    INFO(bad);
    CHECK_FALSE(FieldSet::parse_fields(json(bad)).ok());
  }
}

TEST_CASE("an applier owns what it names; what it names no more goes away") {
  const Resource& maps = resource::config_maps();
  Value object = applied(maps, {}, config_map(R"({"a":"1","b":"2"})"), by("one"));
  CHECK(owned(object, "one") == R"({"f:data":{"f:a":{},"f:b":{}}})");

  SECTION("alone") {
    object = applied(maps, object, config_map(R"({"b":"2"})"), by("one"));
    CHECK(object["data"] == json(R"({"b":"2"})"));
    CHECK(owned(object, "one") == R"({"f:data":{"f:b":{}}})");
  }
  SECTION("shared: the last owner takes it away") {
    object = applied(maps, object, config_map(R"({"a":"1"})"), by("two"));
    object = applied(maps, object, config_map("{}"), by("one"));
    CHECK(object["data"] == json(R"({"a":"1"})"));
    CHECK(owned(object, "one") == R"({"f:data":{}})");
    object = applied(maps, object, config_map("{}"), by("two"));
    CHECK(object["data"].empty());
  }
  SECTION("an owner of nothing is forgotten") {
    Value none = config_map("{}");
    none.remove("data");
    object = applied(maps, object, none, by("one"));
    CHECK(object["metadata"]["managedFields"].is_null());
  }
  SECTION("again: nothing changes, nor does the time") {
    const Value again = applied(maps, object, config_map(R"({"b":"2","a":"1"})"),
                                by("one", "2027-01-01T00:00:00Z"));
    CHECK(to_json(again) == to_json(object));
  }
}

TEST_CASE("conflicts are told in Kubernetes' words") {
  const Resource& deployments = resource::deployments();
  Value base = deployment(R"({"replicas":1,"paused":true,"template":{"spec":{"containers":[
      {"name":"a","image":"x","ports":[{"containerPort":80}]}]}}})");
  Value live = updated(deployments, {}, base, by("kubectl-client-side-apply"));

  auto refused = apply(deployments, live, deployment(R"({"replicas":2})"), by("me"));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().code == 409);
  CHECK(refused.status().reason == "Conflict");
  CHECK(refused.status().message ==
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1: "
        ".spec.replicas");
  CHECK(refused.status().details.causes ==
        std::vector<StatusCause>{{"FieldManagerConflict",
                                  "conflict with \"kubectl-client-side-apply\" using apps/v1",
                                  ".spec.replicas"}});

  live = applied(deployments, live, deployment(R"({"minReadySeconds":4})"), by("anna"));
  Writer scaler = by("scaler");
  scaler.subresource = "scale";
  Value more = live;
  more["spec"].set("replicas", 5);
  live = updated(deployments, live, more, scaler);
  refused = apply(deployments, live, deployment(R"({"replicas":2,"paused":false,
      "minReadySeconds":5,"template":{"spec":{"containers":[{"name":"a","image":"y"}]}}})"),
                  by("me"));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().message ==
        "Apply failed with 4 conflicts: conflicts with \"anna\":\n"
        "- .spec.minReadySeconds\n"
        "conflicts with \"kubectl-client-side-apply\" using apps/v1:\n"
        "- .spec.paused\n"
        "- .spec.template.spec.containers[name=\"a\"].image\n"
        "conflicts with \"scaler\" with subresource \"scale\" using apps/v1:\n"
        "- .spec.replicas");
  CHECK(refused.status().details.causes.size() == 4);

  const Value taken = applied(deployments, live, deployment(R"({"replicas":2})"), forced("me"));
  CHECK(owned(taken, "me") == R"({"f:spec":{"f:replicas":{}}})");
  CHECK(owned(taken, "scaler").empty());
  CHECK(taken.at("spec.replicas").as_int() == 2);
  // The same value is shared, not fought over.
  CHECK(apply(deployments, live, deployment(R"({"replicas":5})"), by("me")).ok());
}

TEST_CASE("lists are owned by their keys, defaults of keys included") {
  const Resource& deployments = resource::deployments();
  const auto containers = [](std::string_view list) {
    return deployment(R"({"template":{"spec":{"containers":)" + std::string(list) + "}}}");
  };
  Value live = applied(deployments, {}, containers(R"([{"name":"a","image":"x",
      "ports":[{"containerPort":80}],"args":["1","2"]},{"name":"b","image":"y"}])"),
                       by("one"));
  CHECK(owned(live, "one") ==
        R"({"f:spec":{"f:template":{"f:spec":{"f:containers":{)"
        R"("k:{\"name\":\"a\"}":{".":{},"f:args":{},"f:image":{},"f:name":{},"f:ports":{)"
        R"("k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}},)"
        R"("k:{\"name\":\"b\"}":{".":{},"f:image":{},"f:name":{}}}}}}})");
  live = applied(deployments, live, containers(R"([{"name":"c","image":"z"},
      {"name":"b","env":[{"name":"E","value":"1"}]}])"),
                 by("two"));
  const auto names = [&live] {
    std::string all;
    for (const Value& item : live.at("spec.template.spec.containers").items()) {
      all += item["name"].as_string();
    }
    return all;
  };
  CHECK(names() == "acb");
  live = applied(deployments, live, containers(R"([{"name":"a","image":"x"}])"), by("one"));
  CHECK(names() == "acb");  // b is two's as well, but its image was one's alone.
  CHECK(live.at("spec.template.spec.containers")[2]["image"].empty());
  CHECK(live.at("spec.template.spec.containers")[0]["ports"].is_null());
  CHECK(live.at("spec.template.spec.containers")[0]["args"].is_null());
}

TEST_CASE("a struct goes with its last owner, defaults and all, unless others own a part") {
  const Resource& deployments = resource::deployments();
  Value live = applied(deployments, {},
                       deployment(R"({"strategy":{"rollingUpdate":{"maxSurge":1}}})"), by("one"));
  live["spec"]["strategy"]["rollingUpdate"].set("maxUnavailable", "25%");  // A default.
  const Value next = deployment(R"({"strategy":{"type":"Recreate"}})");
  SECTION("alone") {
    live = applied(deployments, live, next, by("one"));
    CHECK(live.at("spec.strategy") == json(R"({"type":"Recreate"})"));
  }
  SECTION("shared") {
    Value changed = live;
    changed["spec"]["strategy"]["rollingUpdate"].set("maxUnavailable", 2);
    live = updated(deployments, live, changed, by("editor"));
    live = applied(deployments, live, next, by("one"));
    CHECK(live.at("spec.strategy.rollingUpdate") == json(R"({"maxUnavailable":2})"));
  }
}

TEST_CASE("configurations that can not be owned in parts are refused") {
  const Resource& deployments = resource::deployments();
  const auto message = [&](std::string_view spec) {
    const auto result = apply(deployments, {}, deployment(spec), by("me"));
    return result.ok() ? "" : result.status().message;
  };
  const std::string head = "failed to create typed patch object (/d; apps/v1, Kind=Deployment): ";
  CHECK(message(R"({"foo":1})") == head + ".spec.foo: field not declared in schema");
  CHECK(message(R"({"template":{"spec":{"containers":[{"name":"a"},{"name":"a"}]}}})") ==
        head + ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]");
  CHECK(message(R"({"template":{"spec":{"containers":[{"image":"a"}]}}})") ==
        head +
            ".spec.template.spec.containers: element 0: associative list with keys has an "
            "element that omits key field \"name\" (and doesn't have default value)");
  CHECK(apply(deployments, {}, config_map("{}"), by("me")).status().code == 400);
  Value managed = deployment("{}");
  managed["metadata"].set("managedFields", Value::array());
  CHECK(apply(deployments, {}, managed, by("me")).status().message ==
        "metadata.managedFields must be nil");
}

TEST_CASE("other writers own what they change") {
  const Resource& deployments = resource::deployments();
  const Value first = deployment(R"({"replicas":1,"selector":{"matchLabels":{"a":"b"}},"template":
      {"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"x"}]}}})");
  Value live = updated(deployments, {}, first, by("kubectl-create"));
  CHECK(owned(live, "kubectl-create") ==
        R"({"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":)"
        R"({".":{},"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},)"
        R"("f:image":{},"f:name":{},"f:resources":{}}}}}}})");

  SECTION("nothing changed: not even the time") {
    CHECK(updated(deployments, live, live, by("other", "2030-01-01T00:00:00Z")) == live);
    Value bare = live;
    bare["metadata"].remove("managedFields");  // Clients that don't know of it.
    CHECK(updated(deployments, live, bare, by("other", "2030-01-01T00:00:00Z")) == live);
  }
  SECTION("a change moves the field and its time") {
    Value changed = live;
    changed["spec"].set("replicas", 7);
    live = updated(deployments, live, changed, by("other", "2030-01-01T00:00:00Z"));
    CHECK(owned(live, "other") == R"({"f:spec":{"f:replicas":{}}})");
    CHECK(owned(live, "kubectl-create").find("replicas") == std::string::npos);
    CHECK(time_of(live, "other") == "2030-01-01T00:00:00Z");
    CHECK(time_of(live, "kubectl-create") == "2026-01-01T00:00:00Z");
  }
  SECTION("status is its own subresource's alone") {
    Value changed = live;
    changed["status"].set("replicas", 1);
    CHECK(owned(updated(deployments, live, changed, by("x")), "x").empty());
    Writer writer = by("controller");
    writer.subresource = "status";
    changed["spec"].set("replicas", 9);
    live = updated(deployments, live, changed, writer);
    CHECK(owned(live, "controller") == R"({"f:status":{"f:replicas":{}}})");
    CHECK(live["metadata"]["managedFields"][0]["subresource"].as_string() == "status");
  }
  SECTION("[{}] forgets all, and updates do not begin anew") {
    Value reset = live;
    reset["metadata"].set("managedFields", json("[{}]"));
    live = updated(deployments, live, reset, by("x"));
    CHECK(live["metadata"]["managedFields"].is_null());
    Value changed = live;
    changed["spec"].set("replicas", 7);
    CHECK(updated(deployments, live, changed, by("x"))["metadata"]["managedFields"].is_null());
    // The first apply finds a nameless owner.
    const auto refused = apply(deployments, live, deployment(R"({"replicas":3})"), by("me"));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.status().message ==
          "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: "
          ".spec.replicas");
  }
}

TEST_CASE("old updates are gathered") {
  const Resource& maps = resource::config_maps();
  Value live = updated(maps, {}, config_map(R"({"k0":"v"})"), by("m0"));
  for (int i = 1; i <= 14; ++i) {
    Value changed = live;
    changed["data"].set("k" + std::to_string(i), "v");
    const std::string name = "m" + std::to_string(i);
    const std::string time = "2026-01-01T00:00:" + std::to_string(10 + i) + "Z";
    live = updated(maps, live, changed, by(name, time));
    CHECK(live["metadata"]["managedFields"].size() <= kMaxUpdateManagers);
  }
  CHECK(owned(live, "ancient-changes").find("f:k2") != std::string::npos);
  CHECK(owned(live, "m14") == R"({"f:data":{"f:k14":{}}})");
}

TEST_CASE("kubectl takes over from its client-side apply") {
  const Resource& maps = resource::config_maps();
  Value object = config_map(R"({"a":"1","b":"2"})");
  object["metadata"].set("annotations",
                         Value::object({{"kubectl.kubernetes.io/last-applied-configuration",
                                         to_json(config_map(R"({"a":"1","b":"2"})"))}}));
  const Value live = updated(maps, {}, object, by("kubectl-client-side-apply"));
  CHECK_FALSE(apply(maps, live, config_map(R"({"a":"9"})"), by("other")).ok());
  const Value next = applied(maps, live, config_map(R"({"a":"9"})"), by("kubectl"));
  CHECK(next.at("data.a").as_string() == "9");
  CHECK(next["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
            .as_string() == to_json(config_map(R"({"a":"9"})")) + "\n");
}

TEST_CASE("names of writers") {
  CHECK(manager_name("me", "x/1") == "me");
  CHECK(manager_name("", "kubectl/v1.32 (linux/amd64)") == "kubectl");
  CHECK(manager_name("", std::string(300, 'x')).size() == kMaxManagerBytes);
}

namespace {

// What apply does, said plainly over flat keys: "a" of data, "80" an item of ports, "80/name" a
// field in it, which goes when its item goes.
struct Model {
  std::map<std::string, std::string> values;
  std::map<std::string, std::set<std::string>> appliers, updaters;

  using Wish = std::map<std::string, std::string>;

  static std::string item_of(const std::string& key) { return key.substr(0, key.find('/')); }

  void lose(const std::string& key, const std::string& but) {
    for (auto* owners : {&appliers, &updaters}) {
      for (auto& [name, keys] : *owners) {
        if (owners == &updaters || name != but) keys.erase(key);
      }
    }
  }

  bool apply(const std::string& me, const Wish& wish, bool force) {
    for (const auto& [key, value] : wish) {
      if (values.contains(key) && values[key] == value) continue;
      for (const auto* owners : {&appliers, &updaters}) {
        for (const auto& [name, keys] : *owners) {
          if (owners == &appliers && name == me) continue;
          if (keys.contains(key) && !force) return false;
        }
      }
    }
    for (const auto& [key, value] : wish) {
      if (values.contains(key) && values[key] == value) continue;
      values[key] = value;
      lose(key, me);
    }
    const auto before = std::exchange(appliers[me], {});
    for (const auto& [key, value] : wish) appliers[me].insert(key);
    for (const std::string& key : before) {
      bool kept = false;
      for (const auto& [name, keys] : appliers) kept |= keys.contains(key);
      if (!kept) remove(key);
    }
    return true;
  }

  void update(const std::string& me, const std::string& key, const std::string& value) {
    if (values.contains(key) && values[key] == value) return;
    values[key] = value;
    lose(key, "");
    updaters[me].insert(key);
  }

  void remove(const std::string& key) {
    std::set<std::string> gone;
    for (const auto& [name, value] : values) {
      if (name == key || (key.find('/') == key.npos && item_of(name) == key)) gone.insert(name);
    }
    for (const std::string& name : gone) {
      values.erase(name);
      lose(name, "");
    }
  }
};

// Keys that begin with a digit are ports; the others are labels.
Value service_of(const Model::Wish& wish) {
  Value labels = Value::object();
  std::map<std::string, Value> ports;
  for (const auto& [key, value] : wish) {
    if (!std::isdigit(key[0])) {
      labels.set(key, value);
      continue;
    }
    const std::string item = Model::item_of(key);
    Value& port = ports[item];
    if (port.is_null()) port = Value::object({{"port", std::stoi(item)}});
    if (key != item) port.set(key.substr(item.size() + 1), value);
  }
  Array list;
  for (auto& [key, port] : ports) list.push_back(std::move(port));
  Value metadata = Value::object({{"name", "s"}});
  if (!labels.empty()) metadata.set("labels", std::move(labels));
  Value spec = Value::object();
  if (!list.empty()) spec.set("ports", Value(std::move(list)));
  return Value::object({{"apiVersion", "v1"},
                        {"kind", "Service"},
                        {"metadata", std::move(metadata)},
                        {"spec", std::move(spec)}});
}

Model::Wish flat(const Value& service) {
  Model::Wish out;
  for (const auto& label : service["metadata"]["labels"].members()) {
    out[label.name] = label.value.as_string();
  }
  for (const Value& port : service["spec"]["ports"].items()) {
    const std::string item = std::to_string(port["port"].as_int());
    out[item] = "";
    for (const char* name : {"name", "appProtocol"}) {
      if (!port[name].empty()) out[item + "/" + name] = port[name].as_string();
    }
  }
  return out;
}

std::set<std::string> flat_fields(const Value& service, const std::string& name, bool applier) {
  std::set<std::string> out;
  for (const Value& entry : service["metadata"]["managedFields"].items()) {
    if (entry["manager"].as_string() != name) continue;
    if ((entry["operation"].as_string() == "Apply") != applier) continue;
    const auto set = FieldSet::parse_fields(entry["fieldsV1"]);
    REQUIRE(set.ok());
    for (const Path& path : set->paths()) {
      if (path.size() == 3 && path[1].name == "labels") out.insert(path[2].name);
      if (path.size() < 3 || path[1].name != "ports") continue;
      const std::string item = std::to_string(path[2].value["port"].as_int());
      if (path.size() == 3) out.insert(item);
      if (path.size() == 4 && path[3].name != "port") out.insert(item + "/" + path[3].name);
    }
  }
  return out;
}

TEST_CASE("managedFields read the same as a text and as a value") {
  ManagedEntries entries(2);
  entries[0].manager = "b\"\\";
  entries[0].api_version = "v1";
  entries[0].time = "2026-01-01T00:00:00Z";
  entries[0].fields =
      named_fields(*resource::config_maps().type, json(R"({"data":{"x\n":"1"},"metadata":
      {"finalizers":["a\"b"],"ownerReferences":[{"uid":"u","name":"n"}]}})"));
  entries[1].manager = "a";
  entries[1].applied = true;
  entries[1].api_version = "v1";
  entries[1].subresource = "status";
  entries[1].fields = named_fields(*resource::config_maps().type, json(R"({"immutable":true})"));
  CHECK(managed_fields_text(entries) == to_json(to_managed_fields(entries)));
  CHECK(managed_fields_text({}).empty());
}

TEST_CASE("who writes again what is his alone changes a time and nothing else") {
  const auto at = [](int hour) { return "2026-01-01T0" + std::to_string(hour) + ":00:00Z"; };
  Value live =
      updated(resource::config_maps(), {}, config_map(R"({"a":"1","b":"1"})"), by("first", at(1)));
  live = updated(resource::config_maps(), live, config_map(R"({"a":"1","b":"2"})"),
                 by("second", at(2)));
  const std::string text = to_json(live["metadata"]["managedFields"]);
  const auto again = [&](const char* manager, const char* data, int hour) {
    ManagedEntry mine;
    mine.manager = manager;
    mine.api_version = "v1";
    mine.time = at(hour);
    return retimed(text, mine, named_fields(*resource::config_maps().type, json(data)));
  };
  // The later comes last.
  const auto first = again("first", R"({"data":{"a":"2"}})", 3);
  REQUIRE(first);
  const Value list = json(*first);
  CHECK(list[1]["manager"].as_string() == "first");
  CHECK(list[1]["time"].as_string() == at(3));
  CHECK(list[0] == live["metadata"]["managedFields"][1]);
  CHECK(list[1]["fieldsV1"] == live["metadata"]["managedFields"][0]["fieldsV1"]);
  CHECK(again("second", R"({"data":{"b":"3"}})", 3));
  CHECK_FALSE(again("second", R"({"data":{"a":"3"}})", 3));  // Another's.
  CHECK_FALSE(again("second", R"({"data":{"c":"3"}})", 3));  // Nobody's.
  CHECK_FALSE(again("third", R"({"data":{"b":"3"}})", 3));
}

}  // namespace

TEST_CASE("random stories of several managers end as the plain model says") {
  const Resource& services = resource::services();
  const std::vector<std::string> managers = {"a", "b", "c"};
  const std::vector<std::string> keys = {"x",   "y",       "z",        "80",
                                         "443", "80/name", "443/name", "80/appProtocol"};
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    const auto one_of = [&](const std::vector<std::string>& list) {
      return list[random() % list.size()];
    };
    Model model;
    Value live;
    for (int step = 0; step < 40; ++step) {
      INFO("seed " << seed << " step " << step);
      const std::string me = one_of(managers);
      if (random() % 4 == 0 && !live.is_null()) {
        const std::string key = one_of(keys);
        if (!model.values.contains(key)) continue;
        if (key.find('/') == key.npos && std::isdigit(key[0])) continue;
        const std::string value = one_of({"1", "2", "3"});
        model.update(me, key, value);
        Value next = live;
        for (const char* part : {"metadata", "spec"}) {
          next.set(part, merge_fields(*services.type, live, service_of(model.values))[part]);
        }
        live = updated(services, live, std::move(next), by(me));
      } else {
        Model::Wish wish;
        for (const std::string& key : keys) {
          if (random() % 3 != 0) continue;
          const std::string item = Model::item_of(key);
          const bool port = std::isdigit(key[0]);
          if (port) wish[item] = "";
          if (!port || key != item) wish[key] = one_of({"1", "2", "3"});
        }
        const bool force = random() % 3 == 0;
        auto next = apply(services, live, service_of(wish), force ? forced(me) : by(me));
        REQUIRE(next.ok() == model.apply(me, wish, force));
        if (!next.ok()) continue;
        live = stored(services, *std::move(next));
        CHECK(applied(services, live, service_of(wish), by(me, "2031-01-01T00:00:00Z")) == live);
      }
      CHECK(flat(live) == model.values);
      for (const std::string& name : managers) {
        CHECK(flat_fields(live, name, true) == model.appliers[name]);
        CHECK(flat_fields(live, name, false) == model.updaters[name]);
      }
    }
  }
}
