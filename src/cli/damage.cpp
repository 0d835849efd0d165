#include "cli/damage.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "server/cluster/repair.h"
#include "store/damage.h"
#include "store/table.h"

namespace orch::cli {

Damage::Damage(std::string data_dir, const cluster::Cluster* cluster)
    : data_dir_(std::move(data_dir)),
      cluster_(cluster),
      told_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  ORCH_CHECK(told_.valid());
}

void Damage::tell(const Status& failure) {
  const bool removed = store::is_removed(failure);
  if (!removed && !store::is_damaged(failure)) return;
  if (cluster_ == nullptr || !cluster_->knows_others()) return;
  {
    const std::lock_guard lock(mutex_);
    if (found_) return;
    found_ = failure;
  }
  // The next start may not come upon it again.
  const auto begun = removed ? Result<void>() : cluster::begin_repair(data_dir_, failure.message);
  if (!begun) {
    log::error("server", "note that the store is damaged: " + begun.status().message);
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(told_.get(), &one, sizeof one);
}

std::optional<Status> Damage::found() const {
  const std::lock_guard lock(mutex_);
  return found_;
}

Result<void> Damage::answer(Status failure) {
  if (!store::is_damaged(failure)) return failure;
  // A single server's says so already.
  if (cluster_ == nullptr || cluster_->replication() == nullptr) return failure;
  if (!cluster_->knows_others()) return store::unreadable(std::move(failure));
  return cluster::begin_repair(data_dir_, failure.message);
}

}  // namespace orch::cli
