// kubeconfig: where a cluster is and who one is there, as kubectl's configuration file. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::client {

// How to reach and enter a cluster. All PEM texts are inline.
struct ClusterAccess {
  std::string url;                       // "https://10.0.0.1:6443"
  std::string ca;                        // PEM; "": the system's roots.
  std::string certificate, private_key;  // PEM; may be empty.
  std::string token;                     // Bearer token; may be empty.
  std::string server_name;               // For TLS, when not the host of `url`.
  bool insecure_skip_verify = false;
  std::string ns;  // The context's namespace, "" = default.
};

inline constexpr size_t kMaxKubeconfigBytes = 1 << 20;

// YAML with one cluster, user and context, all called `name`.
std::string render_kubeconfig(const ClusterAccess& access, std::string_view name = "default");

// The current context of a kubeconfig. `read_file` is asked for the files that it names
// (certificate-authority, client-certificate, client-key, tokenFile).
Result<ClusterAccess> parse_kubeconfig(std::string_view yaml,
                                       Result<std::string> (*read_file)(const std::string& path));

}  // namespace orch::client
