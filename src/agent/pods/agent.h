// Agent: a node. Wires the rooms of the agent together and starts them in the right order:
// runtime, images, network (when the cluster has given a pod CIDR), DNS, services, pods, the node's
// HTTPS endpoint, and the reports about all that.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/images/images.h"
#include "base/clock.h"
#include "base/net_address.h"
#include "base/result.h"
#include "client/api.h"

namespace orch::pods {

// What is the same on every node.
struct ClusterFacts {
  Cidr pod_cidr;      // All nodes' pods: 10.42.0.0/16.
  Cidr service_cidr;  // 10.43.0.0/16
  Ipv4 dns_ip;        // Not set: no cluster DNS.
  std::string domain = "cluster.local";
  uint16_t node_port_first = 30000, node_port_last = 32767;
};

struct AgentOptions {
  std::string node_name;
  std::string node_ip;                  // "" = of the default route.
  std::string data_dir;                 // "/var/lib/orch": survives reboots.
  std::string state_dir = "/run/orch";  // A tmpfs.
  std::string log_dir = "/var/log/pods";
  std::string resolv_conf_path = "/etc/resolv.conf";
  std::string bind_address = "0.0.0.0";
  uint16_t kubelet_port = 10250;  // 0: any free one.
  std::string version = "v1.32.4+orch";
  std::string runc = "runc";
  std::vector<std::string> shim_command;  // Empty: this executable.

  // PEM. Callers of the node's endpoint need a certificate signed by `client_ca`, of
  // system:masters or in the name of kube-apiserver.
  std::string serving_certificate, serving_key, client_ca;

  ClusterFacts cluster;
  images::Options images;  // dir "" = <data_dir>/images.
  std::vector<std::pair<std::string, std::string>> labels;
  api::Value taints;        // Array, for a Node that is new; or null.
  bool write_rules = true;  // The packet filter for services.
  bool serve_dns = true;
};

class Agent {
 public:
  // `api` and `cache` must outlive the agent. Fails when the machine lacks something, by name;
  // a cluster that does not answer is no failure: it goes on with what it knows.
  static Result<std::unique_ptr<Agent>> start(AgentOptions options, client::Api& api,
                                              client::Cache& cache, Clock& clock, Random& random);
  ~Agent();
  // Containers run on. Idempotent.
  void stop();

  uint16_t kubelet_port() const;
  images::Images& images();

 private:
  struct State;
  explicit Agent(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace orch::pods
