// ProposalQueue: writes on their way from any thread to the log's, bounded. Also what the log has
// taken and not begun yet counts, so that a log that can't go on holds its writers.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "store/log.h"

namespace orch::store {

class ProposalQueue {
 public:
  ProposalQueue(size_t max_writes, size_t max_bytes)
      : max_writes_(max_writes), max_bytes_(max_bytes) {}

  static size_t size_of(const Write& write) {
    return write.key.size() + (write.bytes ? write.bytes->size() : 0);
  }

  // As Log::propose(). True when the log's thread is to be woken.
  bool put(Proposal proposal, Log::WhenFull when_full) {
    std::unique_lock lock(mutex_);
    if (when_full == Log::WhenFull::wait) {
      room_.wait(lock, [this] { return closed_ || has_room(); });
    }
    if (closed_ || !has_room()) {
      const bool closed = closed_;
      lock.unlock();
      proposal.done(closed ? service_unavailable("the store is closed")
                           : too_many_requests("too many writes wait for the store", 1));
      return false;
    }
    bytes_ += size_of(proposal.write);
    queue_.push_back(std::move(proposal));
    return queue_.size() == 1;
  }

  // The log's thread.
  std::vector<Proposal> take() {
    const std::lock_guard lock(mutex_);
    bytes_ = 0;
    return std::exchange(queue_, {});
  }
  void set_taken(size_t writes, size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      taken_writes_ = writes;
      taken_bytes_ = bytes;
    }
    room_.notify_all();
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    room_.notify_all();
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  // A single write that is larger than the limit still goes in alone.
  bool has_room() const {
    const size_t writes = queue_.size() + taken_writes_;
    return writes < max_writes_ && (writes == 0 || bytes_ + taken_bytes_ < max_bytes_);
  }

  const size_t max_writes_, max_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::vector<Proposal> queue_;
  size_t bytes_ = 0, taken_writes_ = 0, taken_bytes_ = 0;
  bool closed_ = false;
};

}  // namespace orch::store
