// PodNetwork: the addresses of this node's pods, and their links. Knows the pod CIDR once the
// cluster has given one. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "agent/network/ipam.h"
#include "agent/network/network.h"

namespace orch::pods {

class PodNetwork {
 public:
  // Makes the bridge. Again with another CIDR: 409 (pods have addresses of the old one).
  Result<void> set_up(const network::NodeConfig& config);
  bool is_set_up() const;

  // Takes over the address that a pod has from before a restart of orch. 404 when it has none.
  Result<Ipv4> adopt(const std::string& uid, const std::string& netns_path);
  // Gives the pod an address and a link. 503 before set_up().
  Result<Ipv4> attach(const std::string& uid, const std::string& netns_path);
  // Takes both back. Nothing to take is success.
  Result<void> detach(const std::string& uid);
  // Deletes the links of pods that nobody adopted or attached.
  Result<void> remove_orphans();

 private:
  mutable std::mutex mutex_;
  network::NodeConfig config_;
  std::optional<network::Ipam> ipam_;
  std::map<std::string, Ipv4> by_uid_;
};

}  // namespace orch::pods
