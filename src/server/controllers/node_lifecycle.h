// node_lifecycle: judges whether nodes live, by the Leases that they renew, and draws the
// consequences: conditions, taints, evictions, pods of nodes that are gone. Gives each node its
// range of pod addresses.
//
// Follows: Kubernetes "Nodes" (heartbeats), "Taints and Tolerations" (taint-based eviction).
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/net_address.h"
#include "client/event_recorder.h"
#include "client/loop_runner.h"

namespace orch::controllers {

inline constexpr const char* kLeaseNamespace = "kube-node-lease";
// A Lease (or status) not renewed for this long: the node is Unknown.
inline constexpr std::chrono::seconds kNodeMonitorGrace{40};
inline constexpr int kNodeCidrBits = 24;

// The node as it should be: conditions Unknown when it is not `alive`, taints as its conditions and
// spec.unschedulable ask for. Other taints stay.
api::Value plan_node(const api::Value& node, bool alive, WallTime now);

// When a pod has to leave a node with these taints: unset = never, in the past = now.
std::optional<WallTime> eviction_time(const api::Value& pod, const api::Value& node);

// The first /24 of `cluster` that overlaps none of `taken`.
std::optional<Cidr> plan_node_cidr(const Cidr& cluster, const std::vector<Cidr>& taken);

class NodeLifecycleController : public client::Reconciler {
 public:
  // `cluster_cidr`: what node ranges are cut from.
  NodeLifecycleController(client::Api& api, const client::Cache& cache, client::EventSink& events,
                          const Clock& clock, Cidr cluster_cidr)
      : api_(api), cache_(cache), events_(events), clock_(clock), cluster_cidr_(cluster_cidr) {}

  std::string_view name() const override { return "nodelifecycle"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  // A heartbeat as last seen, and when (by our own clock: nodes' clocks may be wrong).
  struct Heartbeat {
    std::string value;
    MonoTime seen{};
  };
  MonoTime last_heartbeat(const std::string& node, const api::Value& object);
  Result<api::Value> assign_cidr(const api::Value& node);
  Result<void> mark_pods_not_ready(const std::vector<api::Value>& pods);
  Result<client::Requeue> evict(const api::Value& node, const std::vector<api::Value>& pods);
  Result<client::Requeue> collect_pods(const std::string& node);

  client::Api& api_;
  const client::Cache& cache_;
  client::EventSink& events_;
  const Clock& clock_;
  const Cidr cluster_cidr_;

  std::mutex mutex_;  // Guards the rest.
  std::map<std::string, Heartbeat> heartbeats_;
  std::map<std::string, Cidr> given_;  // Ranges given, which the cache may not show yet.
};

}  // namespace orch::controllers
