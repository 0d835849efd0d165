// NodeGraph: which node has business with which object: its pods, and what they refer to. Looking
// up one object costs the same however many pods there are.
//
//   node ← pod → Secrets, ConfigMaps, ServiceAccount, PersistentVolumeClaims → PersistentVolume
//                                                                            → its Secrets
//
// Fed with every change of pods and volumes before anybody hears of it (indexes.h): a node that
// hears of its pod must not be refused. Thread-safe.
// Follows: Kubernetes' "Using Node Authorization".
#pragma once

#include <map>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/json.h"

namespace orch::apiserver {

class NodeGraph {
 public:
  // What nodes may read because of their pods.
  enum class Kind { secret, config_map, claim, volume, service_account };

  // As it stands now; of a pod that is bound to no node nothing is kept.
  void take_pod(const api::Value& pod);
  void forget_pod(std::string_view ns, std::string_view name);
  // Of a PersistentVolume, as it stands now.
  void take_volume(const api::Value& volume);
  void forget_volume(const std::string& name);

  // The node that a pod is bound to, "" for none.
  std::string node_of(std::string_view ns, std::string_view pod) const;
  bool related(std::string_view node, Kind kind, std::string_view ns, std::string_view name) const;

 private:
  struct Pod {
    std::string node;
    std::vector<std::string> references;
  };
  struct Volume {
    std::string claim;  // "ns/name"
    std::vector<std::string> secrets;
  };
  using Nodes = std::map<std::string, int, std::less<>>;  // How many of its pods refer to it.

  // Under mutex_.
  void add(const std::string& node, const std::vector<std::string>& references);
  void drop(const std::string& node, const std::vector<std::string>& references);
  void drop_pod(const std::string& key);
  void drop_volume(const std::string& name);
  bool refers(std::string_view node, const std::string& reference) const;

  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Pod> pods_;         // "ns/name"
  std::unordered_map<std::string, Nodes> referring_;  // "s:ns/name" and so on → nodes
  std::unordered_map<std::string, Volume> volumes_;   // By name.
  std::unordered_map<std::string, std::set<std::string>> by_secret_;  // "ns/name" → volumes
};

}  // namespace orch::apiserver
