// welcome: what a server gets that joins a cluster: all that servers must share, the CA's key first
// of all. So it is for those alone who know the servers' secret (the node's token is another one):
//
//   POST /orch/v1/servers {"name", "nonce", "protocol", "version"}
//   Orch-Proof: <that the secret is known>
//     → {"welcome": "<sealed>"}
//
// The secret itself never travels. The welcome is sealed with a key made of it (AES-256-GCM), bound
// to the nonce: beneath TLS, whose other end a newcomer knows by the CA's fingerprint only, and
// nodes have certificates of that CA too.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "server/cluster/contacts.h"
#include "server/cluster/facts.h"

namespace orch::cluster {

// Of what servers say to each other, here, in their messages and in the log's entries. Raised with
// each change that an older one would not understand.
inline constexpr int kProtocol = 1;
inline constexpr const char* kProofHeader = "Orch-Proof";

struct SharedFile {
  std::string path;  // Below <data-dir>/server.
  std::string content;
  bool operator==(const SharedFile&) const = default;
};

struct Welcome {
  std::string cluster;  // See enrollment.h.
  uint64_t server = 0;  // Who says so.
  Facts facts;
  std::vector<Contact> contacts;
  std::vector<SharedFile> files;
  bool operator==(const Welcome&) const = default;
};

// What servers share that keep the state in a datastore of others, which keeps this for them, too.
struct Shared {
  Facts facts;
  std::vector<SharedFile> files;
  bool operator==(const Shared&) const = default;
};

// PURE.
std::string proof_of(std::string_view secret);
std::string seal_welcome(const Welcome& welcome, std::string_view secret, std::string_view nonce,
                         Random& random);
// 400 when it was sealed with another secret, for another nonce, or altered.
Result<Welcome> open_welcome(std::string_view sealed, std::string_view secret,
                             std::string_view nonce);
std::string seal_shared(const Shared& shared, std::string_view secret, Random& random);
Result<Shared> open_shared(std::string_view sealed, std::string_view secret);

// 400 when the CA among the files is another than the token names.
Result<void> check_ca(std::span<const SharedFile> files, const std::string& ca_sha256);

// What this server's data directory has of what is shared. `encryption_config`: where that lies.
Result<std::vector<SharedFile>> read_shared(const std::string& data_dir,
                                            const std::string& encryption_config);
// Puts it into one that has no keys yet; what was interrupted is begun anew.
Result<void> write_shared(const std::string& data_dir, std::span<const SharedFile> files);
// Makes a data directory that has no cluster yet one of this cluster's; what it had of certificates
// goes. The enrollment comes last: what was interrupted is begun anew.
Result<void> settle_in(const std::string& data_dir, const Welcome& welcome);

}  // namespace orch::cluster
