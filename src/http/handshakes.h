// Handshakes: the connections whose TLS handshake isn't done, oldest first. They cost memory before
// anybody has said who he is, so there may be only so many: the newest takes the place of the
// oldest, which has had its time. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

namespace orch::http {

class Handshakes {
 public:
  using GiveUp = std::function<void()>;  // Quick; called on the thread of another's begin().

  explicit Handshakes(size_t max) : max_(max) {}

  // A ticket for end().
  uint64_t begin(GiveUp give_up) {
    GiveUp oldest;
    uint64_t ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      ticket = ++last_;
      open_.emplace(ticket, std::move(give_up));
      if (open_.size() > max_) oldest = std::move(open_.extract(open_.begin()).mapped());
    }
    if (oldest) oldest();
    return ticket;
  }
  void end(uint64_t ticket) {
    const std::lock_guard lock(mutex_);
    open_.erase(ticket);
  }

 private:
  const size_t max_;
  std::mutex mutex_;
  uint64_t last_ = 0;
  std::map<uint64_t, GiveUp> open_;
};

}  // namespace orch::http
