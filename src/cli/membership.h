// A node's membership in its cluster: the certificates that it got when it joined, and what it was
// told of the cluster. Kept in one file of mode 0600, so that it is there as a whole or not at all,
// and a node starts without any server in sight.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/clock.h"
#include "base/net_address.h"
#include "base/result.h"
#include "cli/join_token.h"
#include "crypto/pki.h"

namespace orch::cli {

struct Membership {
  std::string node_name, node_ip;
  crypto::Identity client;   // Signs in at the server as system:node:<name>.
  crypto::Identity serving;  // Serves the node's own endpoint.
  std::string ca;            // PEM, the cluster's.
  // As the server wrote them, see server/apiserver/join.h.
  std::string cluster_cidr, service_cidr, cluster_dns, cluster_domain, node_ports;

  bool operator==(const Membership&) const;
};

// What a node asks for.
struct JoinWish {
  std::string server;  // "https://10.0.0.1:6443"
  JoinToken token;     // With its hash.
  std::string node_name, node_ip;
  std::string password;       // Of the name: see keep_node_password().
  crypto::Identity identity;  // Of a member that renews; empty for a new one.
};

// Makes two keys and asks the server, which is believed by the token's hash alone, to certify them.
// 401 for a token that the server refuses, 403 for a name that is another machine's, 502 for a
// server that isn't the token's, 503 or 504 when none answers. Blocking, for seconds at most.
Result<Membership> join_cluster(const JoinWish& wish);

enum class Standing { good, ageing, useless };
// Useless: it is another name's, address's or cluster's (`ca_sha256`, "" = whichever), or has
// expired. Ageing: more than two thirds of its life are over. PURE.
Standing judge(const Membership& membership, const std::string& node_name,
               const std::string& node_ip, const std::string& ca_sha256, WallTime now);

// Nothing when there is no file; a file that can't be understood is a failure.
Result<std::optional<Membership>> read_membership(const std::string& path);
// The password by which this machine owns its node's name, made at first and kept in the file
// `path` (0600) for good.
Result<std::string> keep_node_password(const std::string& path, Random& random);
// The servers of the cluster as it named them last, so that a node finds one of them when those
// that it was started with are gone: URLs, one a line. A file that isn't there has none.
Result<std::vector<std::string>> read_servers(const std::string& path);
Result<void> write_servers(const std::string& path, const std::vector<std::string>& urls);
// The URLs that an EndpointSlice of the Service default/kubernetes names. PURE.
std::vector<std::string> servers_of(const api::Value& slice);
// Durable and atomic; makes the directory (0700).
Result<void> write_membership(const std::string& path, const Membership& membership);

}  // namespace orch::cli
