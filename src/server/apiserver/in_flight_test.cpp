// Requests in flight: how many of which kind, and who is let in all the same.
#include "server/apiserver/in_flight.h"

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

TEST_CASE("a kind of request beyond its limit is told to come back") {
  InFlight in_flight({.read_only = 2, .mutating = 1, .system = 1});
  auto first = in_flight.enter(false, Lane::ordinary);
  auto second = in_flight.enter(false, Lane::ordinary);
  REQUIRE(first.ok());
  REQUIRE(second.ok());

  const auto third = in_flight.enter(false, Lane::ordinary);
  REQUIRE(!third.ok());
  CHECK(third.status().code == 429);
  CHECK(third.status().reason == "TooManyRequests");
  CHECK(third.status().message == "Too many requests, please try again later.");
  CHECK(third.status().details.retry_after_s == 1);
  CHECK(in_flight.read_only() == 2);  // The refused one holds nothing.

  CHECK(in_flight.enter(true, Lane::ordinary).ok());  // Writes have places of their own ...
  CHECK(in_flight.enter(false, Lane::exempt).ok());  // ... and the cluster itself is always let in.
  first = InFlight::Place();                         // A place that is left is free for the next.
  CHECK(in_flight.enter(false, Lane::ordinary).ok());
}

TEST_CASE("the system's lane is its own, and has an end as well") {
  InFlight in_flight({.read_only = 1, .mutating = 1, .system = 1});
  const auto flood = in_flight.enter(true, Lane::ordinary);
  REQUIRE(flood.ok());
  CHECK(!in_flight.enter(true, Lane::ordinary).ok());
  const auto heartbeat = in_flight.enter(true, Lane::system);
  REQUIRE(heartbeat.ok());
  CHECK(!in_flight.enter(true, Lane::system).ok());
  CHECK(in_flight.enter(true, Lane::exempt).ok());
}

TEST_CASE("a limit of 0 is none") {
  InFlight in_flight({.read_only = 0, .mutating = 0, .system = 0});
  const auto first = in_flight.enter(true, Lane::ordinary);
  CHECK(first.ok());
  CHECK(in_flight.enter(true, Lane::ordinary).ok());
}

TEST_CASE("who keeps the cluster alive has a lane, administrators and probes need none") {
  const auto lane = [](const std::string& name, const std::string& group,
                       std::string_view path = "/api/v1/pods") {
    User user;
    user.name = name;
    user.groups = {std::string(kAuthenticatedGroup), group};
    return lane_of(user, path);
  };
  CHECK(lane("jane", "dev") == Lane::ordinary);
  CHECK(lane("jane", "system:serviceaccounts") == Lane::ordinary);
  CHECK(lane("system:serviceaccount:a:b", "system:serviceaccounts:a") == Lane::ordinary);
  CHECK(lane("system:node:a", std::string(kNodesGroup)) == Lane::system);
  CHECK(lane("system:serviceaccount:kube-system:b", "system:serviceaccounts:kube-system") ==
        Lane::system);
  CHECK(lane("system:kube-scheduler", "") == Lane::system);
  CHECK(lane("root", std::string(kMastersGroup)) == Lane::exempt);
  CHECK(lane("system:anonymous", "system:unauthenticated", "/readyz") == Lane::exempt);
}

TEST_CASE("while writers are turned away a node's heartbeat passes") {
  TestServer server([](Options& options) { options.max_mutating_requests_inflight = 1; });
  REQUIRE(server
              .post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                    R"({"metadata":{"name":"dev"},"roleRef":{"apiGroup":)"
                    R"("rbac.authorization.k8s.io","kind":"ClusterRole",)"
                    R"("name":"system:aggregate-to-edit"},)"
                    R"("subjects":[{"kind":"User","name":"dev"}]})")
              .code == 201);
  const std::string leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  REQUIRE(server.post(leases, R"({"metadata":{"name":"a"},"spec":{}})").code == 201);
  std::atomic<int> refused{0}, made{0};
  std::atomic<bool> ended{false};
  const auto as = [&](const std::string& user, const std::string& group) {
    http::Request request;
    request.headers.set("Authorization", "Bearer " + server.server().admin_token());
    request.headers.set("Impersonate-User", user);
    request.headers.set("Impersonate-Group", group);
    request.headers.set("Content-Type", "application/merge-patch+json");
    return request;
  };
  const auto flood = [&](int writer) {
    const auto client = http::Client::create(server.client_options());
    for (int i = 0; !ended; ++i) {
      http::Request request = as("dev", "devs");
      request.method = "POST";
      request.target = kConfigMaps;
      request.headers.set("Content-Type", "application/json");
      request.body = TestServer::config("w" + std::to_string(writer) + "-" + std::to_string(i));
      const auto answer = (*client)->send(request);
      if (!answer) continue;
      if (answer->status == 429 && answer->headers.get("Retry-After") == "1") ++refused;
      if (answer->status == 201) ++made;
    }
  };
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i) writers.emplace_back(flood, i);
  const auto client = http::Client::create(server.client_options());
  int beats = 0, kept = 0;
  while (beats < 100 || refused < 100) {
    http::Request beat = as("system:node:a", std::string(kNodesGroup));
    beat.method = "PATCH";
    beat.target = leases + "/a";
    beat.body = R"({"spec":{"leaseDurationSeconds":)" + std::to_string(40 + beats % 2) + "}}";
    const auto answer = (*client)->send(beat);
    ++beats;
    kept += answer.ok() && answer->status == 200;
  }
  ended = true;
  for (std::thread& writer : writers) writer.join();
  CHECK(kept == beats);
  CHECK(made > 0);
}

TEST_CASE("the keys of service accounts' tokens are published") {
  TestServer server;
  const auto about = server.get("/.well-known/openid-configuration");
  REQUIRE(about.code == 200);
  CHECK(about.at("issuer") == "https://kubernetes.default.svc.cluster.local");
  CHECK(about.at("jwks_uri").ends_with("/openid/v1/jwks"));
  const auto keys = server.get("/openid/v1/jwks");
  REQUIRE(keys.code == 200);
  CHECK(keys.headers.get("Content-Type") == "application/jwk-set+json");
  CHECK(keys.json["keys"][0]["kty"].as_string() == "EC");
  CHECK(keys.json["keys"][0]["use"].as_string() == "sig");
}

}  // namespace
}  // namespace orch::apiserver
