#include "api/quantity.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::api {
namespace {

std::string canonical(std::string_view text) {
  const auto quantity = Quantity::parse(text);
  return quantity ? quantity->to_string() : "error";
}

TEST_CASE("quantities have one canonical form") {
  const std::pair<const char*, const char*> cases[] = {{"0", "0"},
                                                       {"100m", "100m"},
                                                       {"0.1", "100m"},
                                                       {"1000m", "1"},
                                                       {"1.5Gi", "1536Mi"},
                                                       {"1024Mi", "1Gi"},
                                                       {"1Ki", "1Ki"},
                                                       {"512", "512"},
                                                       {"1000", "1k"},
                                                       {"1500k", "1500k"},
                                                       {"1e3", "1e3"},
                                                       {"2E6", "2e6"},
                                                       {"12e0", "12"},
                                                       {"0.5Gi", "512Mi"},
                                                       {"0.5Ki", "512"},
                                                       {"1n", "1n"},
                                                       {"0.1n", "1n"},
                                                       {"-1.5", "-1500m"},
                                                       {"+3", "3"},
                                                       {".5", "500m"},
                                                       {"5.", "5"},
                                                       {"1Ei", "1Ei"},
                                                       {"9E", "9E"},
                                                       {"0Ki", "0"},
                                                       {"1.0001Ki", "1024102400u"},
                                                       {"0.000001Mi", "1048576u"},
                                                       {"100Mi", "100Mi"},
                                                       {"1000000Ki", "1000000Ki"}};
  for (const auto& [text, wanted] : cases) {
    INFO(text);
    CHECK(canonical(text) == wanted);
    CHECK(canonical(canonical(text)) == wanted);
  }
}

TEST_CASE("what is no quantity is refused") {
  for (const char* bad : {"", " 1", "1 ", "a", "1x", "1.2.3", "--1", "1e", "1eK", "Ki", "1KI",
                          "0x1", "1e99999", "1ki", ".", "-"})
    CHECK(canonical(bad) == "error");
}

TEST_CASE("absurd sizes are capped, not overflowed") {
  CHECK(Quantity::parse("999999999999999999999999999")->value() == INT64_MAX);
  CHECK(Quantity::parse("9e99")->value() == INT64_MAX);
  CHECK(Quantity::parse("99999999Ei")->value() == INT64_MAX);
  CHECK(Quantity::parse("-9e99")->value() == -INT64_MAX);
  CHECK(Quantity::parse("1e-99")->to_string() == "1e-9");
}

TEST_CASE("values round away from zero and add up") {
  CHECK(Quantity::parse("1500m")->value() == 2);
  CHECK(Quantity::parse("-1500m")->value() == -2);
  CHECK(Quantity::parse("1u")->milli_value() == 1);
  CHECK((*Quantity::parse("1Gi") + *Quantity::parse("1Mi")).to_string() == "1025Mi");
  CHECK((*Quantity::parse("1") - *Quantity::parse("250m")).to_string() == "750m");
  CHECK(*Quantity::parse("1024") == *Quantity::parse("1Ki"));
  CHECK(*Quantity::parse("999m") < *Quantity::parse("1"));
}

}  // namespace
}  // namespace orch::api
