// in_flight: how many requests are worked on at once, by kind, so that a flood of one kind can't
// take the server from all others: beyond its limit a request is told to come back in a second
// (429). The limits are kube-apiserver's --max-requests-inflight and
// --max-mutating-requests-inflight.
//
// Whoever keeps the cluster alive goes by a lane of their own, which a flood of others can't fill:
// nodes, what runs in kube-system, the control plane's programs where they run elsewhere.
// Administrators and health checks are never turned away. (Loops of this process don't come by here
// at all; they call the registry.) Long-running requests (watch, log, exec) hold no place: they
// have limits of their own.
//
// Thread-safe; atomics only.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "server/apiserver/user.h"

namespace orch::apiserver {

inline constexpr int kMaxReadOnlyInFlight = 400;
inline constexpr int kMaxMutatingInFlight = 200;
inline constexpr int kMaxSystemInFlight = 200;
inline constexpr int kRetryAfterS = 1;

enum class Lane : uint8_t { exempt, system, ordinary };

// Which lane a request takes. `path` as in Target.
Lane lane_of(const User& user, std::string_view path);

class InFlight {
 public:
  // A request's place, given back when it is destroyed.
  class Place {
   public:
    Place() = default;
    // Of a request that `count` counts already; it must outlive the place.
    explicit Place(std::atomic<int>* count) : count_(count) {}
    Place(Place&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      leave();
      count_ = std::exchange(other.count_, nullptr);
      return *this;
    }
    ~Place() { leave(); }

   private:
    void leave() {
      if (count_) count_->fetch_sub(1, std::memory_order_relaxed);
    }
    std::atomic<int>* count_ = nullptr;
  };

  // 0: no limit.
  struct Limits {
    int read_only = kMaxReadOnlyInFlight, mutating = kMaxMutatingInFlight;
    int system = kMaxSystemInFlight;
  };
  explicit InFlight(Limits limits) : limits_(limits) {}

  // 429 with a time to wait when too many of that kind are under way.
  Result<Place> enter(bool mutating, Lane lane);

  int read_only() const { return read_only_.load(std::memory_order_relaxed); }
  int mutating() const { return mutating_.load(std::memory_order_relaxed); }
  int in_system_lane() const { return system_.load(std::memory_order_relaxed); }

 private:
  const Limits limits_;
  std::atomic<int> read_only_{0}, mutating_{0}, system_{0};
};

}  // namespace orch::apiserver
