#include "agent/pods/pod_network.h"

#include <set>

namespace orch::pods {

Result<void> PodNetwork::set_up(const network::NodeConfig& config) {
  const std::lock_guard lock(mutex_);
  if (ipam_) {
    if (config_.pod_cidr == config.pod_cidr) return {};
    return conflict("the pod CIDR changed from " + config_.pod_cidr.text() + " to " +
                    config.pod_cidr.text() + "; restart the node to use it");
  }
  auto ipam = ORCH_TRY(network::Ipam::make(config.pod_cidr));
  ORCH_TRY(network::setup_node(config));
  config_ = config;
  ipam_ = std::move(ipam);
  return {};
}

bool PodNetwork::is_set_up() const {
  const std::lock_guard lock(mutex_);
  return ipam_.has_value();
}

Result<Ipv4> PodNetwork::adopt(const std::string& uid, const std::string& netns_path) {
  const Ipv4 ip = ORCH_TRY(network::pod_address(netns_path));
  const std::lock_guard lock(mutex_);
  if (!ipam_) return service_unavailable("the node has no pod CIDR yet");
  if (by_uid_.contains(uid)) return by_uid_.at(uid);
  ORCH_TRY(ipam_->reserve(ip));
  by_uid_[uid] = ip;
  return ip;
}

Result<Ipv4> PodNetwork::attach(const std::string& uid, const std::string& netns_path) {
  network::PodLink link;
  {
    const std::lock_guard lock(mutex_);
    if (!ipam_) return service_unavailable("the node has no pod CIDR yet");
    if (!by_uid_.contains(uid)) by_uid_[uid] = ORCH_TRY(ipam_->allocate());
    link.ip = by_uid_.at(uid);
    link.bridge = config_.bridge;
    link.prefix_bits = config_.pod_cidr.bits;
    link.gateway = ipam_->gateway();
    link.mtu = config_.mtu;
  }
  link.netns_path = netns_path;
  link.host_interface = network::host_interface_name(uid);
  auto attached = network::attach_pod(link);
  if (!attached.ok()) {
    const auto detached = detach(uid);  // Gives the address back; the first failure is the reason.
    (void)detached;
    return attached.status();
  }
  return link.ip;
}

Result<void> PodNetwork::detach(const std::string& uid) {
  ORCH_TRY(network::detach_pod(network::host_interface_name(uid)));
  const std::lock_guard lock(mutex_);
  const auto found = by_uid_.find(uid);
  if (found == by_uid_.end()) return {};
  if (ipam_) ipam_->release(found->second);
  by_uid_.erase(found);
  return {};
}

Result<void> PodNetwork::remove_orphans() {
  std::set<std::string> known;
  std::string bridge;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [uid, ip] : by_uid_) known.insert(network::host_interface_name(uid));
    bridge = config_.bridge;
  }
  for (const auto& interface : ORCH_TRY(network::list_pod_interfaces(bridge))) {
    if (!known.contains(interface)) ORCH_TRY(network::detach_pod(interface));
  }
  return {};
}

}  // namespace orch::pods
