// Requests in flight, the counters, and what of both can be seen at /metrics.
#include "server/apiserver/in_flight.h"

#include <optional>

#include "server/apiserver/metrics.h"
#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

TEST_CASE("a kind of request beyond its limit is told to come back") {
  InFlight in_flight(2, 1);
  auto first = in_flight.enter(false, false);
  auto second = in_flight.enter(false, false);
  REQUIRE(first.ok());
  REQUIRE(second.ok());

  const auto third = in_flight.enter(false, false);
  REQUIRE(!third.ok());
  CHECK(third.status().code == 429);
  CHECK(third.status().reason == "TooManyRequests");
  CHECK(third.status().message == "Too many requests, please try again later.");
  CHECK(third.status().details.retry_after_s == 1);
  CHECK(in_flight.read_only() == 2);  // The refused one holds nothing.

  CHECK(in_flight.enter(true, false).ok());  // Writes have places of their own ...
  CHECK(in_flight.enter(false, true).ok());  // ... and the cluster itself is always let in.
  first = in_flight.enter_long_running();    // A place that is left is free for the next.
  CHECK(in_flight.enter(false, false).ok());
  CHECK(in_flight.long_running() == 1);
}

TEST_CASE("masters and nodes are exempt, nobody else") {
  User user;
  user.groups = {std::string(kAuthenticatedGroup), "system:serviceaccounts"};
  CHECK(!is_exempt(user));
  user.groups = {std::string(kNodesGroup)};
  CHECK(is_exempt(user));
  user.groups = {std::string(kMastersGroup)};
  CHECK(is_exempt(user));
}

TEST_CASE("requests are counted by labels, code and duration") {
  RequestMetrics metrics;
  const RequestLabels get{"GET", "", "v1", "pods", ""};
  metrics.count(get, 200, std::chrono::microseconds(700), false);
  metrics.count(get, 404, std::chrono::seconds(20), false);
  metrics.count({"WATCH", "apps", "v1", "deployments", ""}, 200, {}, true);
  std::string text;
  metrics.render(&text);
  const std::string labels = R"(verb="GET",group="",version="v1",resource="pods",subresource="")";
  const auto has = [&](const std::string& line) { return text.find(line + "\n") != text.npos; };
  CHECK(has("apiserver_request_total{" + labels + ",code=\"200\"} 1"));
  CHECK(has("apiserver_request_total{" + labels + ",code=\"404\"} 1"));
  CHECK(has("apiserver_request_duration_seconds_bucket{" + labels + ",le=\"0.0005\"} 0"));
  CHECK(has("apiserver_request_duration_seconds_bucket{" + labels + ",le=\"0.001\"} 1"));
  CHECK(has("apiserver_request_duration_seconds_bucket{" + labels + ",le=\"+Inf\"} 2"));
  CHECK(has("apiserver_request_duration_seconds_count{" + labels + "} 2"));
  CHECK(text.find("WATCH") != text.npos);
}

TEST_CASE("the server tells its metrics to who may read them") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  const auto page = server.get("/metrics");
  REQUIRE(page.code == 200);
  CHECK(page.headers.get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  const auto has = [&](const char* text) { return page.text.find(text) != page.text.npos; };
  CHECK(has(R"(apiserver_request_total{verb="POST",group="",version="v1",resource="configmaps",)"
            R"(subresource="",code="201"} 1)"));
  CHECK(has("apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1\n"));
  CHECK(has("apiserver_current_inflight_requests{request_kind=\"mutating\"} 0\n"));
  CHECK(has("apiserver_longrunning_requests 0\n"));
  CHECK(has("apiserver_storage_objects{resource=\"namespaces\"}"));
  CHECK(has("process_cpu_seconds_total "));
  CHECK(has("process_resident_memory_bytes "));
  CHECK(has("process_start_time_seconds "));
  CHECK(server.call_as("", "GET", "/metrics").code == 401);
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
