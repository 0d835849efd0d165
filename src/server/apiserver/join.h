// join: POST /orch/v1/join: a new node shows the join token and brings two signing requests; it
// gets its identity (user system:node:<name> in system:nodes), a serving certificate for its
// addresses, and what it must know of the cluster. Follows the idea of kubelet TLS bootstrapping,
// in one step.
//
//   {"nodeName": "a", "clientCsr": "<PEM>", "servingCsr": "<PEM>", "addresses": ["10.0.0.7"]}
//   → {"clientCertificate", "servingCertificate", "ca", "clusterCidr", "serviceCidr",
//      "clusterDns", "clusterDomain", "nodePorts"}
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/pki.h"
#include "http/http.h"

namespace orch::apiserver {

// What every node must know. Texts as they are configured.
struct ClusterFacts {
  std::string cluster_cidr = "10.42.0.0/16";  // Pods'.
  std::string service_cidr = "10.43.0.0/16";
  std::string cluster_dns = "10.43.0.10";
  std::string cluster_domain = "cluster.local";
  std::string node_ports = "30000-32767";
};

// The certificate that a node serves its endpoint with.
crypto::CertificateSpec node_serving_spec(const std::string& node_name,
                                          const std::vector<std::string>& addresses);

class Join {
 public:
  Join(crypto::Identity ca, std::string token, ClusterFacts facts, Clock& clock)
      : ca_(std::move(ca)), token_(std::move(token)), facts_(std::move(facts)), clock_(clock) {}

  // 401 for a wrong token (always, when none is set), 422 for a request that makes no sense.
  Result<http::Response> serve(const http::Request& request) const;

 private:
  const crypto::Identity ca_;
  const std::string token_;
  const ClusterFacts facts_;
  Clock& clock_;
};

}  // namespace orch::apiserver
