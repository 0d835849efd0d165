// Address allocation by example.
#include "agent/network/ipam.h"

#include <catch2/catch_test_macros.hpp>
#include <set>

namespace orch::network {
namespace {

Ipam make(const char* cidr) { return Ipam::make(*parse_cidr(cidr)).value(); }

TEST_CASE("ipam: hands out every pod address once, and no other") {
  Ipam ipam = make("10.42.7.0/28");
  CHECK(ipam.gateway().text() == "10.42.7.1");
  CHECK(ipam.capacity() == 13);
  std::set<Ipv4> seen;
  for (uint32_t i = 0; i < ipam.capacity(); ++i) {
    const auto ip = ipam.allocate();
    REQUIRE(ip.ok());
    CHECK(seen.insert(*ip).second);
  }
  CHECK(seen.begin()->text() == "10.42.7.2");
  CHECK(seen.rbegin()->text() == "10.42.7.14");
  const auto none = ipam.allocate();
  REQUIRE_FALSE(none.ok());
  CHECK(none.status().code == 429);
  ipam.release(*parse_ipv4("10.42.7.9"));
  CHECK(ipam.allocate().value().text() == "10.42.7.9");
}

TEST_CASE("ipam: an address rests before it is used again") {
  Ipam ipam = make("10.42.0.0/24");
  const Ipv4 first = ipam.allocate().value();
  ipam.release(first);
  for (uint32_t i = 1; i < ipam.capacity(); ++i) {
    const Ipv4 next = ipam.allocate().value();
    CHECK(next != first);
    ipam.release(next);
  }
  CHECK(ipam.allocate().value() == first);
}

TEST_CASE("ipam: what lives is reserved after a restart") {
  Ipam ipam = make("10.42.0.0/24");
  REQUIRE(ipam.reserve(*parse_ipv4("10.42.0.2")).ok());
  CHECK(ipam.allocate().value().text() == "10.42.0.3");
  CHECK(ipam.reserve(*parse_ipv4("10.42.0.2")).status().conflict());
  for (const char* foreign : {"10.42.0.0", "10.42.0.1", "10.42.0.255", "10.42.1.5", "9.9.9.9"}) {
    CAPTURE(foreign);
    CHECK(ipam.reserve(*parse_ipv4(foreign)).status().code == 400);
    ipam.release(*parse_ipv4(foreign));
  }
  CHECK(ipam.used() == 2);
  ipam.release(*parse_ipv4("10.42.0.3"));
  ipam.release(*parse_ipv4("10.42.0.3"));
  CHECK(ipam.used() == 1);
}

TEST_CASE("ipam: refuses CIDRs that can't work") {
  for (const char* bad : {"10.42.0.0/31", "10.42.0.0/32", "0.0.0.0/0", "10.0.0.0/7"})
    CHECK_FALSE(Ipam::make(*parse_cidr(bad)).ok());
  CHECK(make("10.42.0.0/30").capacity() == 1);
  CHECK(make("10.42.0.0/30").allocate().value().text() == "10.42.0.2");
}

}  // namespace
}  // namespace orch::network
