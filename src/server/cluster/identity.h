// identity: who a server is among the servers of its cluster. It has a key of its own for as long
// as its data directory lives, and its id is made of that key: so it is known by its key, wherever
// it is reached. The cluster's CA certifies both for each direction of a connection:
//
//   as a client  common name "orch:server:<id>", organization "orch:servers" (the peer certificate)
//   as a server  a DNS name "<id>.orch_server" among the names of what it serves HTTPS with
//
// Nobody else gets either: nodes' and users' certificates are made with subjects that begin
// otherwise, the signers of CertificateSigningRequests refuse these (controllers/
// certificate_rules.h), and "_" stands in no node's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/pki.h"
#include "http/http.h"

namespace orch::cluster {

inline constexpr std::string_view kServersGroup = "orch:servers";
inline constexpr std::string_view kServerNamePrefix = "orch:server:";
inline constexpr std::string_view kServingSuffix = ".orch_server";

struct ServerIdentity {
  uint64_t id = 0;
  crypto::Identity peer;  // As a client of other servers.
};

// 16 hex digits.
std::string id_text(uint64_t id);
std::optional<uint64_t> parse_id(std::string_view text);

// Of a public key (PEM). Never 0.
uint64_t server_id(const std::string& public_key);
std::string serving_name(uint64_t id);

// The key and its certificate in `directory` (peer.key, peer.crt, 0600), made where they are
// missing. The certificate is made anew when less than a third of its life is left; the key stays.
Result<ServerIdentity> open_identity(const std::string& directory, const crypto::Identity& ca,
                                     const Clock& clock);

// Which server it is that has shown its peer certificate; nothing for anybody else.
std::optional<uint64_t> server_of(const http::Peer& peer);

}  // namespace orch::cluster
