// Ipv4 and Cidr: addresses as values, for service rules, routes, address allocation and DNS.
// Numbers are in host byte order, so that they sort and count as people read them. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace orch {

struct Ipv4 {
  uint32_t value = 0;  // Host byte order; 0 is "no address".

  bool is_set() const { return value != 0; }
  bool is_loopback() const { return value >> 24 == 127; }
  std::string text() const;  // "10.42.0.1"

  auto operator<=>(const Ipv4&) const = default;
};

// A network: the base address has no bits outside the mask.
struct Cidr {
  Ipv4 base;
  int bits = 0;  // Prefix length, 0..32.

  uint32_t mask() const { return bits == 0 ? 0 : ~uint32_t{0} << (32 - bits); }
  uint64_t size() const { return uint64_t{1} << (32 - bits); }
  Ipv4 at(uint32_t index) const { return Ipv4{base.value + index}; }  // index < size()
  Ipv4 last() const { return Ipv4{base.value | ~mask()}; }            // Broadcast.
  bool contains(Ipv4 ip) const { return (ip.value & mask()) == base.value; }
  bool contains(const Cidr& other) const { return other.bits >= bits && contains(other.base); }
  bool overlaps(const Cidr& other) const { return contains(other) || other.contains(*this); }
  std::string text() const;  // "10.42.0.0/16"

  auto operator<=>(const Cidr&) const = default;
};

// Strict dotted quad: four decimal parts, none with a leading zero (as Kubernetes reads them).
std::optional<Ipv4> parse_ipv4(std::string_view text);
// "10.42.3.7/16" → 10.42.0.0/16: bits outside the mask are cleared, as Go's ParseCIDR does.
std::optional<Cidr> parse_cidr(std::string_view text);

// One address as a network (/32).
inline Cidr host_cidr(Ipv4 ip) { return Cidr{ip, 32}; }

}  // namespace orch

template <>
struct std::hash<orch::Ipv4> {
  size_t operator()(orch::Ipv4 ip) const noexcept { return std::hash<uint32_t>{}(ip.value); }
};
