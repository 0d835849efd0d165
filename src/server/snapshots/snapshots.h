// snapshots: copies of all that makes a cluster this cluster: its database, and the rest of
// <data-dir>/server with it (certificates and their keys, the key of service accounts' tokens,
// secrets that seal Secrets, the token that nodes join with). So a restore needs nothing else, and
// a snapshot must be kept as safe as what it holds; its file mode is 0600.
//
// A copy is made from the files, beside a running server or without one. A restore puts a whole
// new folder in the place of the old one, which is kept; it needs the server stopped.
//
// Called by cli/snapshot.cpp, cli/server.cpp and schedule.cpp. Blocking; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "server/snapshots/archive.h"

namespace orch::snapshots {

// After a restore revisions go on so far above all that are known, for clients may have seen some
// that were lost. Kubernetes' advice for etcd (--bump-revision).
inline constexpr int64_t kRevisionGap = 1'000'000'000;

inline constexpr const char* kScheduledName = "scheduled";
inline constexpr const char* kOnDemandName = "on-demand";

struct Place {
  std::string data_dir;
  std::string dir;  // Where snapshots lie.
  const Clock* clock = &system_clock();
};
// `dir` "": <data-dir>/snapshots.
Place place_of(const std::string& data_dir, const std::string& dir);

struct Snapshot {
  std::string path;
  std::string file;  // "on-demand-20260102T030405.678Z.tar.gz"
  std::string name;  // "on-demand"
  WallTime created;  // As the file's name says.
  int64_t bytes = 0;
};

// NotFound when there is no cluster in the data directory.
Result<Snapshot> save(const Place& place, const std::string& name);

// Oldest first. Files of other names are not snapshots and stay alone.
Result<std::vector<Snapshot>> list(const Place& place);

// Removes the oldest of this name until `keep` are left; gives those removed.
Result<std::vector<Snapshot>> prune(const Place& place, const std::string& name, size_t keep);

struct Restored {
  Manifest manifest;
  int64_t revision = 0;   // Where the cluster goes on.
  std::string set_aside;  // What was there before; "" when there was nothing.
};
// `what`: a path, or the name of a file in the place. ServiceUnavailable while the server runs.
// Until all is read, checked and on disk nothing is changed.
Result<Restored> restore(const Place& place, const std::string& what);

// The path that `what` means.
std::string find(const Place& place, const std::string& what);

}  // namespace orch::snapshots
