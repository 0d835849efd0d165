// in_flight: how many requests are worked on at once, by kind, so that a flood of one kind can't
// take the server from all others: beyond its limit a request is told to come back in a second
// (429). The limits are kube-apiserver's --max-requests-inflight and
// --max-mutating-requests-inflight.
//
// Whoever keeps the cluster alive is never turned away: system:masters and the nodes. (Loops of
// this process don't come by here at all; they call the registry.) Long-running requests (watch,
// log, exec) hold no place: they have limits of their own and are only counted.
//
// Thread-safe; atomics only.
#pragma once

#include <atomic>
#include <utility>

#include "base/result.h"
#include "server/apiserver/user.h"

namespace orch::apiserver {

inline constexpr int kMaxReadOnlyInFlight = 400;
inline constexpr int kMaxMutatingInFlight = 200;
inline constexpr int kRetryAfterS = 1;

class InFlight {
 public:
  // A request's place, given back when it is destroyed.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      leave();
      count_ = std::exchange(other.count_, nullptr);
      return *this;
    }
    ~Place() { leave(); }

   private:
    friend class InFlight;
    explicit Place(std::atomic<int>* count) : count_(count) {}
    void leave() {
      if (count_) count_->fetch_sub(1, std::memory_order_relaxed);
    }
    std::atomic<int>* count_ = nullptr;
  };

  explicit InFlight(int max_read_only = kMaxReadOnlyInFlight,
                    int max_mutating = kMaxMutatingInFlight)
      : max_read_only_(max_read_only), max_mutating_(max_mutating) {}

  // 429 with a time to wait when too many of that kind are under way.
  Result<Place> enter(bool mutating, bool exempt);
  Place enter_long_running();

  int read_only() const { return read_only_.load(std::memory_order_relaxed); }
  int mutating() const { return mutating_.load(std::memory_order_relaxed); }
  int long_running() const { return long_running_.load(std::memory_order_relaxed); }

 private:
  const int max_read_only_, max_mutating_;
  std::atomic<int> read_only_{0}, mutating_{0}, long_running_{0};
};

// Whom the limits don't hold for.
bool is_exempt(const User& user);

}  // namespace orch::apiserver
