// Deleting: at once, after a time of grace, when the last finalizer goes, and of whole namespaces.
#include "server/apiserver/deletion.h"

#include <catch2/catch_test_macros.hpp>

#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

api::Value json(std::string_view text) {
  auto value = api::parse_json(text);
  REQUIRE(value.ok());
  return *std::move(value);
}

TEST_CASE("what a DELETE does to a pod") {
  const WallTime now{std::chrono::seconds{1'700'000'000}};
  const std::string running =
      R"({"metadata":{"name":"p"},"spec":{"nodeName":"n","terminationGracePeriodSeconds":20},
          "status":{"phase":"Running"}})";
  const std::string ending =
      R"({"metadata":{"name":"p","deletionTimestamp":"2023-11-14T22:13:40Z",
          "deletionGracePeriodSeconds":20},"spec":{"nodeName":"n"}})";
  using Kind = Deletion::Kind;
  struct Row {
    const char* what;
    std::string pod;
    std::optional<int64_t> grace;
    Kind kind;
    int64_t seconds;
    std::string timestamp;
  };
  const std::vector<Row> rows = {
      {"unscheduled", R"({"metadata":{},"spec":{}})", {}, Kind::remove, 0, ""},
      {"running", running, {}, Kind::mark, 20, "2023-11-14T22:13:40Z"},
      {"running, other grace", running, 5, Kind::mark, 5, "2023-11-14T22:13:25Z"},
      {"running, for ever", running, INT64_MAX, Kind::mark, kMaxGraceS, "2123-10-21T22:13:20Z"},
      {"running, forced", running, 0, Kind::remove, 0, ""},
      {"finished",
       R"({"metadata":{},"spec":{"nodeName":"n"},"status":{"phase":"Failed"}})",
       {},
       Kind::remove,
       0,
       ""},
      {"ending, again", ending, {}, Kind::nothing, 0, ""},
      {"ending, longer", ending, 60, Kind::nothing, 0, ""},
      {"ending, shorter", ending, 5, Kind::mark, 5, "2023-11-14T22:13:25Z"},
      {"ending some day, shorter",
       R"({"metadata":{"name":"p","deletionTimestamp":"2123-10-21T22:13:20Z",
           "deletionGracePeriodSeconds":3153600000},"spec":{"nodeName":"n"}})",
       5, Kind::mark, 5, "2023-11-14T22:13:25Z"},
      {"ending, forced", ending, 0, Kind::remove, 0, ""},
      {"held by a finalizer",
       R"({"metadata":{"finalizers":["a/b"]},"spec":{}})",
       {},
       Kind::mark,
       0,
       "2023-11-14T22:13:20Z"},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    DeleteOptions options;
    options.grace_s = row.grace;
    const auto deletion = plan_deletion(api::resource::pods(), json(row.pod), options, now);
    REQUIRE(deletion.ok());
    REQUIRE(deletion->kind == row.kind);
    if (row.kind != Kind::mark) continue;
    const api::Value& metadata = deletion->object["metadata"];
    CHECK(metadata["deletionGracePeriodSeconds"].as_int(-1) == row.seconds);
    CHECK(metadata["deletionTimestamp"].as_string() == row.timestamp);
  }
}

TEST_CASE("propagation becomes a finalizer") {
  const WallTime now{std::chrono::seconds{1'700'000'000}};
  const api::Value object = json(R"({"metadata":{"name":"d"},"spec":{}})");
  DeleteOptions options;
  CHECK(plan_deletion(api::resource::deployments(), object, options, now)->kind ==
        Deletion::Kind::remove);
  for (const auto& [policy, finalizer] :
       {std::pair{"Orphan", "orphan"}, std::pair{"Foreground", "foregroundDeletion"}}) {
    options.propagation = policy;
    const auto deletion = plan_deletion(api::resource::deployments(), object, options, now);
    REQUIRE(deletion->kind == Deletion::Kind::mark);
    CHECK(deletion->object["metadata"]["finalizers"] == api::Value::array({finalizer}));
  }
}

TEST_CASE("a finalizer holds an object until it is taken away") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("f", R"(,"finalizers":["a.b/c"])")).code ==
          201);
  const std::string path = std::string(kConfigMaps) + "/f";
  const auto marked = server.call("DELETE", path);
  CHECK(marked.code == 200);
  CHECK(marked.at("kind") == "ConfigMap");
  CHECK_FALSE(marked.at("metadata.deletionTimestamp").empty());
  CHECK(server.get(path).code == 200);
  CHECK(server.call("DELETE", path).text == marked.text);

  const auto released = server.call("PATCH", path, R"({"metadata":{"finalizers":null}})",
                                    "application/merge-patch+json");
  CHECK(released.code == 200);
  CHECK(server.get(path).code == 404);
}

TEST_CASE("a bound pod is marked, its node deletes it") {
  TestServer server;
  server.add_account();
  REQUIRE(server.post(kPods, TestServer::pod("p")).code == 201);
  const std::string path = std::string(kPods) + "/p";
  REQUIRE(server.post(path + "/binding", R"({"target":{"kind":"Node","name":"n"}})").code == 201);
  CHECK(server.get(path).at("spec.nodeName") == "n");
  const auto again = server.post(path + "/binding", R"({"target":{"name":"m"}})");
  CHECK(again.code == 409);
  CHECK(again.message() ==
        "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node "
        "\"n\"");

  const auto marked = server.call("DELETE", path);
  CHECK(marked.at("kind") == "Pod");
  CHECK(marked.json.at("metadata.deletionGracePeriodSeconds").as_int() == 30);
  CHECK(server.call("DELETE", path + "?gracePeriodSeconds=0").at("status") == "Success");
  CHECK(server.get(path).code == 404);
}

TEST_CASE("preconditions guard against deleting another object of that name") {
  TestServer server;
  const auto made = server.post(kConfigMaps, TestServer::config("a"));
  const std::string path = std::string(kConfigMaps) + "/a";
  const auto refused = server.call("DELETE", path, R"({"preconditions":{"uid":"other"}})");
  CHECK(refused.code == 409);
  CHECK(refused.message() ==
        "Operation cannot be fulfilled on configmaps \"a\": Precondition failed: UID in "
        "precondition: other, UID in object meta: " +
            made.at("metadata.uid"));
  const std::string right = R"({"preconditions":{"uid":")" + made.at("metadata.uid") + R"("}})";
  CHECK(server.call("DELETE", path, right).code == 200);
}

TEST_CASE("a namespace ends in two steps") {
  TestServer server;
  REQUIRE(server.post("/api/v1/namespaces", R"({"metadata":{"name":"x"}})").code == 201);
  const std::string path = "/api/v1/namespaces/x";
  const auto ending = server.call("DELETE", path);
  CHECK(ending.at("status.phase") == "Terminating");
  const auto late = server.post(path + "/configmaps", TestServer::config("a"));
  CHECK(late.code == 403);
  CHECK(late.message() ==
        "configmaps \"a\" is forbidden: unable to create new content in namespace x because it "
        "is being terminated");
  CHECK(server.call("DELETE", path).code == 409);

  auto swept = server.get(path).json;
  swept["spec"].remove("finalizers");
  CHECK(server.call("PUT", path + "/finalize", api::to_json(swept)).code == 200);
  CHECK(server.get(path).code == 404);
}

TEST_CASE("a collection is deleted by selector") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a", R"(,"labels":{"x":"1"})")).code == 201);
  REQUIRE(server.post(kConfigMaps, TestServer::config("b")).code == 201);
  CHECK(server.call("DELETE", std::string(kConfigMaps) + "?labelSelector=x%3D1").code == 200);
  CHECK(server.get(std::string(kConfigMaps) + "/a").code == 404);
  CHECK(server.get(std::string(kConfigMaps) + "/b").code == 200);
}

}  // namespace
}  // namespace orch::apiserver
