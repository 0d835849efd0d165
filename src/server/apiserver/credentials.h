// credentials: the server's keys and certificates, kept under <data_dir>/server/tls (0700, files
// 0600): made at the first start, read at every later one. Leaf certificates are issued anew when
// their names have changed or less than a third of their life is left.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/pki.h"

namespace orch::apiserver {

struct Credentials {
  crypto::Identity ca;
  crypto::Identity serving;  // The HTTPS server's.
  crypto::Identity admin;    // Whoever holds it is in system:masters.
  crypto::Identity agents;   // As which the server calls the nodes' agents.
  std::string admin_token;   // The same right as `admin`, for clients that carry a token.
  crypto::KeyPair tokens;    // Signs service accounts' tokens.
};

struct ServingNames {
  std::vector<std::string> dns_names, ip_addresses;
};

// The cluster's CA with its key, made where there is none.
Result<crypto::Identity> open_ca(const std::string& directory, const Clock& clock);
// Blocking: files and, the first time, five keys.
Result<Credentials> open_credentials(const std::string& directory, const ServingNames& names,
                                     const Clock& clock, Random& random);

// A kubeconfig for `server` ("https://10.0.0.1:6443") with everything in it.
std::string render_kubeconfig(const Credentials& credentials, const std::string& server);

}  // namespace orch::apiserver
