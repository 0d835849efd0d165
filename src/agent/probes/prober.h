// Prober: runs the probes of the containers on this node when they are due.
//
// Timers exist only for probes that specs ask for; probes run on a few threads that come and go
// with the work. A container's liveness and readiness probes begin when its startup probe (if any)
// has passed.
//
// Threads: all methods are thread-safe and don't block. The listener is called on a probing thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "agent/probes/probe_state.h"
#include "agent/probes/run_probe.h"
#include "base/clock.h"
#include "base/task_pool.h"
#include "base/timers.h"

namespace orch::probes {

struct Watched {
  std::string pod_uid;
  ProbeTarget target;
  WallTime started_at{};
};

// What the probes of one container say now.
struct Health {
  bool started = false;   // No startup probe, or it has passed.
  bool ready = false;     // Started, and no readiness probe, or it passes.
  std::string unhealthy;  // "liveness" or "startup" when that probe has failed for good.

  bool operator==(const Health&) const = default;
};

struct Report {
  std::string pod_uid, container, container_id;
  Kind kind = Kind::liveness;
  Outcome outcome;
  bool health_changed = false;
};

class Prober {
 public:
  static constexpr size_t kMaxThreads = 8;
  using Listener = std::function<void(const Report&)>;

  Prober(Timers& timers, Clock& clock, Exec exec, Listener listener);
  ~Prober() { stop(); }

  // Begins; nothing happens when that container is watched already.
  void watch(Watched watched);
  void forget(const std::string& container_id);
  Health health(const std::string& container_id) const;  // All false when not watched.
  // No probe runs after this.
  void stop();

 private:
  struct Entry {
    Watched watched;
    std::map<Kind, ProbeState> states;
  };
  static Health health_of(const Entry& entry);
  void schedule(const Entry& entry, Kind kind, bool first);
  void probe(const std::string& container_id, Kind kind);
  void take_result(const std::string& container_id, Kind kind, Outcome outcome);

  Timers& timers_;
  Clock& clock_;
  const Exec exec_;
  const Listener listener_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;  // By container id.
  bool stopped_ = false;
  TaskPool pool_{kMaxThreads};
};

}  // namespace orch::probes
