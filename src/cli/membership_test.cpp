#include "cli/membership.h"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "base/files.h"

using namespace orch;
using namespace orch::cli;
using namespace std::chrono_literals;

namespace {

crypto::Identity issue(const crypto::Identity& ca) {
  crypto::CertificateSpec spec;
  spec.common_name = "system:node:a";
  spec.client_auth = true;
  spec.validity = std::chrono::hours(300);
  spec.backdate = std::chrono::hours(0);
  return crypto::issue_certificate(ca, spec, system_clock()).value();
}

const Membership& example() {
  static const Membership made = [] {
    const auto ca = crypto::make_ca("test-ca", 1, system_clock()).value();
    Membership membership;
    membership.node_name = "a";
    membership.node_ip = "10.0.0.7";
    membership.client = issue(ca);
    membership.serving = issue(ca);
    membership.ca = ca.certificate;
    membership.cluster_cidr = "10.42.0.0/16";
    membership.service_cidr = "10.43.0.0/16";
    membership.cluster_dns = "10.43.0.10";
    membership.cluster_domain = "cluster.local";
    membership.node_ports = "30000-32767";
    return membership;
  }();
  return made;
}

struct Folder {
  Folder() {
    std::string text = "/tmp/orch-membership.XXXXXX";
    REQUIRE(::mkdtemp(text.data()) != nullptr);
    path = text;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

}  // namespace

TEST_CASE("a membership is kept, for its owner's eyes only") {
  const Folder folder;
  const std::string path = folder.path + "/tls/membership.json";
  const auto none = read_membership(path);
  REQUIRE(none.ok());
  CHECK_FALSE(none->has_value());
  REQUIRE(write_membership(path, example()).ok());
  const auto kept = read_membership(path);
  REQUIRE(kept.ok());
  REQUIRE(kept->has_value());
  CHECK(**kept == example());
  using std::filesystem::perms;
  const auto others = perms::group_all | perms::others_all;
  CHECK((std::filesystem::status(path).permissions() & others) == perms::none);
  CHECK((std::filesystem::status(folder.path + "/tls").permissions() & others) == perms::none);
}

TEST_CASE("a membership that lacks something is none") {
  const Folder folder;
  const std::string path = folder.path + "/membership.json";
  Membership torn = example();
  SECTION("a field") { torn.cluster_dns.clear(); }
  SECTION("the right key") { torn.client.private_key = torn.serving.private_key; }
  REQUIRE(write_membership(path, torn).ok());
  CHECK_FALSE(read_membership(path).ok());
  REQUIRE(write_file_atomic(path, "{", 0600).ok());
  CHECK_FALSE(read_membership(path).ok());
}

TEST_CASE("a membership serves its node, its cluster, its time") {
  const Membership& m = example();
  const WallTime now = system_clock().now();
  const std::string ca = crypto::certificate_info(m.ca)->sha256;
  CHECK(judge(m, "a", "10.0.0.7", "", now) == Standing::good);
  CHECK(judge(m, "a", "10.0.0.7", ca, now) == Standing::good);
  CHECK(judge(m, "b", "10.0.0.7", ca, now) == Standing::useless);
  CHECK(judge(m, "a", "10.0.0.8", ca, now) == Standing::useless);
  CHECK(judge(m, "a", "10.0.0.7", std::string(64, '0'), now) == Standing::useless);
  CHECK(judge(m, "a", "10.0.0.7", ca, now + 199h) == Standing::good);
  CHECK(judge(m, "a", "10.0.0.7", ca, now + 201h) == Standing::ageing);
  CHECK(judge(m, "a", "10.0.0.7", ca, now + 301h) == Standing::useless);
}

TEST_CASE("a server that is away is told from one that refuses") {
  // Nobody listens: the failure is one that may pass.
  const JoinWish wish{
      "https://127.0.0.1:1", {std::string(64, 'a'), "s"}, "a", "10.0.0.7", "password", {}};
  CHECK(join_cluster(wish).status().code == 503);
}

TEST_CASE("the servers of a cluster are learned from the Service kubernetes, and kept") {
  const auto slice = api::parse_json(R"({"endpoints":[{"addresses":["10.0.0.1"]},
    {"addresses":["10.0.0.2"]},{"addresses":["no address"]}],"ports":[{"port":6443}]})");
  REQUIRE(slice.ok());
  const auto urls = servers_of(*slice);
  CHECK(urls == std::vector<std::string>{"https://10.0.0.1:6443", "https://10.0.0.2:6443"});
  CHECK(servers_of(*api::parse_json(R"({"endpoints":[{"addresses":["10.0.0.1"]}]})")).empty());

  char folder[] = "/tmp/orch-servers-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/servers";
  CHECK(read_servers(path)->empty());
  REQUIRE(write_servers(path, urls).ok());
  CHECK(*read_servers(path) == urls);
  REQUIRE(write_file_atomic(path, "http://10.0.0.9\nhttps://10.0.0.3:1\n\n", 0600).ok());
  CHECK(*read_servers(path) == std::vector<std::string>{"https://10.0.0.3:1"});
  REQUIRE(remove_tree(folder).ok());
}
