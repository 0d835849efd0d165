// `orch snapshot`: works on the files themselves, beside a running server or without one; and
// `orch server --cluster-reset`, which is a restore under the name that k3s gave it.
#include <cstdio>

#include "cli/process.h"
#include "cli/verbs.h"
#include "server/snapshots/snapshots.h"

namespace orch::cli {

namespace {

snapshots::Place place_of(const SnapshotOptions& options) {
  return snapshots::place_of(options.data_dir, options.snapshot_dir);
}

int run_restore(const snapshots::Place& place, const std::string& snapshot) {
  const auto restored = snapshots::restore(place, snapshot);
  if (!restored) return fail(restored.status());
  std::printf("restored %lld objects of %s; revisions go on at %lld\n",
              static_cast<long long>(restored->manifest.objects),
              restored->manifest.created.c_str(), static_cast<long long>(restored->revision));
  if (!restored->set_aside.empty())
    std::printf("what was there before is in %s\n", restored->set_aside.c_str());
  std::printf("start the server now, without --cluster-reset\n");
  return 0;
}

}  // namespace

int run_snapshot_save(const SnapshotOptions& options) {
  const auto saved = snapshots::save(place_of(options), options.save_name);
  if (!saved) return fail(saved.status());
  std::printf("saved %s (%lld bytes)\n", saved->path.c_str(), static_cast<long long>(saved->bytes));
  return 0;
}

int run_snapshot_list(const SnapshotOptions& options) {
  const auto list = snapshots::list(place_of(options));
  if (!list) return fail(list.status());
  std::printf("%-50s %-20s %9s %10s %12s\n", "NAME", "CREATED", "OBJECTS", "REVISION", "BYTES");
  int exit_code = 0;
  for (const snapshots::Snapshot& snapshot : *list) {
    const auto manifest = snapshots::read_manifest(snapshot.path);
    if (!manifest) {
      exit_code = fail(manifest.status());
      continue;
    }
    std::printf("%-50s %-20s %9lld %10lld %12lld\n", snapshot.file.c_str(),
                manifest->created.c_str(), static_cast<long long>(manifest->objects),
                static_cast<long long>(manifest->revision), static_cast<long long>(snapshot.bytes));
  }
  return exit_code;
}

int run_snapshot_check(const SnapshotOptions& options) {
  const auto manifest = snapshots::check(snapshots::find(place_of(options), options.snapshot));
  if (!manifest) return fail(manifest.status());
  std::printf("sound: %lld objects of %s\n", static_cast<long long>(manifest->objects),
              manifest->created.c_str());
  return 0;
}

int run_snapshot_restore(const SnapshotOptions& options) {
  return run_restore(place_of(options), options.snapshot);
}

int run_snapshot_prune(const SnapshotOptions& options) {
  const auto removed = snapshots::prune(place_of(options), options.prune_name, options.retention);
  if (!removed) return fail(removed.status());
  for (const snapshots::Snapshot& snapshot : *removed)
    std::printf("removed %s\n", snapshot.path.c_str());
  return 0;
}

int run_cluster_reset(const ServerOptions& options) {
  if (!options.cluster_reset)
    return fail(bad_request("--cluster-reset-restore-path needs --cluster-reset"));
  if (options.cluster_reset_restore_path.empty()) return run_reset_to_one(options);
  return run_restore(snapshots::place_of(options.node.data_dir, options.snapshot_dir),
                     options.cluster_reset_restore_path);
}

}  // namespace orch::cli
