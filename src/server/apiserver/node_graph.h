// NodeGraph: which node has business with which object: its pods, and what they refer to. Looking
// up one object costs the same however many pods there are.
//
//   node ← pod → Secrets, ConfigMaps, ServiceAccount, PersistentVolumeClaims → PersistentVolume
//                                                                            → its Secrets
//
// Kept from what is written: the registry holds the edges of a pod before it is bound (a node that
// hears of its pod must not be refused), then says what became of it. Thread-safe.
// Follows: Kubernetes' "Using Node Authorization".
#pragma once

#include <map>
#include <memory>
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

  // Edges of a pod that is about to be written. They go with the Hold, unless it is kept.
  class Hold {
   public:
    Hold(NodeGraph& graph, std::string pod, std::string node, std::vector<std::string> references)
        : graph_(graph),
          pod_(std::move(pod)),
          node_(std::move(node)),
          references_(std::move(references)) {}
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    void keep();  // It was written: what an earlier state of the pod held goes.

   private:
    NodeGraph& graph_;
    const std::string pod_, node_;
    const std::vector<std::string> references_;
    bool kept_ = false;
  };

  // Null for a pod that is bound to no node.
  std::unique_ptr<Hold> hold(const api::Value& pod);
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
  void drop_volume(const std::string& name);
  bool refers(std::string_view node, const std::string& reference) const;

  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Pod> pods_;         // "ns/name"
  std::unordered_map<std::string, Nodes> referring_;  // "s:ns/name" and so on → nodes
  std::unordered_map<std::string, Volume> volumes_;   // By name.
  std::unordered_map<std::string, std::set<std::string>> by_secret_;  // "ns/name" → volumes
};

}  // namespace orch::apiserver
