// What makes an orch server one of several: flags against what the cluster has, and that nobody
// else gets a server's certificate.
#include "cli/cluster.h"

#include <catch2/catch_test_macros.hpp>

#include "server/controllers/certificate_rules.h"

namespace orch::cli {
namespace {

TEST_CASE("a joining server takes the cluster's ranges, and may not wish for others") {
  const cluster::Facts facts{"10.1.0.0/16", "10.2.0.0/16", "10.2.0.10", "home", "30000-30099"};
  ServerOptions options;
  REQUIRE(adopt_facts(facts, &options));
  CHECK(options.cluster_cidr == "10.1.0.0/16");
  CHECK(options.service_cidr == "10.2.0.0/16");
  CHECK(options.cluster_dns == "10.2.0.10");
  CHECK(options.cluster_domain == "home");
  CHECK(options.service_node_port_range == "30000-30099");
  // The same, however it is written.
  options.cluster_cidr = "10.1.7.0/16";
  REQUIRE(adopt_facts(facts, &options));
  options.service_cidr = "10.3.0.0/16";
  const auto refused = adopt_facts(facts, &options);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().message.find("--service-cidr 10.3.0.0/16") != std::string::npos);
}

// The rule names these by itself, for its room may not know of the other.
TEST_CASE("no signer makes a server's certificate") {
  const auto why = [](const char* signer, const char* usage, const crypto::CsrInfo& info) {
    using api::Value;
    const Value request = Value::object(
        {{"spec", Value::object({{"signerName", signer},
                                 {"usages", Value::array({usage, "digital signature"})}})}});
    const WallTime now = system_clock().now();
    const auto planned =
        controllers::plan_certificate(request, info, now, now + std::chrono::hours(24));
    return planned ? std::string() : planned.status().message;
  };
  const char* const client = "kubernetes.io/kube-apiserver-client";
  const char* const serving = "kubernetes.io/kubelet-serving";
  crypto::CsrInfo user;
  user.common_name = "jane";
  CHECK(why(client, "client auth", user).empty());
  crypto::CsrInfo named = user, grouped = user, dns = user;
  named.common_name = std::string(cluster::kServerNamePrefix) + cluster::id_text(1);
  grouped.organizations = {std::string(cluster::kServersGroup)};
  dns.dns_names = {cluster::serving_name(1)};
  for (const auto& info : {named, grouped, dns}) {
    CHECK(why(client, "client auth", info).find("servers' own") != std::string::npos);
  }
  crypto::CsrInfo node;
  node.common_name = "system:node:a";
  node.organizations = {"system:nodes"};
  node.dns_names = {"a"};
  CHECK(why(serving, "server auth", node).empty());
  node.dns_names = {"a", cluster::serving_name(1)};
  CHECK(why(serving, "server auth", node).find("servers' own") != std::string::npos);
}

}  // namespace
}  // namespace orch::cli
