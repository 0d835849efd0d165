// facts: what all servers and nodes of a cluster must know alike, as it is configured.
#pragma once

#include <string>

namespace orch::cluster {

struct Facts {
  std::string cluster_cidr = "10.42.0.0/16";  // Pods'.
  std::string service_cidr = "10.43.0.0/16";
  std::string cluster_dns = "10.43.0.10";
  std::string cluster_domain = "cluster.local";
  std::string node_ports = "30000-32767";

  bool operator==(const Facts&) const = default;
};

}  // namespace orch::cluster
