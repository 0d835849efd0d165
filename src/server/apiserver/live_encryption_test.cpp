// A file of secrets that changes under a server: taken up with all that lies there, or not at all.
#include "server/apiserver/live_encryption.h"

#include <catch2/catch_test_macros.hpp>
#include <map>

#include "server/apiserver/keys.h"
#include "store/scan.h"
#include "store/servers_fixture.h"

namespace orch::apiserver {
namespace {

using api::Value;
using store::put;

struct Live {
  store::TestFolder folder;
  const std::string path = folder.path() + "/encryption-config.json";
  std::unique_ptr<LiveEncryption> encryption =
      *LiveEncryption::open(path, system_clock(), system_random());
  std::unique_ptr<store::Store> store;

  Live() {
    store::Options options;
    options.directory = folder.path();
    options.cipher = encryption.get();
    store = *store::Store::open(options, [](std::string_view key, std::string_view bytes) {
      return tags_of_stored(api::Schema::builtin(), key, bytes);
    });
  }
  Value config() const { return *read_encryption_config(path); }
  void write(const Value& config) { REQUIRE(write_encryption_config(path, config).ok()); }
  void rotate() { write(*rotated(config(), system_clock(), system_random())); }
  // How many values lie under each secret; "": as they are.
  std::map<std::string, int> lying() const {
    std::map<std::string, int> counts;
    const auto scanned =
        store::scan_database(folder.path(), [&](std::string_view, std::string_view stored) {
          ++counts[std::string(Encryption::secret_of(stored))];
        });
    REQUIRE(scanned.ok());
    return counts;
  }
};

std::string first_secret(const Value& config) {
  return config["resources"][0]["providers"][0]["aesgcm"]["keys"][0]["name"].as_string();
}

TEST_CASE("a rotation is taken up as the server runs, with all that lies there") {
  Live live;
  for (const char* name : {"/secrets/default/a", "/secrets/x/b", "/configmaps/default/c"}) {
    store::must(live.store->commit(put(name, name)));
  }
  const std::string before = first_secret(live.config());
  CHECK(live.lying() == std::map<std::string, int>{{before, 2}, {"", 1}});
  const int64_t map_at = live.store->get("/configmaps/default/c")->revision;
  live.rotate();
  const std::string after = first_secret(live.config());
  REQUIRE(after != before);
  REQUIRE(live.encryption->take_up(*live.store).ok());
  CHECK(live.lying() == std::map<std::string, int>{{after, 2}, {"", 1}});
  // They are what they were, at a later revision; what no secret covers is left alone.
  const auto secret = live.store->get("/secrets/x/b");
  CHECK(secret->bytes == "{\"metadata\":{\"resourceVersion\":\"" +
                             std::to_string(secret->revision) + "\"},\"data\":\"/secrets/x/b\"}");
  CHECK(live.store->get("/configmaps/default/c")->revision == map_at);
  store::must(live.store->commit(put("/secrets/x/later")));
  CHECK(live.lying()[after] == 3);

  // The same file once more is no news.
  const int64_t revision = live.store->revision();
  REQUIRE(live.encryption->take_up(*live.store).ok());
  CHECK(live.store->revision() == revision);
}

TEST_CASE("a file that lacks a secret of before is not taken up while the server runs") {
  Live live;
  store::must(live.store->commit(put("/secrets/default/a")));
  const Value whole = live.config();
  const std::string name = first_secret(whole);
  live.rotate();
  Value config = live.config();
  auto& keys = config["resources"].array_items()[0]["providers"].array_items()[0]["aesgcm"]["keys"];
  keys.array_items().pop_back();
  live.write(config);
  const auto taken = live.encryption->take_up(*live.store);
  REQUIRE_FALSE(taken.ok());
  CHECK(taken.status().code == 400);
  CHECK(taken.status().message.find("\"" + name + "\"") != std::string::npos);
  store::must(live.store->commit(put("/secrets/default/b")));
  CHECK(live.lying() == std::map<std::string, int>{{name, 2}});
  // Nor one that has another secret under that name, is none, or is gone.
  config = whole;
  auto& key = config["resources"]
                  .array_items()[0]["providers"]
                  .array_items()[0]["aesgcm"]["keys"]
                  .array_items()[0];
  key.set("secret", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
  live.write(config);
  CHECK_FALSE(live.encryption->take_up(*live.store).ok());
  live.write(Value::object());
  CHECK_FALSE(live.encryption->take_up(*live.store).ok());
  REQUIRE(remove_tree(live.path).ok());
  CHECK_FALSE(live.encryption->take_up(*live.store).ok());
  CHECK_FALSE(file_exists(live.path));
  CHECK(live.store->get("/secrets/default/a") != nullptr);
}

TEST_CASE("a server that has become one of several takes no new secret up while it runs") {
  store::TestFolder folder;
  const std::string path = folder.path() + "/encryption-config.json";
  const auto encryption = *LiveEncryption::open(path, system_clock(), system_random());
  store::Wires wires;
  store::TestServer server(wires, 1);
  server.options().cipher = encryption.get();
  server.start_single();
  store::must(server->replicate(server.replication()));
  const Value config = *read_encryption_config(path);
  const auto turned = rotated(config, system_clock(), system_random());
  REQUIRE(write_encryption_config(path, *turned).ok());
  const auto taken = encryption->take_up(*server);
  CHECK(taken.status().conflict());
  const auto sealed = encryption->seal("/secrets/default/a", "x");
  CHECK(Encryption::secret_of(sealed.value()) == first_secret(config));
}

TEST_CASE("encryption can be turned off and on as the server runs") {
  Live live;
  store::must(live.store->commit(put("/secrets/default/a")));
  Value config = live.config();
  auto& providers = config["resources"].array_items()[0]["providers"].array_items();
  std::swap(providers[0], providers[1]);
  live.write(config);
  REQUIRE(live.encryption->take_up(*live.store).ok());
  CHECK(live.lying() == std::map<std::string, int>{{"", 1}});
  std::swap(providers[0], providers[1]);
  live.write(config);
  REQUIRE(live.encryption->take_up(*live.store).ok());
  CHECK(live.lying() == std::map<std::string, int>{{first_secret(config), 1}});
}

}  // namespace
}  // namespace orch::apiserver
