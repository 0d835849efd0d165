// cluster: how `orch server` comes to be one of several servers: by its data directory, which
// remembers it, by the flags --cluster-init and --server at the first start, or, while it runs, by
// another server that joins. docs/high-availability.md tells the user's side.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "cli/join_token.h"
#include "cli/options.h"
#include "server/cluster/cluster.h"

namespace orch::cli {

// What the data directory says, what a new cluster begins with, or what the server at --server
// answered (asked with patience); nothing for a single server. Puts the cluster's ranges and names
// into `options` where these say nothing of their own; 400 where they say otherwise. A servers'
// token is taken out of `options`, where it would be the nodes'. Status code 0: told to end.
Result<std::optional<cluster::Enrollment>> settle_enrollment(ServerOptions* options);

// Where `orch server` will serve, and as what. Without an enrollment it is a single server.
struct ServerPlace {
  std::string name, address;  // "10.0.0.1:6443"
};
Result<std::unique_ptr<cluster::Cluster>> open_cluster(const ServerOptions& options,
                                                       const std::optional<cluster::Enrollment>&,
                                                       const ServerPlace& place);

// Where the store was found damaged: this server gets in anew before it is opened again (server/
// cluster/repair.h). Returns at once where it was not; else waits for the others, with patience.
Result<void> finish_repair(const ServerOptions& options, const cluster::Enrollment& enrollment,
                           const ServerPlace& place);

// The token that lets servers join: the file that keeps it, what stands there, and the whole one
// that a joining server was given (400 without).
std::string server_token_path(const ServerOptions& options);
Result<JoinToken> kept_server_token(const ServerOptions& options);
Result<JoinToken> given_server_token(const ServerOptions& options);
// A token beside keys that stand: 400 for another cluster's; a servers' one has done its work, and
// is taken out of `options`.
Result<void> check_given_token(ServerOptions* options);
// The secret of the file, which is made where there is none.
Result<std::string> settle_server_secret(const ServerOptions& options, const std::string& ca);

std::string tls_dir(const std::string& data_dir);
std::string encryption_config_of(const ServerOptions& options);
cluster::Facts facts_of(const ServerOptions& options);

// PURE. The second half of settle_enrollment: 400 with the flag that differs.
Result<void> adopt_facts(const cluster::Facts& facts, ServerOptions* options);

}  // namespace orch::cli
