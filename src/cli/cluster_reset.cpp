// `orch server --cluster-reset`: of several servers too many are lost for good, so that no write is
// agreed on any more; this one becomes the whole cluster, with the state that it has.
//
// Its log is read to the end, as agreed on: it may hold writes that no client was told of, yet
// whatever this server helped to acknowledge is in it. From there on it is a snapshot and a
// restore: what was there is kept aside, revisions go on above all that anybody may have seen, and
// the other servers' data is of a former cluster.
#include <cstdio>
#include <future>

#include "base/files.h"
#include "cli/process.h"
#include "cli/verbs.h"
#include "server/apiserver/credentials.h"
#include "server/apiserver/encryption.h"
#include "server/cluster/enrollment.h"
#include "server/cluster/identity.h"
#include "server/snapshots/snapshots.h"
#include "store/store.h"

namespace orch::cli {

namespace {

// There is nobody else.
class NoStreams : public store::PeerStreams {
  void connect(uint64_t, const std::string&, store::StreamUse, Connected done) override {
    done(service_unavailable("this server is alone"));
  }
};

// Brings all that the log has into the database.
Result<void> settle_log(const ServerOptions& options) {
  const std::string& data_dir = options.node.data_dir;
  const std::string config_path = options.encryption_config.empty()
                                      ? apiserver::encryption_config_path(data_dir)
                                      : options.encryption_config;
  const api::Value config =
      ORCH_TRY(apiserver::open_encryption_config(config_path, system_clock(), system_random()));
  const auto encryption = ORCH_TRY(
      apiserver::Encryption::create(config, config_path, api::Schema::builtin(), system_random()));
  const std::string tls = data_dir + "/server/tls";
  const auto ca = ORCH_TRY(apiserver::open_ca(tls, system_clock()));
  NoStreams streams;
  store::Replication replication;
  replication.server = ORCH_TRY(cluster::open_identity(tls, ca, system_clock())).id;
  replication.address = "127.0.0.1:6443";
  replication.alone = true;
  replication.streams = &streams;
  store::Options store;
  store.directory = data_dir + "/server/db";
  store.cipher = &encryption;
  store.replication = &replication;
  const auto opened =
      ORCH_TRY(store::Store::open(std::move(store), [](auto, auto) { return store::Tags{}; }));
  std::promise<Result<void>> promise;
  opened->sync([&](Result<void> synced) { promise.set_value(std::move(synced)); });
  auto settled = promise.get_future().get();
  opened->close();
  return settled;
}

Result<void> reset(const ServerOptions& options) {
  ORCH_TRY(prepare_process(options.node));
  const std::string& data_dir = options.node.data_dir;
  auto enrollment = ORCH_TRY(cluster::read_enrollment(data_dir));
  if (!enrollment)
    return bad_request(
        "--cluster-reset: this server is a single one, which is the whole cluster already; with "
        "--cluster-reset-restore-path it goes back to a snapshot");
  ORCH_TRY(settle_log(options));
  const auto place = snapshots::place_of(data_dir, options.snapshot_dir);
  const auto saved = ORCH_TRY(snapshots::save(place, "cluster-reset"));
  const auto restored = ORCH_TRY(snapshots::restore(place, saved.path));
  enrollment->cluster = cluster::new_cluster_number(system_random());
  enrollment->begins = true;
  ORCH_TRY(cluster::write_enrollment(data_dir, *enrollment));
  std::printf(
      "this server is the whole cluster now, with %lld objects; revisions go on at %lld\n"
      "what was there before is in %s\n"
      "start it now, without --cluster-reset; on each of the others move %s/server away, and let\n"
      "it join anew\n",
      static_cast<long long>(restored.manifest.objects), static_cast<long long>(restored.revision),
      restored.set_aside.c_str(), data_dir.c_str());
  return {};
}

}  // namespace

int run_reset_to_one(const ServerOptions& options) {
  const auto done = reset(options);
  return done ? 0 : fail(done.status());
}

}  // namespace orch::cli
