// What is kept in memory beside the store follows every change that the store applies, whoever made
// it, also when a whole state was taken from another server.
#include "server/apiserver/indexes.h"

#include <catch2/catch_test_macros.hpp>

#include "api/resources.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"
#include "store/claims.h"
#include "store/store_fixture.h"

namespace orch::apiserver {
namespace {

// A store with the indexes above it, and no registry: every write is as one of another server.
struct Followed {
  Followed() {
    store::Options options;
    options.directory = folder.path();
    options.follow = [this](std::span<const store::Event> events) { indexes.follow(events); };
    store = store::StoreInside::open(options, [](std::string_view key, std::string_view bytes) {
      return tags_of_stored(api::Schema::builtin(), key, bytes);
    });
  }

  store::Write write_of(const api::Resource& resource, const std::string& text) {
    auto object = api::parse_json(text);
    REQUIRE(object.ok());
    const auto& metadata = std::as_const(*object)["metadata"];
    store::Write write;
    write.key =
        store_key(resource, metadata["namespace"].as_string(), metadata["name"].as_string());
    write.tags = tags_of(resource, *object);
    Encoded encoded = encode_object(resource, *std::move(object), "");
    write.bytes = std::move(encoded.bytes);
    write.revision_at = encoded.revision_at;
    return write;
  }
  store::RecordPtr put(const api::Resource& resource, const std::string& text) {
    return store::must(store->commit(write_of(resource, text))).record;
  }
  void remove(const store::RecordPtr& record) {
    store::must(store->commit(store::remove(std::string(record->key))));
  }

  bool is_free(const std::string& ip) {
    api::Value service = *api::parse_json(
        R"({"metadata":{"name":"probe"},"spec":{"type":"ClusterIP","clusterIP":")" + ip + "\"}}");
    return indexes.services.allocate(&service, {}).ok();
  }

  store::TestFolder folder;
  Indexes indexes{{*parse_cidr("10.43.0.0/24"), 30000, 30100}, system_random()};
  std::unique_ptr<store::Store> store;
};

std::string service(const std::string& name, const std::string& ip, int port) {
  return R"({"metadata":{"name":")" + name + R"(","namespace":"x","uid":")" + name +
         R"("},"spec":{"type":"NodePort","clusterIP":")" + ip +
         R"(","ports":[{"port":80,"nodePort":)" + std::to_string(port) + "}]}}";
}

std::string pod(const std::string& name, const std::string& node, const std::string& secret) {
  return R"({"metadata":{"name":")" + name + R"(","namespace":"x","uid":")" + name +
         R"("},"spec":{"nodeName":")" + node + R"(","imagePullSecrets":[{"name":")" + secret +
         R"("}],"containers":[]}})";
}

using Kind = NodeGraph::Kind;

TEST_CASE("what other servers write is followed, and what they remove", "[indexes]") {
  Followed all;
  const auto web = all.put(api::resource::services(), service("web", "10.43.0.9", 30009));
  CHECK_FALSE(all.is_free("10.43.0.9"));
  const auto bound = all.put(api::resource::pods(), pod("a", "n", "s"));
  CHECK(all.indexes.nodes.related("n", Kind::secret, "x", "s"));
  const auto& role =
      *api::Schema::builtin().find("rbac.authorization.k8s.io", "v1", "clusterroles");
  const auto reader = all.put(role, R"({"metadata":{"name":"reader"},"rules":[]})");
  rbac::Rules rules;
  CHECK(all.indexes.policy.rules_of_role({"ClusterRole", "reader"}, "", &rules));

  all.remove(web);
  all.remove(bound);
  all.remove(reader);
  CHECK(all.is_free("10.43.0.9"));
  CHECK_FALSE(all.indexes.nodes.related("n", Kind::secret, "x", "s"));
  CHECK_FALSE(all.indexes.policy.rules_of_role({"ClusterRole", "reader"}, "", &rules));
}

TEST_CASE("the indexes follow a state that was taken whole", "[indexes]") {
  Followed mine, theirs;
  mine.put(api::resource::pods(), pod("a", "n", "s"));
  mine.put(api::resource::services(), service("web", "10.43.0.9", 30009));
  std::vector<store::RecordPtr> state;
  for (int i = 0; i < 5; ++i) theirs.put(api::resource::pods(), pod("other", "", "t"));
  state.push_back(theirs.put(api::resource::pods(), pod("b", "m", "t")));
  state.push_back(theirs.put(api::resource::services(), service("db", "10.43.0.7", 30007)));
  store::replace_state(*mine.store, state, theirs.store->revision());

  CHECK_FALSE(mine.indexes.nodes.related("n", Kind::secret, "x", "s"));
  CHECK(mine.indexes.nodes.related("m", Kind::secret, "x", "t"));
  CHECK(mine.is_free("10.43.0.9"));
  CHECK_FALSE(mine.is_free("10.43.0.7"));
  const auto same_port = mine.store->commit(
      mine.write_of(api::resource::services(), service("c", "10.43.0.8", 30007)));
  CHECK(store::is_claim_held(same_port.status()));
}

TEST_CASE("a stored Service claims what it claimed when it was written", "[indexes]") {
  Followed all;
  const auto record = all.put(api::resource::services(), service("web", "10.43.0.9", 30009));
  const store::Tags read = tags_of_stored(api::Schema::builtin(), record->key, record->bytes);
  CHECK(read.claims == std::vector<std::string>{"address 10.43.0.9", "node port 30009"});
  CHECK(read == all.write_of(api::resource::services(), service("web", "10.43.0.9", 30009)).tags);
}

TEST_CASE("a reservation that lost to another server's Service gives nothing away", "[indexes]") {
  Followed all;
  api::Value wanted = *api::parse_json(
      R"({"metadata":{"name":"late"},"spec":{"type":"ClusterIP","clusterIP":"10.43.0.9"}})");
  auto reserved = all.indexes.services.allocate(&wanted, {});
  REQUIRE(reserved.ok());
  CHECK_FALSE(all.is_free("10.43.0.9"));
  all.put(api::resource::services(), service("web", "10.43.0.9", 30009));
  reserved->reset();
  CHECK_FALSE(all.is_free("10.43.0.9"));
}

}  // namespace
}  // namespace orch::apiserver
