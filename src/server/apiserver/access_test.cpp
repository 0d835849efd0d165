// Who may do what: credentials, nodes' rights, tokens and their ends, joining.
#include <catch2/catch_test_macros.hpp>

#include "crypto/pki.h"
#include "server/apiserver/authorize.h"
#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

constexpr const char* kAccounts = "/api/v1/namespaces/default/serviceaccounts";

TEST_CASE("a node may do what its agent needs, on what is its own") {
  const rbac::Policy nobody_has_a_role;
  const Authorizer authorizer(nobody_has_a_role, [](std::string_view, std::string_view pod) {
    return std::string(pod == "mine" ? "a" : "b");
  });
  User node;
  node.name = "system:node:a";
  node.groups = {"system:nodes", "system:authenticated"};
  struct Row {
    const char *verb, *group, *resource, *subresource, *ns, *name;
    bool allowed;
  };
  const Row rows[] = {
      {"list", "", "pods", "", "", "", true},
      {"watch", "discovery.k8s.io", "endpointslices", "", "", "", true},
      {"get", "", "secrets", "", "x", "s", true},
      {"create", "", "pods", "", "x", "", false},
      {"update", "", "pods", "status", "x", "mine", true},
      {"update", "", "pods", "status", "x", "other", false},
      {"delete", "", "pods", "", "x", "mine", true},
      {"delete", "", "pods", "", "x", "other", false},
      {"create", "", "pods", "exec", "x", "mine", false},
      {"create", "", "nodes", "", "", "", true},
      {"patch", "", "nodes", "status", "", "a", true},
      {"patch", "", "nodes", "status", "", "b", false},
      {"delete", "", "nodes", "", "", "a", false},
      {"update", "coordination.k8s.io", "leases", "", "kube-node-lease", "a", true},
      {"update", "coordination.k8s.io", "leases", "", "kube-node-lease", "b", false},
      {"update", "coordination.k8s.io", "leases", "", "kube-system", "a", false},
      {"create", "", "events", "", "x", "", true},
      {"create", "", "serviceaccounts", "token", "x", "s", true},
      {"update", "", "secrets", "", "x", "s", false},
      {"list", "apps", "deployments", "", "", "", false},
      {"get", "", "serviceaccounts", "", "x", "s", false},
      {"create", "authentication.k8s.io", "tokenreviews", "", "", "", false},
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
  CHECK(refused.code == 401);
  CHECK(refused.at("reason") == "Unauthorized");
  CHECK(server.call_as("", "GET", "/nowhere").code == 401);
  CHECK(server.call_as("wrong", "GET", "/version").code == 401);
  const std::string admin = server.server().admin_token();
  CHECK(server.call_as(admin, "GET", "/api/v1/pods").code == 200);
  server.restart();
  CHECK(server.call_as(admin, "GET", "/api/v1/pods").code == 200);
  CHECK(server.call_as(TestServer::kJoinToken, "GET", "/api/v1/pods").code == 401);
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

  const auto self =
      server.call_as(token, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}");
  CHECK(self.at("status.userInfo.username") == "system:serviceaccount:default:default");

  const auto review = [&](const std::string& spec) {
    return server.post("/apis/authentication.k8s.io/v1/tokenreviews", R"({"spec":)" + spec + "}");
  };
  CHECK(review(R"({"token":")" + token + "\"}").json.at("status.authenticated").as_bool());
  CHECK_FALSE(review(R"({"token":")" + token + R"(","audiences":["other"]})")
                  .json.at("status.authenticated")
                  .as_bool(true));
  std::string forged = token;
  forged[forged.size() / 2] = forged[forged.size() / 2] == 'A' ? 'B' : 'A';
  CHECK(server.call_as(forged, "GET", "/apis").code == 401);

  REQUIRE(server.call("DELETE", std::string(kAccounts) + "/default").code == 200);
  CHECK(server.call_as(token, "GET", "/apis").code == 401);
  server.add_account();  // The same name is another account.
  CHECK(server.call_as(token, "GET", "/apis").code == 401);
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

TEST_CASE("a node joins with the token and acts as itself") {
  TestServer server;
  const auto key = crypto::generate_key();
  const auto csr = crypto::make_csr({}, key->private_key);
  REQUIRE(csr.ok());
  const api::Value wish = api::Value::object({{"nodeName", "a"},
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

}  // namespace
}  // namespace orch::apiserver
