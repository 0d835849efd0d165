// Ipam: hands out the addresses of this node's pod CIDR.
//
// Keeps nothing on disk: after a restart the caller walks the live sandboxes and reserves what they
// have. Next-fit, so that an address rests as long as possible before its next pod (peers' ARP
// caches and connection tables forget it meanwhile). Pure; one thread at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "base/net_address.h"
#include "base/result.h"

namespace orch::network {

class Ipam {
 public:
  // `pod_cidr` between /8 and /30. Network, gateway (first host) and broadcast addresses are never
  // handed out.
  static Result<Ipam> make(const Cidr& pod_cidr);

  Ipv4 gateway() const { return pod_cidr_.at(1); }
  const Cidr& pod_cidr() const { return pod_cidr_; }
  uint32_t capacity() const { return static_cast<uint32_t>(pod_cidr_.size()) - 3; }
  uint32_t used() const { return used_; }

  // The next free address. 429 when all are in use.
  Result<Ipv4> allocate();
  // Marks `ip` as in use. 409 when it is already; 400 when it is none of ours.
  Result<void> reserve(Ipv4 ip);
  // Gives `ip` back. Nothing happens when it is free or none of ours.
  void release(Ipv4 ip);

 private:
  explicit Ipam(const Cidr& pod_cidr);
  bool ours(Ipv4 ip) const;

  Cidr pod_cidr_;
  std::vector<bool> taken_;  // By offset from the base address.
  uint32_t used_ = 0;
  uint32_t next_ = 2;  // Where the search goes on.
};

}  // namespace orch::network
