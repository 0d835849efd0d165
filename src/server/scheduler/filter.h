// filter: on which nodes a pod may run. Pure; NodeInfo and PodInfo hold what the answer needs,
// parsed once, so that one pod against one node costs a few comparisons.
// Follows: Kubernetes "Assigning Pods to Nodes", "Taints and Tolerations", "Resource Management";
// reasons are worded as kube-scheduler 1.32 words them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "api/selector.h"
#include "client/api.h"

namespace orch::scheduler {

// Amounts: CPU in thousandths, the rest in whole units. One may be the largest int64, and sums of
// such must not wrap: who asks for too much would seem to ask for nothing.
struct Amounts {
  using Amount = __int128;
  Amount cpu_milli = 0;
  Amount memory_bytes = 0;
  Amount ephemeral_bytes = 0;
  Amount pods = 0;
  std::map<std::string, Amount> extended;  // "example.com/gpu", "hugepages-2Mi".

  void add(const Amounts& other);
  void subtract(const Amounts& other);
  void raise_to(const Amounts& other);  // The larger of each.
  bool operator==(const Amounts&) const = default;
};

struct Taint {
  std::string key, value, effect;
  std::string to_string() const;  // "{key: value}", as reasons print it.
  bool operator==(const Taint&) const = default;
};

struct Toleration {
  std::string key, value, effect;
  bool exists = false;  // operator Exists: any value.
  bool tolerates(const Taint& taint) const;
};

// One port of a host, taken at most once per address and protocol; "0.0.0.0" collides with all.
struct HostPort {
  std::string ip, protocol;
  int64_t port = 0;
  bool collides(const HostPort& other) const;
};

// One term of node affinity: all expressions must hold.
struct NodeTerm {
  std::vector<api::LabelSelector::Requirement> labels;
  std::vector<api::LabelSelector::Requirement> fields;  // metadata.name only.
  bool empty() const { return labels.empty() && fields.empty(); }
};
struct PreferredTerm {
  int64_t weight = 0;
  NodeTerm term;
};

struct NodeInfo {
  std::string name;
  api::Labels labels;
  bool unschedulable = false;
  std::vector<Taint> taints;
  Amounts allocatable;

  // Kept up to date from the pods that run or are about to run here; never parsed.
  Amounts requested;
  std::vector<HostPort> host_ports;
  std::map<std::string, int> pods_of_owner;  // By the controller's uid.

  // Equal in all that is parsed from the Node.
  bool same_node(const NodeInfo& other) const;
};

struct PodInfo {
  client::ObjectKey key;
  std::string uid;
  std::string node;  // spec.nodeName; "" = not bound.
  std::string owner_uid;
  int64_t priority = 0;
  Amounts requests;
  std::vector<Toleration> tolerations;
  api::LabelSelector node_selector;
  std::optional<std::vector<NodeTerm>> required;  // Alternatives; unset = no demand.
  std::vector<PreferredTerm> preferred;
  std::vector<HostPort> host_ports;
};

NodeInfo parse_node(const api::Value& node);
PodInfo parse_pod(const api::Value& pod);
// The sum of the containers or the largest init container (sidecars count to both), plus overhead.
Amounts pod_requests(const api::Value& pod);

bool term_matches(const NodeTerm& term, const NodeInfo& node);

// Why a node can't take the pod. Empty reasons: it can.
struct Verdict {
  std::vector<std::string> reasons;
  bool eviction_could_help = false;  // Removing pods could change the verdict.
  bool fits() const { return reasons.empty(); }
};
Verdict check_node(const PodInfo& pod, const NodeInfo& node);

// "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. preemption: ...".
std::string render_unschedulable(const std::vector<Verdict>& verdicts);

}  // namespace orch::scheduler
