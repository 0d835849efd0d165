// Audit: what one request leaves in the file, level by level and stage by stage, as kube-apiserver
// would write it.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "base/strings.h"
#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

using api::Value;

constexpr const char* kSecrets = "/api/v1/namespaces/default/secrets";

// A server with these rules. Its own start makes no events, for its loops are no requests.
class AuditedServer {
 public:
  explicit AuditedServer(const std::string& rules, const std::string& more = "")
      : server_([this, rules, more](Options& options) {
          log_ = options.data_dir + "/audit.log";
          options.audit_policy_file = options.data_dir + "/policy.yaml";
          options.audit_log.path = log_;
          REQUIRE(write_file_whole(
                      options.audit_policy_file,
                      "apiVersion: audit.k8s.io/v1\nkind: Policy\n" + more + "rules:\n" + rules)
                      .ok());
        }) {}

  TestServer& operator*() { return server_; }
  TestServer* operator->() { return &server_; }

  // Ends the server, so that all is written.
  std::vector<Value> events() {
    server_.stop();
    std::vector<Value> events;
    text_ = read_file(log_).value_or("");
    for (const std::string_view line : split(text_, '\n')) {
      if (line.empty()) continue;
      auto event = api::parse_json(line);
      REQUIRE(event.ok());
      events.push_back(*std::move(event));
    }
    return events;
  }
  const std::string& text() const { return text_; }

 private:
  std::string log_, text_;
  TestServer server_;
};

std::vector<std::string> stages(const std::vector<Value>& events) {
  std::vector<std::string> stages;
  for (const Value& event : events) stages.push_back(event["stage"].as_string());
  return stages;
}

TEST_CASE("an event says who asked for what, from where, and what came of it") {
  AuditedServer server("- level: Metadata\n");
  const Answer answer = server->get("/api/v1/namespaces/default/pods?limit=5");
  REQUIRE(answer.code == 200);
  const auto events = server.events();
  REQUIRE(stages(events) == std::vector<std::string>{"RequestReceived", "ResponseComplete"});
  const Value& event = events[1];
  CHECK(event["kind"].as_string() == "Event");
  CHECK(event["apiVersion"].as_string() == "audit.k8s.io/v1");
  CHECK(event["level"].as_string() == "Metadata");
  CHECK(event["auditID"] == events[0]["auditID"]);
  CHECK(event["auditID"].as_string() == answer.headers.get("Audit-Id"));
  CHECK(event["requestURI"].as_string() == "/api/v1/namespaces/default/pods?limit=5");
  CHECK(event["verb"].as_string() == "list");
  CHECK(event.at("user.username").as_string() == "system:admin");
  CHECK(event.at("user.groups")[0].as_string() == "system:masters");
  CHECK(event["sourceIPs"][0].as_string() == "127.0.0.1");
  CHECK(event["objectRef"] ==
        Value::object({{"resource", "pods"}, {"namespace", "default"}, {"apiVersion", "v1"}}));
  CHECK(event["responseStatus"] == Value::object({{"metadata", Value::object()}, {"code", 200}}));
  CHECK(event.at("requestReceivedTimestamp").as_string() <= event.at("stageTimestamp").as_string());
  CHECK(event["annotations"]["authorization.k8s.io/decision"].as_string() == "allow");
  CHECK(event["annotations"].has("authorization.k8s.io/reason"));
  CHECK_FALSE(event.has("requestObject"));
  CHECK_FALSE(events[0].has("responseStatus"));
}

TEST_CASE("the audit id of a client is kept") {
  AuditedServer server("- level: Metadata\n");
  auto client = http::Client::create(server->client_options());
  http::Request request;
  request.target = "/version";
  request.headers.set("Audit-ID", "0a1b-2c3d");
  CHECK(server->send(**client, request).headers.get("Audit-Id") == "0a1b-2c3d");
  CHECK(server.events()[0]["auditID"].as_string() == "0a1b-2c3d");
}

TEST_CASE("at level Metadata no body is written, whatever goes wrong with it") {
  AuditedServer server("- level: Metadata\n", "omitStages: [RequestReceived]\n");
  const std::string secret =
      R"({"metadata":{"name":"s"},"stringData":{"password":"never-in-the-log"}})";
  REQUIRE(server->post(kSecrets, secret).code == 201);
  REQUIRE(server->post(kSecrets, secret).code == 409);
  REQUIRE(server->get(std::string(kSecrets) + "/s").code == 200);
  const auto events = server.events();
  REQUIRE(events.size() == 3);
  CHECK(server.text().find("never-in-the-log") == std::string::npos);
  CHECK(server.text().find(base64_encode("never-in-the-log")) == std::string::npos);
  CHECK(events[0].at("objectRef.name").as_string() == "s");  // Which the path doesn't tell.
  CHECK(events[1].at("responseStatus.status").as_string() == "Failure");
  CHECK(events[1].at("responseStatus.reason").as_string() == "AlreadyExists");
  CHECK(events[1].at("responseStatus.code").as_int() == 409);
}

TEST_CASE("tokens that are handed out are written at level RequestResponse alone") {
  for (const std::string level : {"Metadata", "Request", "RequestResponse"}) {
    AuditedServer server("- {level: " + level + ", resources: [{resources: ['*/token']}]}\n");
    server->add_account();
    const Answer issued = server->post("/api/v1/namespaces/default/serviceaccounts/default/token",
                                       R"({"apiVersion":"authentication.k8s.io/v1",)"
                                       R"("kind":"TokenRequest","spec":{}})");
    REQUIRE(issued.code == 201);
    REQUIRE(server.events().size() == 2);
    const bool told = server.text().find(issued.at("status.token")) != std::string::npos;
    CHECK(told == (level == "RequestResponse"));
  }
}

TEST_CASE("higher levels have the objects, without managed fields where the policy says so") {
  AuditedServer server(
      "- {level: Request, verbs: [create]}\n"
      "- {level: RequestResponse, omitManagedFields: true}\n",
      "omitStages: [RequestReceived]\n");
  REQUIRE(server->post(kConfigMaps, TestServer::config("a")).code == 201);
  const std::string one = std::string(kConfigMaps) + "/a";
  REQUIRE(
      server->call("PATCH", one, R"({"data":{"b":"2"}})", "application/merge-patch+json").code ==
      200);
  REQUIRE(server->call("GET", kConfigMaps, "", "", "application/vnd.kubernetes.protobuf").code ==
          200);
  const auto events = server.events();
  REQUIRE(events.size() == 3);
  CHECK(events[0].at("requestObject.data.a").as_string() == "1");
  CHECK_FALSE(events[0].has("responseObject"));
  CHECK(events[1]["requestObject"] == *api::parse_json(R"({"data":{"b":"2"}})"));
  CHECK(events[1].at("responseObject.data.b").as_string() == "2");
  CHECK_FALSE(events[1].at("responseObject.metadata").has("managedFields"));
  CHECK(events[2].at("responseObject.kind").as_string() == "ConfigMapList");
  CHECK(events[2].at("responseObject.items")[0].at("data.b").as_string() == "2");
}

TEST_CASE("an object that is too large goes untold, its event says so") {
  AuditedServer server("- {level: RequestResponse, verbs: [create]}\n");
  const std::string large(900u << 10, 'x');
  REQUIRE(server->post(kConfigMaps, R"({"metadata":{"name":"a"},"data":{"a":")" + large + "\"}}")
              .code == 201);
  const auto events = server.events();
  CHECK_FALSE(events[1].has("requestObject"));
  CHECK(events[1]["annotations"]["audit.k8s.io/truncated"].as_string() == "true");
}

TEST_CASE("who is refused, and for whom somebody acts, is told") {
  AuditedServer server("- level: Metadata\n", "omitStages: [RequestReceived]\n");
  CHECK(server->call_as("no-token", "GET", kPods).code == 401);
  auto client = http::Client::create(server->client_options());
  http::Request request;
  request.target = kPods;
  request.headers.set("Authorization", "Bearer " + server->server().admin_token());
  request.headers.set("Impersonate-User", "jane");
  CHECK(server->send(**client, request).code == 403);
  CHECK(server->get("/no/such/path").code == 404);
  const auto events = server.events();
  REQUIRE(events.size() == 3);
  CHECK(events[0]["user"].empty());
  CHECK(events[0].at("responseStatus.code").as_int() == 401);
  CHECK(events[1].at("user.username").as_string() == "system:admin");
  CHECK(events[1].at("impersonatedUser.username").as_string() == "jane");
  CHECK(events[1]["annotations"]["authorization.k8s.io/decision"].as_string() == "forbid");
  CHECK(events[1].at("responseStatus.code").as_int() == 403);
  CHECK(events[2]["requestURI"].as_string() == "/no/such/path");
  CHECK_FALSE(events[2].has("objectRef"));
}

TEST_CASE("a watch is told when it starts and when it ends") {
  AuditedServer server("- {level: RequestResponse, verbs: [watch]}\n");
  REQUIRE(server->get(std::string(kConfigMaps) + "?watch=1&timeoutSeconds=1").code == 200);
  const auto events = server.events();
  CHECK(stages(events) ==
        std::vector<std::string>{"RequestReceived", "ResponseStarted", "ResponseComplete"});
  CHECK(events[2].at("responseStatus.code").as_int() == 200);
}

TEST_CASE("without a policy nothing of it is seen") {
  TestServer server;
  CHECK_FALSE(server.get("/version").headers.has("Audit-Id"));
}

TEST_CASE("a policy that can't be read keeps the server from starting") {
  TestServer server;
  Options options = server.options();
  server.stop();
  options.audit_policy_file = options.data_dir + "/policy.yaml";
  options.audit_log.path = options.data_dir + "/audit.log";
  REQUIRE(write_file_whole(options.audit_policy_file,
                           "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: All}]\n")
              .ok());
  const auto started = ApiServer::start(options);
  REQUIRE_FALSE(started.ok());
  CHECK(started.status().message.find("policy.yaml") != std::string::npos);
  CHECK(started.status().message.find("policy.rules[0].level") != std::string::npos);
}

TEST_CASE("what a loop in the server writes is audited as if it had asked") {
  AuditedServer server(
      "- level: RequestResponse\n  users: [system:node:n]\n  resources: [{resources: "
      "[configmaps]}]\n");
  const auto api = server->server().api("system:node:n");
  const auto config = api::parse_json(TestServer::config("a"));
  Value object = *config;
  object["metadata"].set("namespace", "default");
  REQUIRE(api->create(api::resource::config_maps(), object).ok());
  CHECK_FALSE(api->create(api::resource::config_maps(), object).ok());
  REQUIRE(
      server->server().api("other")->remove(api::resource::config_maps(), {"default", "a"}, {}));
  const auto events = server.events();
  REQUIRE(events.size() == 4);
  const Value& event = events[1];
  CHECK(event["stage"].as_string() == "ResponseComplete");
  CHECK(event["requestURI"].as_string() == "/api/v1/namespaces/default/configmaps");
  CHECK(event["verb"].as_string() == "create");
  CHECK(event.at("user.username").as_string() == "system:node:n");
  CHECK(event.at("objectRef.name").as_string() == "a");
  CHECK(event.at("requestObject.data.a").as_string() == "1");
  CHECK(event.at("responseObject.metadata.name").as_string() == "a");
  CHECK(event.at("responseStatus.code").as_int() == 201);
  CHECK(events[3].at("responseStatus.code").as_int() == 409);
  CHECK(events[3].at("responseStatus.reason").as_string() == "AlreadyExists");
}

TEST_CASE("events about pods say what their security was held against") {
  AuditedServer server(
      "- level: Metadata\n  verbs: [create]\n  omitStages: [RequestReceived]\n"
      "  resources: [{resources: [pods]}, {group: apps, resources: [deployments]}]\n");
  server->add_account();
  REQUIRE(server
              ->call("PATCH", "/api/v1/namespaces/default",
                     R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline",)"
                     R"("pod-security.kubernetes.io/audit":"restricted"}}})",
                     "application/merge-patch+json")
              .code == 200);
  CHECK(server->post(kPods, TestServer::pod("good")).code == 201);
  CHECK(server->post(kPods, TestServer::pod("bad", "", R"(,"hostPID":true)")).code == 403);
  CHECK(server
            ->post("/apis/apps/v1/namespaces/default/deployments",
                   R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},)"
                   R"("template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":)"
                   R"([{"name":"c","image":"i"}]}}}})")
            .code == 201);
  const auto events = server.events();
  REQUIRE(events.size() == 3);
  const auto note = [&](size_t at, const char* name) {
    return events[at]["annotations"]["pod-security.kubernetes.io/" + std::string(name)].as_string();
  };
  CHECK(note(0, "enforce-policy") == "baseline:latest");
  CHECK(note(0, "audit-violations").starts_with("would violate PodSecurity \"restricted:latest\""));
  CHECK(note(1, "enforce-policy") == "baseline:latest");
  CHECK(note(1, "audit-violations").find("hostPID=true") != std::string::npos);
  CHECK(note(2, "enforce-policy").empty());
  CHECK(note(2, "audit-violations").starts_with("would violate PodSecurity"));
}

}  // namespace
}  // namespace orch::apiserver
