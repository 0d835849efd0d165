// The allocator of pod addresses; see the header.
#include "agent/network/ipam.h"

namespace orch::network {

namespace {
constexpr int kShortestPrefix = 8;  // One bit per address: 2 MiB at most.
constexpr int kLongestPrefix = 30;  // One pod at least.
constexpr uint32_t kFirstPod = 2;   // After the network's and the gateway's address.
}  // namespace

Result<Ipam> Ipam::make(const Cidr& pod_cidr) {
  if (pod_cidr.bits < kShortestPrefix || pod_cidr.bits > kLongestPrefix)
    return bad_request("pod CIDR " + pod_cidr.text() + " must be between /8 and /30");
  return Ipam(pod_cidr);
}

Ipam::Ipam(const Cidr& pod_cidr) : pod_cidr_(pod_cidr), taken_(pod_cidr.size()) {}

bool Ipam::ours(Ipv4 ip) const {
  return pod_cidr_.contains(ip) && ip >= pod_cidr_.at(kFirstPod) && ip != pod_cidr_.last();
}

Result<Ipv4> Ipam::allocate() {
  for (uint32_t tried = 0; tried < capacity(); ++tried) {
    const uint32_t offset = next_;
    next_ = offset + 1 - kFirstPod < capacity() ? offset + 1 : kFirstPod;
    if (taken_[offset]) continue;
    taken_[offset] = true;
    ++used_;
    return pod_cidr_.at(offset);
  }
  return too_many_requests("all " + std::to_string(capacity()) + " addresses of pod CIDR " +
                               pod_cidr_.text() + " are in use on this node",
                           0);
}

Result<void> Ipam::reserve(Ipv4 ip) {
  if (!ours(ip)) return bad_request(ip.text() + " is no pod address of " + pod_cidr_.text());
  const uint32_t offset = ip.value - pod_cidr_.base.value;
  if (taken_[offset]) return conflict(ip.text() + " is in use already");
  taken_[offset] = true;
  ++used_;
  return {};
}

void Ipam::release(Ipv4 ip) {
  if (!ours(ip)) return;
  const uint32_t offset = ip.value - pod_cidr_.base.value;
  if (!taken_[offset]) return;
  taken_[offset] = false;
  --used_;
}

}  // namespace orch::network
