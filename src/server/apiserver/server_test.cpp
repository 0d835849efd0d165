// The whole server over HTTPS: what every client of every kind relies on.
#include <catch2/catch_test_macros.hpp>

#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

TEST_CASE("an object is made, read, changed and removed") {
  TestServer server;
  const auto made = server.post(kConfigMaps, TestServer::config("one"));
  REQUIRE(made.code == 201);
  CHECK(made.at("kind") == "ConfigMap");
  CHECK(made.at("metadata.namespace") == "default");
  CHECK(made.at("metadata.uid").size() == 36);
  CHECK_FALSE(made.at("metadata.resourceVersion").empty());
  CHECK_FALSE(made.at("metadata.creationTimestamp").empty());

  const std::string path = std::string(kConfigMaps) + "/one";
  CHECK(server.get(path).text == made.text);

  auto changed = made.json;
  changed["data"].set("a", "2");
  const auto updated = server.call("PUT", path, api::to_json(changed));
  REQUIRE(updated.code == 200);
  CHECK(updated.at("data.a") == "2");
  CHECK(updated.at("metadata.uid") == made.at("metadata.uid"));
  CHECK(updated.at("metadata.resourceVersion") != made.at("metadata.resourceVersion"));

  SECTION("an old resourceVersion loses") {
    const auto late = server.call("PUT", path, api::to_json(made.json));
    CHECK(late.code == 409);
    CHECK(late.message() ==
          "Operation cannot be fulfilled on configmaps \"one\": the object has been modified; "
          "please apply your changes to the latest version and try again");
  }
  SECTION("writing the same again changes nothing") {
    const auto same = server.call("PUT", path, updated.text);
    CHECK(same.code == 200);
    CHECK(same.text == updated.text);
  }
  SECTION("it survives a restart, byte by byte") {
    server.restart();
    CHECK(server.get(path).text == updated.text);
  }
  SECTION("removal answers what was removed") {
    const auto removed = server.call("DELETE", path);
    CHECK(removed.code == 200);
    CHECK(removed.at("status") == "Success");
    CHECK(removed.at("details.kind") == "configmaps");
    CHECK(removed.at("details.uid") == made.at("metadata.uid"));
    const auto gone = server.get(path);
    CHECK(gone.code == 404);
    CHECK(gone.message() == "configmaps \"one\" not found");
    CHECK(gone.at("reason") == "NotFound");
  }
}

TEST_CASE("requests that make no sense are refused in Kubernetes' words") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("one")).code == 201);
  const std::string one = std::string(kConfigMaps) + "/one";
  struct Row {
    std::string method, target, body, type;
    int code;
    std::string message;
  };
  const std::string json = "application/json";
  const std::vector<Row> rows = {
      {"GET", "/api/v1/namespaces/default/foos", "", json, 404, ""},
      {"GET", "/nowhere", "", json, 404, ""},
      {"GET", "/api/v1/namespaces/default/pods/../secrets", "", json, 404, ""},
      {"PUT", kConfigMaps, "{}", json, 405,
       "the server does not allow this method on the requested resource"},
      {"POST", kConfigMaps, TestServer::config("one"), json, 409,
       "configmaps \"one\" already exists"},
      {"POST", kConfigMaps, R"({"metadata":{"name":"x","namespace":"other"}})", json, 400,
       "the namespace of the provided object does not match the namespace sent on the request"},
      {"POST", kConfigMaps, R"({"metadata":{"name":"x","resourceVersion":"7"}})", json, 500,
       "resourceVersion should not be set on objects to be created"},
      {"POST", "/api/v1/namespaces/none/configmaps", TestServer::config("x"), json, 404,
       "namespaces \"none\" not found"},
      {"POST", kConfigMaps, "x", "text/plain", 415,
       "the body of the request was in an unknown format - accepted media types include: "
       "application/json, application/yaml, application/vnd.kubernetes.protobuf"},
      {"POST", kConfigMaps, R"({"apiVersion":"apps/v1","metadata":{"name":"x"}})", json, 400,
       "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is "
       "registered for version \"apps/v1\" in scheme \"orch\""},
      {"PUT", one, TestServer::config("two"), json, 400,
       "the name of the object (two) does not match the name on the URL (one)"},
      {"PUT", std::string(kConfigMaps) + "/none", TestServer::config("none"), json, 404,
       "configmaps \"none\" not found"},
      {"PUT", one, TestServer::config("one", R"(,"uid":"other")"), json, 409, ""},
      {"GET", std::string(kConfigMaps) + "?fieldSelector=data.a%3D1", "", json, 400,
       "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""},
      {"GET", std::string(kPods) + "?fieldSelector=spec.x%3D1", "", json, 400,
       "field label not supported: spec.x"},
      {"GET", std::string(kConfigMaps) + "?continue=abc", "", json, 400, ""},
      {"GET", std::string(kConfigMaps) + "?limit=x", "", json, 400, ""},
      {"DELETE", "/api/v1/namespaces/default", "", json, 403,
       "namespaces \"default\" is forbidden: this namespace may not be deleted"},
      {"PATCH", one, "{}", "application/apply-patch+yaml", 422, ""},  // No manager.
  };
  for (const Row& row : rows) {
    INFO(row.method << " " << row.target << " " << row.body);
    const auto answer = server.call(row.method, row.target, row.body, row.type);
    CHECK(answer.code == row.code);
    if (!row.message.empty()) CHECK(answer.message() == row.message);
  }
  CHECK(server.get("/nowhere").text == "404 page not found\n");
}

TEST_CASE("the three patches change what they name") {
  TestServer server;
  server.add_account();
  REQUIRE(server.post(kPods, TestServer::pod("p", R"(,"labels":{"a":"1"})")).code == 201);
  const std::string path = std::string(kPods) + "/p";

  const auto merged = server.call("PATCH", path, R"({"metadata":{"labels":{"a":null,"b":"2"}}})",
                                  "application/merge-patch+json");
  REQUIRE(merged.code == 200);
  CHECK(api::to_json(merged.json.at("metadata.labels")) == R"({"b":"2"})");

  const auto strategic =
      server.call("PATCH", path, R"({"spec":{"containers":[{"name":"c","image":"j:2"}]}})",
                  "application/strategic-merge-patch+json");
  REQUIRE(strategic.code == 200);
  CHECK(strategic.json["spec"]["containers"][0]["image"].as_string() == "j:2");
  CHECK(strategic.json["spec"]["containers"].size() == 1);

  const auto json =
      server.call("PATCH", path, R"([{"op":"add","path":"/metadata/labels/c","value":"3"}])",
                  "application/json-patch+json");
  REQUIRE(json.code == 200);
  CHECK(json.at("metadata.labels.c") == "3");

  const auto nothing = server.call("PATCH", path, "{}", "application/merge-patch+json");
  CHECK(nothing.text == json.text);

  const auto stale = server.call("PATCH", path, R"({"metadata":{"resourceVersion":"1"}})",
                                 "application/merge-patch+json");
  CHECK(stale.code == 409);
}

TEST_CASE("a list is read page by page, of one state") {
  TestServer server;
  for (int i = 0; i < 5; ++i) {
    REQUIRE(server.post(kConfigMaps, TestServer::config("c" + std::to_string(i))).code == 201);
  }
  const std::string list = kConfigMaps;
  const auto first = server.get(list + "?limit=2");
  REQUIRE(first.code == 200);
  CHECK(first.at("kind") == "ConfigMapList");
  CHECK(first.json["items"].size() == 2);
  CHECK(first.json.at("metadata.remainingItemCount").as_int() == 3);
  REQUIRE(server.call("DELETE", list + "/c4").code == 200);

  const auto second = server.get(list + "?limit=2&continue=" + first.at("metadata.continue"));
  REQUIRE(second.code == 200);
  CHECK(second.at("metadata.resourceVersion") == first.at("metadata.resourceVersion"));
  const auto third = server.get(list + "?limit=2&continue=" + second.at("metadata.continue"));
  REQUIRE(third.json["items"].size() == 1);
  CHECK(third.json["items"][0].at("metadata.name").as_string() == "c4");
  CHECK(third.json.at("metadata.continue").is_null());
  CHECK(server.get(list).json["items"].size() == 4);
}

TEST_CASE("who pages through a forgotten state is told how to go on without it") {
  TestServer server;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(server.post(kConfigMaps, TestServer::config("c" + std::to_string(i))).code == 201);
  }
  const std::string list = std::string(kConfigMaps) + "?limit=1";
  const auto first = server.get(list);
  REQUIRE(first.code == 200);
  REQUIRE(server.post(kConfigMaps, TestServer::config("d")).code == 201);
  server.restart();  // The history begins anew.
  const auto late = server.get(list + "&continue=" + first.at("metadata.continue"));
  CHECK(late.code == 410);
  CHECK(late.at("reason") == "Expired");
  const auto rest =
      server.get(std::string(kConfigMaps) + "?continue=" + late.at("metadata.continue"));
  REQUIRE(rest.code == 200);
  CHECK(rest.json["items"].size() == 3);
  CHECK(rest.json["items"][0].at("metadata.name").as_string() == "c1");
}

TEST_CASE("selectors choose, tables and metadata are rendered") {
  TestServer server;
  server.add_account();
  REQUIRE(server.post(kPods, TestServer::pod("a", R"(,"labels":{"app":"x"})")).code == 201);
  REQUIRE(server.post(kPods, TestServer::pod("b", R"(,"labels":{"app":"y"})")).code == 201);
  const std::string list = kPods;
  CHECK(server.get(list + "?labelSelector=app%3Dx").json["items"].size() == 1);
  CHECK(server.get(list + "?labelSelector=app").json["items"].size() == 2);
  CHECK(server.get(list + "?fieldSelector=metadata.name%3Db").json["items"].size() == 1);
  CHECK(server.get(list + "?fieldSelector=spec.nodeName%3Dn").json["items"].size() == 0);
  CHECK(server.get("/api/v1/pods?fieldSelector=metadata.namespace%21%3Ddefault")
            .json["items"]
            .size() == 0);

  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const auto rows = server.call("GET", list, "", "", table);
  CHECK(rows.at("kind") == "Table");
  REQUIRE(rows.json["rows"].size() == 2);
  CHECK(rows.json["rows"][0]["cells"][0].as_string() == "a");
  CHECK(rows.json["rows"][0].at("object.kind").as_string() == "PartialObjectMetadata");

  const std::string partial =
      "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";
  const auto metadata = server.call("GET", list, "", "", partial);
  CHECK(metadata.at("kind") == "PartialObjectMetadataList");
  CHECK(metadata.json["items"][0]["spec"].is_null());

  const auto yaml = server.call("GET", list + "/a", "", "", "application/yaml");
  CHECK(yaml.headers.get("Content-Type") == "application/yaml");
  CHECK(yaml.text.find("kind: Pod\n") != std::string::npos);
  CHECK(server.call("GET", list, "", "", "image/png").code == 406);
}

TEST_CASE("unknown fields are warned of, or refused, as the client asks") {
  TestServer server;
  const std::string body = R"({"metadata":{"name":"w"},"dta":{"a":"1"}})";
  const auto warned = server.post(std::string(kConfigMaps), body);
  CHECK(warned.code == 201);
  CHECK(warned.headers.get("Warning") == R"(299 - "unknown field \"dta\"")");
  const auto strict = server.post(std::string(kConfigMaps) + "?fieldValidation=Strict", body);
  CHECK(strict.code == 400);
  CHECK(strict.message().find("strict decoding error: unknown field \"dta\"") != std::string::npos);
}

TEST_CASE("a dry run leaves nothing behind") {
  TestServer server;
  const std::string path = std::string(kConfigMaps) + "?dryRun=All";
  const auto dry = server.post(path, TestServer::config("dry"));
  CHECK(dry.code == 201);
  CHECK(dry.at("metadata.name") == "dry");
  CHECK(server.get(std::string(kConfigMaps) + "/dry").code == 404);
}

TEST_CASE("names are generated when asked for") {
  TestServer server;
  const auto made = server.post(kConfigMaps, R"({"metadata":{"generateName":"gen-"}})");
  REQUIRE(made.code == 201);
  CHECK(made.at("metadata.name").size() == 9);
  CHECK(made.at("metadata.name").starts_with("gen-"));
}

TEST_CASE("YAML is taken, large answers are compressed") {
  TestServer server;
  const std::string yaml = "kind: ConfigMap\nmetadata:\n  name: y\ndata:\n  a: |\n    two\n";
  const auto made = server.call("POST", kConfigMaps, yaml, "application/yaml");
  REQUIRE(made.code == 201);
  CHECK(made.at("data.a") == "two\n");

  const std::string large(300'000, 'x');
  REQUIRE(
      server.post(kConfigMaps, R"({"metadata":{"name":"l"},"data":{"a":")" + large + "\"}}").code ==
      201);
  http::Request request;
  request.target = std::string(kConfigMaps) + "/l";
  request.headers.set("Accept-Encoding", "gzip");
  request.headers.set("Authorization", "Bearer " + server.server().admin_token());
  auto client = http::Client::create(server.client_options());
  REQUIRE(client.ok());
  const Answer answer = server.send(**client, request);
  CHECK(answer.headers.get("Content-Encoding") == "gzip");
  CHECK(answer.text.starts_with("\x1f\x8b"));
  CHECK(answer.text.size() < large.size() / 10);
  // And the answer to a write.
  request.method = "PATCH";
  request.body = R"({"data":{"b":"2"}})";
  request.headers.set("Content-Type", "application/merge-patch+json");
  const Answer written = server.send(**client, request);
  CHECK(written.code == 200);
  CHECK(written.headers.get("Content-Encoding") == "gzip");
  CHECK(written.text.starts_with("\x1f\x8b"));
}

TEST_CASE("a list says once of what kind its items are") {
  TestServer server;
  CHECK(server.get(kConfigMaps).json["items"].size() == 0);
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  REQUIRE(server.post(kConfigMaps, TestServer::config("b")).code == 201);
  const auto list = server.get(kConfigMaps);
  CHECK(list.at("kind") == "ConfigMapList");
  REQUIRE(list.json["items"].size() == 2);
  for (const api::Value& item : list.json["items"].items()) {
    CHECK_FALSE(item.has("kind"));
    CHECK_FALSE(item.has("apiVersion"));
    CHECK(item.at("data.a").as_string() == "1");
  }
  CHECK(server.get(std::string(kConfigMaps) + "/a").at("kind") == "ConfigMap");
  const auto events = server.get(std::string(kConfigMaps) + "?watch=1&timeoutSeconds=1");
  CHECK(events.text.find(R"("object":{"kind":"ConfigMap","apiVersion":"v1")") != events.text.npos);
}

TEST_CASE("what is too large is refused by name") {
  TestServer server;
  const std::string large(4u << 20, 'x');
  const auto answer = server.post(kConfigMaps, "{\"a\":\"" + large + "\"}");
  CHECK(answer.code == 413);
  CHECK(answer.at("reason") == "RequestEntityTooLarge");
  CHECK(answer.message() == "Request entity too large: limit is 3145728");
}

TEST_CASE("discovery, version and health answer") {
  TestServer server;
  CHECK(server.get("/version").at("gitVersion").starts_with("v1.32."));
  CHECK(server.get("/readyz").text == "ok");
  CHECK(server.get("/apis").at("kind") == "APIGroupList");
  CHECK(server.get("/api/v1").at("kind") == "APIResourceList");
  CHECK(server.get("/openapi/v3").code == 200);
  const auto all =
      server.call("GET", "/apis", "", "",
                  "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  CHECK(all.at("kind") == "APIGroupDiscoveryList");
  CHECK(server.get("/api/v1/namespaces/default/services/kubernetes").at("spec.clusterIP") ==
        "10.43.0.1");
  CHECK(server.get("/api/v1/namespaces/default/endpoints/kubernetes").code == 200);
}

}  // namespace
}  // namespace orch::apiserver
