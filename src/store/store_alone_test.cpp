// What is left when the other servers are lost for good.
#include <catch2/catch_test_macros.hpp>

#include "store/servers_fixture.h"

namespace orch::store {
namespace {

TEST_CASE("a server whose peers are lost goes on alone, with all that it helped to acknowledge") {
  ThreeServers servers;
  for (TestServer* server : servers.all()) {
    const std::string key = "/a/" + std::to_string(server->id());
    REQUIRE((*server)->commit(put(key, key, 0)).ok());
  }
  TestServer& left = servers.second;
  must(left.sync());
  const std::string before = dump(*left);
  for (TestServer* server : servers.all()) server->stop();

  left.start_alone();
  must(left.sync());
  CHECK(left->members() == std::vector<Member>{{left.id(), left.address(), true}});
  CHECK(dump(*left) == before);
  REQUIRE(left->commit(put("/a/more", "more", 0)).ok());
}

}  // namespace
}  // namespace orch::store
