// Requests for certificates: what they may say, and which door lets what through.
#include <catch2/catch_test_macros.hpp>
#include <utility>

#include "api/decode.h"
#include "api/defaults.h"
#include "api/strategy.h"
#include "api/table.h"

using namespace orch;
using namespace orch::api;

namespace {

const Resource& requests() {
  const Resource* found =
      Schema::builtin().find("certificates.k8s.io", "v1", "certificatesigningrequests");
  REQUIRE(found != nullptr);
  return *found;
}

Value made(const std::string& spec, const std::string& status = "{}") {
  auto parsed =
      parse_json(R"({"metadata":{"name":"x"},"spec":)" + spec + R"(,"status":)" + status + "}");
  REQUIRE(parsed.ok());
  auto object = decode(*requests().type, *std::move(parsed));
  REQUIRE(object.ok());
  apply_defaults(requests(), &*object);
  return *std::move(object);
}

constexpr const char* kGood =
    R"({"request":"eA==","signerName":"example.com/s","usages":["client auth"]})";

std::string conditions(std::initializer_list<const char*> types) {
  std::string list;
  for (const char* type : types) {
    list += (list.empty() ? "" : ",") + std::string(R"({"status":"True","type":")") + type + "\"}";
  }
  return R"({"conditions":[)" + list + "]}";
}

// The fields complained of when `after` comes through a door.
std::string told(const Value& before, Value after, std::string_view door) {
  prepare_update(requests(), before, &after, door);
  std::string fields;
  for (const StatusCause& cause : validate_update(requests(), after, before, door)) {
    fields += (fields.empty() ? "" : " ") + cause.field;
  }
  return fields;
}

}  // namespace

TEST_CASE("a certificate signing request says who signs what for which use") {
  const auto field = [](const std::string& spec) {
    const Causes causes = validate_create(requests(), made(spec));
    return causes.empty() ? std::string() : causes.front().field;
  };
  CHECK(field(kGood) == "");
  CHECK(field(R"({"signerName":"example.com/s","usages":["any"]})") == "spec.request");
  CHECK(field(R"({"request":"eA==","usages":["any"]})") == "spec.signerName");
  CHECK(field(R"({"request":"eA==","signerName":"s","usages":["any"]})") == "spec.signerName");
  CHECK(field(R"({"request":"eA==","signerName":"a/s","usages":["any"]})") == "spec.signerName");
  CHECK(field(R"({"request":"eA==","signerName":"a.b/s"})") == "spec.usages");
  CHECK(
      field(R"({"request":"eA==","signerName":"a.b/s","usages":["server auth","server auth"]})") ==
      "spec.usages[1]");
  CHECK(field(R"({"request":"eA==","signerName":"a.b/s","usages":["client"]})") ==
        "spec.usages[0]");
  CHECK(field(R"({"request":"eA==","signerName":"a.b/s","usages":["any"],
                  "expirationSeconds":599})") == "spec.expirationSeconds");
}

TEST_CASE("decisions come through approval, certificates through status, and stay") {
  const Value fresh = made(kGood);
  const Value approved = made(kGood, conditions({"Approved"}));
  CHECK(told(fresh, approved, "approval") == "");
  CHECK(told(fresh, approved, "status") == "status.conditions");
  CHECK(told(fresh, made(kGood, conditions({"Failed"})), "status") == "");
  CHECK(told(fresh, made(kGood, conditions({"Approved", "Denied"})), "approval") ==
        "status.conditions[1].type");
  CHECK(told(approved, fresh, "approval") == "status.conditions");

  // Through the front door nothing changes but metadata.
  Value other = made(R"({"request":"eHg=","signerName":"a.b/s","usages":["any"]})");
  prepare_update(requests(), approved, &other, "");
  CHECK(other["spec"] == approved["spec"]);
  CHECK(other["status"] == approved["status"]);

  // A certificate can't come with an approval.
  Value both = made(kGood, R"({"certificate":"eA==","conditions":[{"type":"Approved",
                               "status":"True"}]})");
  prepare_update(requests(), fresh, &both, "approval");
  CHECK(std::as_const(both).at("status.certificate").is_null());
  CHECK(std::as_const(both).at("status.conditions").size() == 1);

  const Value issued = made(kGood, R"({"certificate":"eA=="})");
  CHECK(told(fresh, issued, "status") == "");
  CHECK(told(issued, made(kGood, R"({"certificate":"eHg="})"), "status") == "status.certificate");
}
