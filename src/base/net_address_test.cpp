// Addresses by table.
#include "base/net_address.h"

#include <catch2/catch_test_macros.hpp>

namespace orch {
namespace {

TEST_CASE("ipv4: parses strictly and writes back") {
  for (const char* good : {"0.0.0.0", "10.42.0.1", "255.255.255.255", "1.2.3.4"}) {
    CAPTURE(good);
    const auto ip = parse_ipv4(good);
    REQUIRE(ip);
    CHECK(ip->text() == good);
  }
  for (const char* bad : {"", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1..2.3",
                          "1.2.3.", " 1.2.3.4", "1.2.3.4 ", "-1.2.3.4", "1.2.3.a", "1.2.3.0004"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_ipv4(bad));
  }
}

TEST_CASE("cidr: parses, masks and contains") {
  const auto net = parse_cidr("10.42.3.7/16");
  REQUIRE(net);
  CHECK(net->text() == "10.42.0.0/16");
  CHECK(net->size() == 65536);
  CHECK(net->at(1).text() == "10.42.0.1");
  CHECK(net->last().text() == "10.42.255.255");
  CHECK(net->contains(*parse_ipv4("10.42.255.1")));
  CHECK_FALSE(net->contains(*parse_ipv4("10.43.0.1")));
  CHECK(net->contains(*parse_cidr("10.42.1.0/24")));
  CHECK_FALSE(net->contains(*parse_cidr("10.0.0.0/8")));
  CHECK(net->overlaps(*parse_cidr("10.0.0.0/8")));

  const auto all = parse_cidr("0.0.0.0/0");
  REQUIRE(all);
  CHECK(all->mask() == 0);
  CHECK(all->size() == uint64_t{1} << 32);
  CHECK(all->contains(*net));
  CHECK(host_cidr(*parse_ipv4("1.2.3.4")).text() == "1.2.3.4/32");

  for (const char* bad : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0/8",
                          "10.0.0.0/-1", "10.0.0.0/8/8", "/8"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_cidr(bad));
  }
}

}  // namespace
}  // namespace orch
