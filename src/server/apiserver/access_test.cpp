// Who may do what: credentials, nodes' rights, tokens and their ends, joining.
#include <catch2/catch_test_macros.hpp>

#include "crypto/pki.h"
#include "server/apiserver/authorize.h"
#include "server/apiserver/join.h"
#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

constexpr const char* kAccounts = "/api/v1/namespaces/default/serviceaccounts";

// A pod "x/<name>" of the account robot on `node`.
void bind(NodeGraph* graph, const std::string& name, const std::string& node,
          const std::string& spec) {
  const auto pod = api::parse_json(R"({"metadata":{"namespace":"x","name":")" + name +
                                   R"("},"spec":{"serviceAccountName":"robot","nodeName":")" +
                                   node + "\"," + spec + "}}");
  REQUIRE(pod.ok());
  graph->take_pod(*pod);
}

TEST_CASE("a node may do what its agent needs, on what is its own") {
  const rbac::Policy nobody_has_a_role;
  NodeGraph graph;
  bind(&graph, "mine", "a", R"("volumes":[{"name":"v","secret":{"secretName":"s"}}])");
  bind(&graph, "other", "b", R"("volumes":[{"name":"v","secret":{"secretName":"b-s"}}])");
  const Authorizer authorizer(nobody_has_a_role, graph);
  User node;
  node.name = "system:node:a";
  node.groups = {"system:nodes", "system:authenticated"};
  struct Row {
    const char *verb, *group, *resource, *subresource, *ns, *name;
    bool allowed;
  };
  const Row rows[] = {
      {"list", "", "pods", "", "", "", false},
      {"get", "", "pods", "", "x", "mine", true},
      {"get", "", "pods", "", "x", "other", false},
      {"get", "", "secrets", "", "x", "b-s", false},
      {"watch", "", "secrets", "", "x", "s", true},
      {"list", "", "secrets", "", "x", "", false},
      {"list", "", "configmaps", "", "", "", false},
      {"get", "", "configmaps", "", "x", "s", false},
      {"watch", "discovery.k8s.io", "endpointslices", "", "", "", true},
      {"get", "", "secrets", "", "x", "s", true},
      {"update", "", "pods", "", "x", "mine", false},
      {"update", "", "pods", "status", "x", "mine", true},
      {"delete", "", "pods", "", "x", "mine", true},
      {"create", "", "pods", "eviction", "x", "mine", true},
      {"create", "", "pods", "binding", "x", "mine", false},
      {"create", "", "pods", "exec", "x", "mine", false},
      {"create", "", "nodes", "", "", "", true},
      {"patch", "", "nodes", "status", "", "a", true},
      {"delete", "", "nodes", "", "", "a", false},
      {"update", "coordination.k8s.io", "leases", "", "kube-node-lease", "a", true},
      {"update", "coordination.k8s.io", "leases", "", "kube-node-lease", "b", false},
      {"update", "coordination.k8s.io", "leases", "", "kube-system", "a", false},
      {"create", "", "events", "", "x", "", true},
      {"create", "", "serviceaccounts", "token", "x", "robot", true},
      {"create", "", "serviceaccounts", "token", "x", "other", false},
      {"update", "", "secrets", "", "x", "s", false},
      {"list", "apps", "deployments", "", "", "", false},
      {"get", "", "serviceaccounts", "", "x", "s", false},
      {"create", "authentication.k8s.io", "tokenreviews", "", "", "", true},
      {"list", "", "services", "", "", "", true},
      {"get", "storage.k8s.io", "csinodes", "", "", "b", false},
  };
  for (const Row& row : rows) {
    INFO(row.verb << " " << row.resource << "/" << row.subresource << " " << row.name);
    Action action;
    action.verb = row.verb;
    action.group = row.group;
    action.resource = row.resource;
    action.subresource = row.subresource;
    action.ns = row.ns;
    action.name = row.name;
    CHECK(authorizer.allowed(node, action) == row.allowed);
    User impostor = node;
    impostor.groups = {"system:authenticated"};
    CHECK_FALSE(authorizer.allowed(impostor, action));
  }
}

TEST_CASE("without good credentials there is only health and version") {
  TestServer server;
  CHECK(server.call_as("", "GET", "/readyz").code == 200);
  CHECK(server.call_as("", "GET", "/version").code == 200);
  const auto refused = server.call_as("", "GET", "/api/v1/pods");
  CHECK(refused.code == 403);
  CHECK(refused.message() ==
        "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group "
        "\"\" at the cluster scope");
  CHECK(server.call_as("", "GET", "/nowhere").message() ==
        "forbidden: User \"system:anonymous\" cannot get path \"/nowhere\"");
  // What there is not reads as what there is.
  CHECK(server.call_as("", "GET", "/api/v1/namespaces/x/foos").message() ==
        "foos is forbidden: User \"system:anonymous\" cannot list resource \"foos\" in API group "
        "\"\" in the namespace \"x\"");
  CHECK(server.call_as("wrong", "GET", "/version").code == 401);
  const std::string admin = server.server().admin_token();
  CHECK(server.call_as(admin, "GET", "/api/v1/pods").code == 200);
  server.restart();
  CHECK(server.call_as(admin, "GET", "/api/v1/pods").code == 200);
  CHECK(server.call_as(TestServer::kJoinToken, "GET", "/api/v1/pods").code == 401);
}

TEST_CASE("without anonymous access who shows nothing is asked who he is") {
  TestServer server([](Options& options) { options.anonymous_auth = false; });
  for (const char* path : {"/readyz", "/version", "/api/v1/pods", "/nowhere"}) {
    INFO(path);
    const auto refused = server.call_as("", "GET", path);
    CHECK(refused.code == 401);
    CHECK(refused.at("reason") == "Unauthorized");
  }
  CHECK(server.call_as(server.server().admin_token(), "GET", "/readyz").code == 200);
}

TEST_CASE("a service account's token is good as long as the account is") {
  TestServer server;
  server.add_account();
  const auto issued = server.post(std::string(kAccounts) + "/default/token", "{}");
  REQUIRE(issued.code == 201);
  const std::string token = issued.at("status.token");
  const auto pods = server.call_as(token, "GET", kPods);
  CHECK(pods.code == 403);
  CHECK(pods.message() ==
        "pods is forbidden: User \"system:serviceaccount:default:default\" cannot list resource "
        "\"pods\" in API group \"\" in the namespace \"default\"");
  CHECK(server.call_as(token, "GET", "/apis").code == 200);
  CHECK(server.call_as(token, "GET", "/apis/e.org/v1/foos").message() ==
        "foos.e.org is forbidden: User \"system:serviceaccount:default:default\" cannot list "
        "resource \"foos\" in API group \"e.org\" at the cluster scope");
  CHECK(server.call_as(token, "GET", "/apis/e.org").code == 404);

  const auto self =
      server.call_as(token, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}");
  CHECK(self.at("status.userInfo.username") == "system:serviceaccount:default:default");

  const auto review = [&](const std::string& spec) {
    return server.post("/apis/authentication.k8s.io/v1/tokenreviews", R"({"spec":)" + spec + "}");
  };
  const auto good = review(R"({"token":")" + token + "\"}");
  CHECK(good.json.at("status.authenticated").as_bool());
  CHECK(good.json.at("status.audiences").items().front().as_string() == kTokenIssuer);
  const auto other = review(R"({"token":")" + token + R"(","audiences":["other"]})");
  CHECK(api::to_json(other.json["status"]) == R"({"user":{},"error":"invalid bearer token"})");
  CHECK(review("{}").code == 400);
  std::string forged = token;
  forged[forged.size() / 2] = forged[forged.size() / 2] == 'A' ? 'B' : 'A';
  CHECK(server.call_as(forged, "GET", "/apis").code == 401);

  REQUIRE(server.call("DELETE", std::string(kAccounts) + "/default").code == 200);
  CHECK(server.call_as(token, "GET", "/apis").code == 401);
  server.add_account();  // The same name is another account.
  CHECK(server.call_as(token, "GET", "/apis").code == 401);
}

namespace {

// The system's, but for what the test adds to the time of day.
class ShiftedClock : public Clock {
 public:
  WallTime now() const override { return system_clock().now() + std::chrono::seconds(shift); }
  MonoTime monotonic() const override { return system_clock().monotonic(); }
  std::atomic<int> shift{0};
};

}  // namespace

TEST_CASE("a token that is bound to a pod is no good a minute after the pod should have ended") {
  ShiftedClock clock;
  TestServer server([&](Options& options) { options.clock = &clock; });
  server.add_account();
  REQUIRE(server.post(kPods, TestServer::pod("p", "", R"(,"nodeName":"n")")).code == 201);
  const auto issued = server.post(
      std::string(kAccounts) + "/default/token",
      R"({"spec":{"expirationSeconds":3607,"boundObjectRef":{"kind":"Pod","name":"p"}}})");
  REQUIRE(issued.code == 201);
  const auto code = [&] { return server.call_as(issued.at("status.token"), "GET", "/apis").code; };
  // Its node says nothing, so the pod stays.
  REQUIRE(server.call("DELETE", std::string(kPods) + "/p?gracePeriodSeconds=100").code == 200);
  CHECK(code() == 200);
  clock.shift = 155;
  CHECK(code() == 200);
  clock.shift = 165;
  CHECK(code() == 401);
  REQUIRE(server.get(std::string(kPods) + "/p").code == 200);
}

TEST_CASE("a token that is bound to a pod ends with it") {
  TestServer server;
  server.add_account();
  REQUIRE(server.post(kPods, TestServer::pod("p")).code == 201);
  const std::string spec =
      R"({"spec":{"expirationSeconds":3607,"boundObjectRef":{"kind":"Pod","name":"p"}}})";
  const auto issued = server.post(std::string(kAccounts) + "/default/token", spec);
  REQUIRE(issued.code == 201);
  const std::string token = issued.at("status.token");
  CHECK(server.call_as(token, "GET", "/apis").code == 200);
  REQUIRE(server.call("DELETE", std::string(kPods) + "/p").code == 200);
  CHECK(server.call_as(token, "GET", "/apis").code == 401);

  const auto brief = server.post(std::string(kAccounts) + "/default/token",
                                 R"({"spec":{"expirationSeconds":60}})");
  CHECK(brief.code == 422);
}

TEST_CASE("an administrator may ask on another's behalf, nobody else") {
  TestServer server;
  const auto answer = server.post(
      "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      R"({"spec":{"user":"jane","resourceAttributes":{"verb":"get","resource":"pods"}}})");
  REQUIRE(answer.code == 201);
  CHECK_FALSE(answer.json.at("status.allowed").as_bool(true));
  const auto self =
      server.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                  R"({"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}})");
  CHECK(self.json.at("status.allowed").as_bool());
}

TEST_CASE("a server with its state elsewhere says how to have several, to those who may know") {
  TestServer server;
  CHECK(server.get("/orch/v1/members").message().find("--datastore-endpoint") != std::string::npos);
  CHECK(server.call_as("", "GET", "/orch/v1/members").code == 403);
  // No role gives it away.
  CHECK(server
            .post("/apis/rbac.authorization.k8s.io/v1/clusterroles", R"({"metadata":{"name":"r"},
      "rules":[{"nonResourceURLs":["*"],"verbs":["*"]}]})")
            .code == 201);
  CHECK(server
            .post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", R"({"metadata":
      {"name":"r"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole",
      "name":"r"},"subjects":[{"kind":"Group","name":"system:authenticated",
      "apiGroup":"rbac.authorization.k8s.io"}]})")
            .code == 201);
  server.add_account("default", "a");
  const auto token = server.post("/api/v1/namespaces/default/serviceaccounts/a/token", "{}");
  CHECK(server.call_as(token.at("status.token"), "GET", "/orch/v1/members").code == 403);
  CHECK(server.call_as("", "POST", "/orch/v1/servers", "{}").code == 409);
}

TEST_CASE("a node joins with the token and acts as itself") {
  TestServer server;
  const auto key = crypto::generate_key();
  const auto csr = crypto::make_csr({}, key->private_key);
  REQUIRE(csr.ok());
  const api::Value wish = api::Value::object({{"nodeName", "a"},
                                              {"nodePassword", "0123456789abcdef"},
                                              {"clientCsr", *csr},
                                              {"servingCsr", *csr},
                                              {"addresses", api::Value::array({"10.99.0.7"})}});
  const std::string body = api::to_json(wish);
  CHECK(server.call_as("wrong", "POST", "/orch/v1/join", body).code == 401);
  CHECK(server.call_as("", "POST", "/orch/v1/join", body).code == 401);
  CHECK(server.call_as(TestServer::kJoinToken, "POST", "/orch/v1/join", R"({"nodeName":"A_b"})")
            .code == 422);
  const auto joined = server.call_as(TestServer::kJoinToken, "POST", "/orch/v1/join", body);
  REQUIRE(joined.code == 200);
  CHECK(joined.at("serviceCidr") == "10.43.0.0/16");
  const auto serving = crypto::certificate_info(joined.at("servingCertificate"));
  CHECK(serving->ip_addresses == std::vector<std::string>{"10.99.0.7"});

  http::ClientOptions options = server.client_options();
  options.certificate = joined.at("clientCertificate");
  options.private_key = key->private_key;
  auto node = http::Client::create(std::move(options));
  REQUIRE(node.ok());
  const auto create_node = [&](const std::string& name) {
    http::Request request;
    request.method = "POST";
    request.target = "/api/v1/nodes";
    request.body = R"({"metadata":{"name":")" + name + "\"}}";
    return server.send(**node, std::move(request)).code;
  };
  CHECK(create_node("a") == 201);
  CHECK(create_node("b") == 403);
}

TEST_CASE("a name belongs to the node that came with it first") {
  TestServer server;
  const auto key = crypto::generate_key();
  const auto csr = crypto::make_csr({}, key->private_key);
  const auto join = [&](const std::string& name, const std::string& password) {
    const api::Value wish = api::Value::object({{"nodeName", name},
                                                {"nodePassword", password},
                                                {"clientCsr", *csr},
                                                {"servingCsr", *csr},
                                                {"addresses", api::Value::array({"10.99.0.7"})}});
    return server.call_as(TestServer::kJoinToken, "POST", "/orch/v1/join", api::to_json(wish)).code;
  };
  CHECK(join("a", "short") == 422);
  CHECK(join("a", "0123456789abcdef") == 200);
  CHECK(join("a", "0123456789abcdef") == 200);
  CHECK(join("a", "0123456789abcdeX") == 403);
  server.restart();
  CHECK(join("a", "0123456789abcdeX") == 403);
  const auto secret = server.get("/api/v1/namespaces/kube-system/secrets/a.node-password.orch");
  CHECK(secret.code == 200);
  CHECK(secret.text.find("0123456789abcdef") == std::string::npos);
  // A Node that nobody has proved to be is not to be had either.
  CHECK(server.post("/api/v1/nodes", R"({"metadata":{"name":"b"}})").code == 201);
  CHECK(join("b", "0123456789abcdef") == 403);
  CHECK(server.call("DELETE", "/api/v1/nodes/b").code == 200);
  CHECK(join("b", "0123456789abcdef") == 200);
}

TEST_CASE("with the nodes' token nobody gets a certificate for what is another's") {
  const std::vector<Taken> taken = {{"a server", "lb.Example.org"}, {"node b", "10.99.0.8"}};
  const auto refused = [&](const std::string& name, const std::string& address) {
    const auto checked = check_serving(name, {"10.99.0.7", address}, {}, taken);
    return checked ? std::string() : checked.status().message;
  };
  CHECK(refused("a", "10.99.0.9").empty());
  CHECK(refused("a", "10.99.0.8").find("belongs to node b") != std::string::npos);
  CHECK(refused("lb.example.org", "10.99.0.9").find("a server") != std::string::npos);
  CHECK(refused("a", "10.43.0.1").find("10.43.0.0/16") != std::string::npos);
  CHECK(refused("a", "10.42.1.1").find("10.42.0.0/16") != std::string::npos);

  TestServer server;
  const auto key = crypto::generate_key();
  const auto csr = crypto::make_csr({}, key->private_key);
  const auto join = [&](const std::string& name, const std::string& address) {
    const api::Value wish = api::Value::object({{"nodeName", name},
                                                {"nodePassword", "0123456789abcdef"},
                                                {"clientCsr", *csr},
                                                {"servingCsr", *csr},
                                                {"addresses", api::Value::array({address})}});
    return server.call_as(TestServer::kJoinToken, "POST", "/orch/v1/join", api::to_json(wish)).code;
  };
  for (const char* name : {"localhost", "kubernetes", "kubernetes.default",
                           "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}) {
    INFO(name);
    CHECK(join(name, "10.99.0.7") == 403);
  }
  CHECK(join("a", "127.0.0.1") == 422);
  CHECK(join("a", "10.99.0.1") == 403);
  CHECK(join("a", "10.43.0.1") == 403);
  CHECK(join("a", "10.99.0.7") == 200);
  CHECK(server.post("/api/v1/nodes", R"({"metadata":{"name":"b"}})").code == 201);
  CHECK(server
            .call("PATCH", "/api/v1/nodes/b/status",
                  R"({"status":{"addresses":[{"type":"InternalIP","address":"10.99.0.8"}]}})",
                  "application/merge-patch+json")
            .code == 200);
  CHECK(join("a", "10.99.0.8") == 403);
  CHECK(join("c", "10.99.0.8") == 403);
  CHECK(server.call("DELETE", "/api/v1/nodes/b").code == 200);
  CHECK(join("c", "10.99.0.8") == 200);
}

}  // namespace
}  // namespace orch::apiserver
