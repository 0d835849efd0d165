// Damage: what `orch server` does when it turns out that its store is damaged (store/damage.h). One
// of several servers repairs itself (server/cluster/repair.h): at once when that is found at a
// start, else by ending, for its next start to do so. A single one says what can be restored. A
// server that was removed while it ran ends, too.
#pragma once

#include <mutex>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "server/cluster/cluster.h"

namespace orch::cli {

// Of one run of the server.
class Damage {
 public:
  // `cluster` is null where the state lies elsewhere; else it outlives this.
  Damage(std::string data_dir, const cluster::Cluster* cluster);

  // Any thread. Does nothing for a server that knows no others, and for failures of other kinds.
  void tell(const Status& failure);
  int told_fd() const { return told_.get(); }  // Readable once the server has to end.
  std::optional<Status> found() const;

  // Begins a repair of what keeps the server from starting, or gives back why it can't start.
  Result<void> answer(Status failure);

 private:
  const std::string data_dir_;
  const cluster::Cluster* const cluster_;
  const UniqueFd told_;
  mutable std::mutex mutex_;
  std::optional<Status> found_;
};

}  // namespace orch::cli
