// What the built-in signers sign, and when a request goes.
#include "server/controllers/certificate_rules.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::controllers {
namespace {

using api::Value;
using std::chrono::hours;

const WallTime kNow{hours(24 * 365 * 50)};
const WallTime kCaEnds = kNow + hours(24 * 365 * 5);

Value request(std::string_view signer, std::initializer_list<Value> usages) {
  return Value::object(
      {{"spec", Value::object({{"signerName", signer}, {"usages", Value::array(usages)}})}});
}

crypto::CsrInfo node_info() {
  crypto::CsrInfo info;
  info.common_name = "system:node:a";
  info.organizations = {"system:nodes"};
  return info;
}

std::string why(const Value& request, const crypto::CsrInfo& info) {
  const auto planned = plan_certificate(request, info, kNow, kCaEnds);
  return planned ? "" : planned.status().message;
}

TEST_CASE("a client's certificate is for clients", "[certificates]") {
  crypto::CsrInfo info;
  info.common_name = "jane";
  info.organizations = {"devs"};
  const auto planned = plan_certificate(request(kClientSigner, {"client auth", "key encipherment"}),
                                        info, kNow, kCaEnds);
  REQUIRE(planned.ok());
  CHECK(planned->common_name == "jane");
  CHECK(planned->organizations == std::vector<std::string>{"devs"});
  CHECK((planned->client_auth && !planned->server_auth && planned->key_encipherment));
  CHECK(planned->validity == hours(24 * 365));
  CHECK(why(request(kClientSigner, {"digital signature"}), info) ==
        "usages did not match: needs \"client auth\"");
  CHECK(why(request(kClientSigner, {"client auth", "server auth"}), info) ==
        "usages did not match: \"server auth\" is not allowed");
}

TEST_CASE("a certificate lasts as long as was asked, and no longer than its CA", "[certificates]") {
  crypto::CsrInfo info;
  info.common_name = "jane";
  Value asked = request(kClientSigner, {"client auth"});
  asked["spec"].set("expirationSeconds", 600);
  CHECK(plan_certificate(asked, info, kNow, kCaEnds)->validity == std::chrono::seconds(600));
  CHECK(plan_certificate(asked, info, kNow, kNow + std::chrono::seconds(60))->validity ==
        std::chrono::seconds(60));
}

TEST_CASE("a node's certificates are in its name, and for what they are for", "[certificates]") {
  const Value client = request(kKubeletClientSigner, {"client auth", "digital signature"});
  const Value serving = request(kKubeletServingSigner, {"server auth", "digital signature"});
  crypto::CsrInfo info = node_info();
  CHECK(why(client, info).empty());
  CHECK(is_kubelet_client_request(client, info));
  CHECK_FALSE(is_kubelet_client_request(serving, info));
  CHECK(why(serving, info) == "DNS or IP subjectAltName is required");
  info.dns_names = {"a"};
  CHECK(why(serving, info).empty());
  CHECK(why(client, info) == "DNS subjectAltNames are not allowed");
  info = node_info();
  info.ip_addresses = {"10.0.0.1"};
  CHECK(why(client, info) == "IP subjectAltNames are not allowed");
  info.other_names = true;
  CHECK(why(serving, info) == "Email and URI subjectAltNames are not allowed");
  info = node_info();
  info.common_name = "jane";
  CHECK(why(client, info) == "subject common name does not begin with system:node: ");
  info = node_info();
  info.organizations = {"system:nodes", "system:masters"};
  CHECK(why(client, info) == "subject organization is not system:nodes");
  CHECK(why(request(kKubeletClientSigner, {"client auth"}), node_info()) ==
        "usages did not match: needs \"digital signature\"");
  CHECK_FALSE(is_built_in_signer("kubernetes.io/legacy-unknown"));
  CHECK_FALSE(is_built_in_signer("example.com/own"));
}

TEST_CASE("requests go when they have served their turn", "[certificates]") {
  Value one = request(kClientSigner, {"client auth"});
  one["metadata"].set("creationTimestamp", format_time(kNow));
  CHECK(plan_end(one, {}) == kNow + hours(24));
  Value condition = Value::object({{"type", "Approved"}, {"status", "True"}});
  condition.set("lastUpdateTime", format_time(kNow + hours(2)));
  one["status"].set("conditions", Value::array({condition}));
  CHECK(plan_end(one, {}) == kNow + hours(3));
  CHECK(plan_end(one, kNow + hours(2)) == kNow + hours(2));
}

}  // namespace
}  // namespace orch::controllers
