#include "cli/shared_keys.h"

#include "base/files.h"
#include "base/log.h"
#include "cli/cluster.h"
#include "cli/verbs.h"
#include "server/apiserver/credentials.h"
#include "server/cluster/welcome.h"

namespace orch::cli {

namespace {

Result<void> take(const etcd::Shared& there, ServerOptions* options) {
  const JoinToken token = ORCH_TRY(given_server_token(*options));
  const auto shared = cluster::open_shared(there.sealed, token.secret);
  if (!shared)
    return forbidden(
        "the token is not that of the servers whose state this etcd keeps: it stands "
        "there in <data-dir>/server/server-token");
  ORCH_TRY(cluster::check_ca(shared->files, token.ca_sha256));
  ORCH_TRY(adopt_facts(shared->facts, options));
  ORCH_TRY(cluster::write_shared(options->node.data_dir, shared->files));
  options->node.token.clear();
  options->node.token_file.clear();
  log::info("server", "took the keys of the servers on this etcd");
  return {};
}

}  // namespace

Result<void> take_shared_keys(etcd::Datastore& datastore, ServerOptions* options) {
  const std::string& data_dir = options->node.data_dir;
  const etcd::Shared there = ORCH_TRY(datastore.shared());
  if (there.revision == 0) return {};
  if (!file_exists(tls_dir(data_dir) + "/ca.key")) return take(there, options);
  const auto kept = kept_server_token(*options);
  const auto shared = cluster::open_shared(there.sealed, kept ? kept->secret : "");
  if (!shared)
    return forbidden(data_dir +
                     "/server has the keys of another cluster than the one in this etcd: move it "
                     "away, and start with that cluster's servers' token");
  ORCH_TRY(check_given_token(options));
  return adopt_facts(shared->facts, options);
}

Result<void> share_keys(etcd::Datastore& datastore, const ServerOptions& options) {
  const std::string& data_dir = options.node.data_dir;
  const auto ca = ORCH_TRY(apiserver::open_ca(tls_dir(data_dir), system_clock()));
  const std::string secret = ORCH_TRY(settle_server_secret(options, ca.certificate));
  cluster::Shared ours;
  ours.facts = facts_of(options);
  ours.files = ORCH_TRY(cluster::read_shared(data_dir, encryption_config_of(options)));
  const etcd::Shared there = ORCH_TRY(datastore.shared());
  if (there.revision != 0) {
    auto theirs = cluster::open_shared(there.sealed, secret);
    if (!theirs) return std::move(theirs).status().in("what servers share through this etcd");
    if (*theirs == ours) return {};
  }
  // Whoever has come so far can open all that lies in etcd, so its secrets are the newest.
  return datastore.share(cluster::seal_shared(ours, secret, system_random()), there.revision);
}

}  // namespace orch::cli
