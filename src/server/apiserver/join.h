// join: POST /orch/v1/join: a new node shows the join token and brings two signing requests; it
// gets its identity (user system:node:<name> in system:nodes), a serving certificate for its
// addresses, and what it must know of the cluster. Follows the idea of kubelet TLS bootstrapping,
// in one step.
//
// A name belongs to whoever came with it first: the node brings a password of its own making, whose
// salted hash is kept in the Secret kube-system/<node>.node-password.orch. Who comes later must
// know it, or show the node's certificate. The Secret goes with the Node
// (controllers/node_password.h), and then the name is free.
//
// The token lets a machine be a node, not pass for somebody else: with a certificate for a server's
// name or address it could stand between the servers and their clients.
//
//   {"nodeName": "a", "nodePassword": "...", "clientCsr": "<PEM>", "servingCsr": "<PEM>",
//   "addresses": ["10.0.0.7"]} → {"clientCertificate", "servingCertificate", "ca", "clusterCidr",
//   "serviceCidr",
//      "clusterDns", "clusterDomain", "nodePorts"}
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/pki.h"
#include "http/http.h"
#include "server/apiserver/credentials.h"
#include "server/apiserver/registry.h"
#include "server/cluster/facts.h"
#include "store/store.h"

namespace orch::cluster {
class Cluster;
}

namespace orch::apiserver {

using cluster::Facts;  // What every node must know.

// Under which key the name's password is kept.
std::string node_password_key(const std::string& node_name);

// The certificate that a node serves its endpoint with.
crypto::CertificateSpec node_serving_spec(const std::string& node_name,
                                          const std::vector<std::string>& addresses);

// Whose a name or an address is already, as far as this server knows.
struct Taken {
  std::string whose;  // "a server", "node b"
  std::string what;   // A name, or an address.
};
// PURE. 403 when a node can't have a certificate for its name and these addresses, because one of
// them is taken, or in a range of Services or pods.
Result<void> check_serving(const std::string& node_name, const std::vector<std::string>& addresses,
                           const Facts& facts, const std::vector<Taken>& taken);

class Join {
 public:
  struct Parts {
    crypto::Identity ca;
    std::string token;                // "" lets nobody join.
    std::string own_node;             // In this process; nobody else gets its name. "" = none.
    ServingNames own_names;           // Of this server.
    const cluster::Cluster* cluster;  // Knows the other servers; null: there are none.
    Facts facts;
    const store::Store& store;
    Registry& registry;
    Clock& clock;
    Random& random;
  };
  explicit Join(Parts parts) : parts_(std::move(parts)) {}

  // 401 for a wrong token (always, when none is set).
  Result<void> check_token(const http::Request& request) const;
  // 422 for a request that makes no sense, 403 for a name that is another's. Writes, so it blocks.
  Result<http::Response> serve(const http::Request& request) const;

 private:
  Result<void> claim_name(const http::Request& http, const std::string& node,
                          const std::string& password) const;
  std::vector<Taken> taken(const std::string& node) const;  // By others than this node.
  const Parts parts_;
};

}  // namespace orch::apiserver
