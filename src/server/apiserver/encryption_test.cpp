// Secrets at rest: nothing readable on disk, every way to lose or mix up the secrets is told, and a
// rotation leaves all readable.
#include "server/apiserver/encryption.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "base/strings.h"
#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

constexpr const char* kSecrets = "/api/v1/namespaces/default/secrets";
constexpr const char* kPlain = "correct-horse-battery-staple";

std::string secret(const std::string& name) {
  return R"({"metadata":{"name":")" + name + R"("},"stringData":{"password":")" + kPlain + R"("}})";
}

bool is_on_disk(const std::string& folder, std::string_view text) {
  for (const auto& file : std::filesystem::directory_iterator(folder + "/server/db")) {
    if (read_file(file.path()).value_or("").find(text) != std::string::npos) return true;
  }
  return false;
}

void run_sql(const std::string& folder, const char* sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((folder + "/server/db/orch.db").c_str(), &database) == SQLITE_OK);
  CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

// The database of a stopped server that has a Secret, and what a start then says.
struct Stopped {
  TestServer server;
  std::string config = encryption_config_path(server.folder());

  Stopped() {
    REQUIRE(server.post(kSecrets, secret("a")).code == 201);
    server.stop();
  }
  std::string start_error() {
    auto started = ApiServer::start(server.options());
    REQUIRE_FALSE(started.ok());
    return started.status().message;
  }
};

void rotate(const std::string& path) {
  const auto config = open_encryption_config(path, system_clock(), system_random());
  REQUIRE(config.ok());
  REQUIRE(write_encryption_config(path, *rotated(*config, system_clock(), system_random())).ok());
}

TEST_CASE("a Secret's content is never on disk, another kind's is") {
  TestServer server;
  REQUIRE(server.post(kSecrets, secret("a")).code == 201);
  REQUIRE(server.post(kConfigMaps, server.config("plain-as-day")).code == 201);
  const std::string encoded = base64_encode(kPlain);
  CHECK(is_on_disk(server.folder(), "plain-as-day"));
  CHECK(is_on_disk(server.folder(), "k8s:enc:aesgcm:v1:"));
  CHECK_FALSE(is_on_disk(server.folder(), encoded));
  CHECK_FALSE(is_on_disk(server.folder(), kPlain));
  server.restart();
  CHECK_FALSE(is_on_disk(server.folder(), encoded));
  CHECK(server.get(std::string(kSecrets) + "/a").at("data.password") == encoded);
}

TEST_CASE("the file of secrets is its owner's alone") {
  Stopped stopped;
  struct stat info {};
  REQUIRE(stat(stopped.config.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  REQUIRE(chmod(stopped.config.c_str(), 0644) == 0);
  CHECK(stopped.start_error().find("chmod 600") != std::string::npos);
}

TEST_CASE("rotation keeps every Secret readable and leaves nothing under the old secret") {
  Stopped stopped;
  TestServer& server = stopped.server;
  const auto& schema = api::Schema::builtin();
  const auto before = open_encryption_config(stopped.config, system_clock(), system_random());
  const std::string old(Encryption::create(*before, "f", schema, system_random())
                            ->sealing_secret("/secrets/default/a"));
  REQUIRE(is_on_disk(server.folder(), old));
  rotate(stopped.config);
  server.start();
  CHECK(server.get(std::string(kSecrets) + "/a").at("data.password") == base64_encode(kPlain));
  CHECK_FALSE(is_on_disk(server.folder(), old));
  REQUIRE(server.post(kSecrets, secret("b")).code == 201);
  server.restart();
  CHECK(server.get(kSecrets).json["items"].size() == 2);
}

TEST_CASE("what was written before there was encryption is sealed at the next start") {
  Stopped stopped;
  auto config = open_encryption_config(stopped.config, system_clock(), system_random());
  auto& entry = (*config)["resources"].array_items()[0];
  std::swap(entry["providers"].array_items()[0], entry["providers"].array_items()[1]);
  REQUIRE(write_encryption_config(stopped.config, *config).ok());
  stopped.server.restart();  // identity comes first: it lies there as it is.
  CHECK(is_on_disk(stopped.server.folder(), base64_encode(kPlain)));
  stopped.server.stop();
  std::swap(entry["providers"].array_items()[0], entry["providers"].array_items()[1]);
  REQUIRE(write_encryption_config(stopped.config, *config).ok());
  stopped.server.start();
  CHECK_FALSE(is_on_disk(stopped.server.folder(), base64_encode(kPlain)));
}

TEST_CASE("without its file of secrets a server says what is missing") {
  Stopped stopped;
  REQUIRE(std::filesystem::remove(stopped.config));
  const std::string error = stopped.start_error();
  CHECK(error.find("/secrets/default/a") != std::string::npos);
  CHECK(error.find(stopped.config) != std::string::npos);
}

TEST_CASE("another secret under the same name is told") {
  Stopped stopped;
  auto config = open_encryption_config(stopped.config, system_clock(), system_random());
  auto& entry = (*config)["resources"].array_items()[0];
  entry["providers"].array_items()[0]["aesgcm"]["keys"].array_items()[0].set(
      "secret", base64_encode(std::string(32, 'x')));
  REQUIRE(write_encryption_config(stopped.config, *config).ok());
  CHECK(stopped.start_error().find("doesn't open it") != std::string::npos);
}

TEST_CASE("a sealed value that was altered or moved to another key names the key") {
  const auto& schema = api::Schema::builtin();
  TestServer server;  // For a file.
  const auto config = open_encryption_config(encryption_config_path(server.folder()),
                                             system_clock(), system_random());
  const auto encryption = Encryption::create(*config, "the-file", schema, system_random());
  REQUIRE(encryption.ok());
  std::string sealed = encryption->seal("/secrets/default/a", "value").value();
  CHECK(encryption->open("/secrets/default/a", sealed)->value() == "value");
  const auto moved = encryption->open("/secrets/default/b", sealed);
  REQUIRE_FALSE(moved.ok());
  CHECK(moved.status().message.find("/secrets/default/b") != std::string::npos);
  sealed.back() = static_cast<char>(sealed.back() ^ 1);
  const auto altered = encryption->open("/secrets/default/a", sealed);
  REQUIRE_FALSE(altered.ok());
  CHECK(altered.status().message.find("/secrets/default/a") != std::string::npos);
  CHECK_FALSE(encryption->seal("/configmaps/default/a", "value"));
  CHECK_FALSE(encryption->open("/secrets/default/a", R"({"plain":1})")->has_value());
}

TEST_CASE("a row that is damaged on disk names its key") {
  Stopped stopped;
  run_sql(stopped.server.folder(),
          "UPDATE o SET bytes = CAST(substr(bytes, 1, 60) || x'00' || substr(bytes, 62) AS BLOB)"
          " WHERE key = '/secrets/default/a'");
  CHECK(stopped.start_error().find("/secrets/default/a") != std::string::npos);
}

TEST_CASE("a configuration that can't be meant is refused by name") {
  const auto error_of = [](const char* text) {
    const auto config = api::parse_json(text);
    REQUIRE(config.ok());
    const auto made = Encryption::create(*config, "f", api::Schema::builtin(), system_random());
    return made ? std::string() : made.status().message;
  };
  const auto of_entry = [&](const std::string& entry) {
    return error_of((R"({"kind":"EncryptionConfiguration","resources":[)" + entry + "]}").c_str());
  };
  CHECK(error_of("{}").find("kind must be") != std::string::npos);
  CHECK(error_of("[]").find("kind must be") != std::string::npos);
  CHECK(of_entry(R"({"resources":["secret"],"providers":[{"identity":{}}]})").find("no stored") !=
        std::string::npos);
  CHECK(of_entry(R"({"resources":["secrets"],"providers":[]})").find("at least one") !=
        std::string::npos);
  CHECK(of_entry(R"({"resources":["secrets"],"providers":[{"kms":{}}]})").find("no other") !=
        std::string::npos);
  CHECK(of_entry(R"({"resources":["secrets"],"providers":[{"aesgcm":{"keys":[
      {"name":"a","secret":"c2hvcnQ="}]}}]})")
            .find("32 bytes") != std::string::npos);
  CHECK(of_entry(R"({"resources":["secrets"],"providers":[{"aesgcm":{"keys":[
      {"name":"a:b","secret":"c2hvcnQ="}]}}]})")
            .find("\":\"") != std::string::npos);
  CHECK(of_entry(R"({"resources":["secrets"],"providers":[{"identity":{}}]})").empty());
}

}  // namespace
}  // namespace orch::apiserver
