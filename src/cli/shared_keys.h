// shared_keys: how servers that keep their state in one etcd come by the same keys. The first one
// seals its own with the servers' secret and leaves them in etcd; who starts with that secret (in
// the servers' token) takes them from there. docs/datastore.md tells the user's side.
#pragma once

#include "base/result.h"
#include "cli/options.h"
#include "server/etcd/datastore.h"

namespace orch::cli {

// Before the server makes keys of its own. Fills the data directory of one that has none, with what
// etcd has; puts the cluster's ranges and names into `options` (see adopt_facts), and takes a
// servers' token out of them. 400 without a token, 403 with one of another cluster.
Result<void> take_shared_keys(etcd::Datastore& datastore, ServerOptions* options);

// Once it has its keys: leaves them in etcd, where they are missing or older.
Result<void> share_keys(etcd::Datastore& datastore, const ServerOptions& options);

}  // namespace orch::cli
