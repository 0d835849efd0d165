// Who is listed behind default/kubernetes: everybody who serves, nobody who is gone, and no writes
// in between.
#include "server/apiserver/server_list.h"

#include <catch2/catch_test_macros.hpp>

#include "api/resources.h"
#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

using api::Value;

SeenServer at(const char* address, bool ready = true, uint16_t port = 6443) {
  return {*parse_ipv4(address), port, ready};
}

std::string text(const std::vector<SeenServer>& servers) {
  std::string all;
  for (const SeenServer& server : servers) all += server.address.text() + " ";
  return all;
}

TEST_CASE("a server is listed when it is ready, and until it was missed twice", "[servers]") {
  std::map<Ipv4, int> missed;
  const std::vector<Ipv4> both{*parse_ipv4("10.0.0.1"), *parse_ipv4("10.0.0.2")};
  const auto list = [&](std::vector<SeenServer> seen, const std::vector<Ipv4>& listed) {
    return text(plan_list(std::move(seen), listed, &missed));
  };
  CHECK(list({at("10.0.0.2"), at("10.0.0.1")}, {}) == "10.0.0.1 10.0.0.2 ");
  // Who joins is listed when it serves, not before.
  CHECK(list({at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3", false)}, both) ==
        "10.0.0.1 10.0.0.2 ");
  CHECK(list({at("10.0.0.1"), at("10.0.0.2", false)}, both) == "10.0.0.1 10.0.0.2 ");
  CHECK(list({at("10.0.0.1"), at("10.0.0.2")}, both) == "10.0.0.1 10.0.0.2 ");  // It is back.
  CHECK(list({at("10.0.0.1"), at("10.0.0.2", false)}, both) == "10.0.0.1 10.0.0.2 ");
  CHECK(list({at("10.0.0.1"), at("10.0.0.2", false)}, both) == "10.0.0.1 ");
  CHECK(list({at("10.0.0.1"), at("10.0.0.2", false)}, {both[0]}) == "10.0.0.1 ");
  CHECK(list({at("10.0.0.1")}, both) == "10.0.0.1 ");  // Removed from the cluster.
  CHECK(list({at("127.0.0.1"), at("0.0.0.0")}, both).empty());
}

TEST_CASE("the list is written when it changes, and only then", "[servers]") {
  TestServer server;
  const auto api = server.server().api("tester");
  const client::ObjectKey key{"default", "kubernetes"};
  const auto revision = [&](const api::Resource& resource) {
    return api->get(resource, key)->at("metadata.resourceVersion").as_string();
  };
  const auto& endpoints = api::resource::endpoints();
  const auto& slices = api::resource::endpoint_slices();
  REQUIRE(listed_servers(*api)->size() == 1);  // A single server lists itself.

  const std::vector<SeenServer> three{at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")};
  REQUIRE(publish_servers(*api, three).ok());
  const auto listed = listed_servers(*api);
  REQUIRE(listed->size() == 3);
  CHECK(listed->at(2).text() == "10.0.0.3");
  const auto slice = api->get(slices, key);
  CHECK(slice->at("endpoints").size() == 3);
  CHECK(slice->at("ports")[0]["port"].as_int() == 6443);
  CHECK(slice->at("metadata.labels")["kubernetes.io/service-name"] == "kubernetes");

  const std::string before = revision(endpoints) + "/" + revision(slices);
  REQUIRE(publish_servers(*api, three).ok());
  CHECK(revision(endpoints) + "/" + revision(slices) == before);
  REQUIRE(publish_servers(*api, {at("10.0.0.2")}).ok());
  CHECK(listed_servers(*api)->size() == 1);
  CHECK(api->get(slices, key)->at("endpoints").size() == 1);
}

TEST_CASE("a list that somebody has removed is there again after the next look", "[servers]") {
  TestServer server;
  const auto api = server.server().api("tester");
  const client::ObjectKey key{"default", "kubernetes"};
  std::map<Ipv4, int> missed;
  const auto look = [&] {
    REQUIRE(keep_list(*api, at("10.0.0.1"), {at("10.0.0.1", false), at("10.0.0.2")}, &missed).ok());
  };
  look();
  const auto& endpoints = api::resource::endpoints();
  const auto& slices = api::resource::endpoint_slices();
  for (const api::Resource* resource : {&endpoints, &slices}) {
    REQUIRE(api->remove(*resource, key, {}).ok());
    look();
    CHECK(api->get(*resource, key).ok());
  }
  Value emptied = *api->get(slices, key);
  emptied.set("endpoints", Value::array());
  REQUIRE(api->update(slices, emptied).ok());
  look();
  CHECK(api->get(slices, key)->at("endpoints").size() == 2);
}

}  // namespace
}  // namespace orch::apiserver
