// etc_files: the texts of /etc/hosts, /etc/hostname and /etc/resolv.conf in a pod. Pure.
// Follows Kubernetes' "DNS for Services and Pods" and "Adding entries to Pod /etc/hosts".
#pragma once

#include <string>

#include "api/json.h"

namespace orch::pods {

// The pod's own host name: spec.hostname, else its name, cut to 63 characters.
std::string pod_hostname(const api::Value& pod);

// `host_hosts`: the node's own file, which pods on the host network get.
std::string render_hosts(const api::Value& pod, const std::string& pod_ip,
                         const std::string& cluster_domain, const std::string& host_hosts);

struct DnsFacts {
  std::string cluster_dns;  // "" when the cluster has none.
  std::string cluster_domain;
  std::string host_resolv_conf;  // The text of the node's own file.
};
std::string render_resolv_conf(const api::Value& pod, const DnsFacts& facts);

}  // namespace orch::pods
