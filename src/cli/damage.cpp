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
  if (!store::is_damaged(failure) || cluster_ == nullptr || !cluster_->knows_others()) return;
  {
    const std::lock_guard lock(mutex_);
    if (found_) return;
    found_ = failure;
  }
  // The next start may not come upon it again.
  if (auto begun = cluster::begin_repair(data_dir_, failure.message); !begun) {
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
