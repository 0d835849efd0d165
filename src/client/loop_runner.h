// LoopRunner: everything that control loops have in common, owned once for all of them. It turns
// changes of the cache into keys, hands each key to one worker at a time, backs off after failures,
// runs keys again when they asked for it, and keeps the fence; a Reconciler is left with nothing
// but what is its own.
//
// The fence (instead of Kubernetes' "expectations"): the runner notes what a key's reconcile wrote
// through api() and does not run that key again before the cache has shown it. So a loop never acts
// on a state from before its own last act, and can't create or delete anything twice.
//
// One small pool of threads serves all loops. Nothing polls: an idle runner sleeps on one condition
// variable, with a time limit only when a key asked to run again later.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/histogram.h"
#include "client/api.h"
#include "client/work_queue.h"

namespace orch::client {

// When a key that was reconciled without error runs again by itself.
class Requeue {
 public:
  static Requeue never() { return Requeue(std::nullopt); }
  static Requeue after(std::chrono::milliseconds delay) { return Requeue(delay); }
  // The earlier of two.
  static Requeue sooner(Requeue a, Requeue b);

  const std::optional<std::chrono::milliseconds>& delay() const { return delay_; }

 private:
  explicit Requeue(std::optional<std::chrono::milliseconds> delay) : delay_(delay) {}
  std::optional<std::chrono::milliseconds> delay_;
};

// A change whose objects are parsed when first asked for, once for all loops that watch it.
// Used on the cache's thread only.
class ChangedObject {
 public:
  explicit ChangedObject(const Change& change) : change_(change) {}

  const Change& change() const { return change_; }
  const ObjectKey& key() const { return change_.key; }
  bool added() const { return change_.type == Change::Type::added; }
  bool deleted() const { return change_.type == Change::Type::deleted; }
  const api::Value& object() const;    // For deleted: its last state.
  const api::Value& previous() const;  // Null when added.

 private:
  const Change& change_;
  mutable std::optional<api::Value> object_, previous_;
};

// What a loop watches: each change of `resource` adds the keys that `keys` names. `keys` runs on
// the cache's thread: it must be quick and call neither Api nor Cache.
struct Watch {
  const api::Resource* resource = nullptr;
  std::function<std::vector<ObjectKey>(const ChangedObject&)> keys;
};
// The watch of a loop's own kind: the changed object's own key.
Watch watch_own(const api::Resource& resource);

// One control loop. reconcile() is called by any worker, for different keys at the same time, for
// one key never twice at once. It makes the world right for `key` from what it reads then, keeping
// no memory of earlier calls that matters. A Status runs it again after a backoff.
class Reconciler {
 public:
  virtual ~Reconciler() = default;
  virtual std::string_view name() const = 0;  // "replicaset"; for logs and metrics.
  virtual std::vector<Watch> watches() = 0;   // Asked once, at start.
  virtual Result<Requeue> reconcile(const ObjectKey& key) = 0;
};

// What one loop has done since the start.
struct LoopMetrics {
  std::string name;
  uint64_t runs = 0, failures = 0, requeues = 0, fence_waits = 0;
  uint64_t adds = 0;   // Keys that began to wait.
  double seconds = 0;  // Spent in reconcile().
  size_t depth = 0;    // Keys waiting now.
  // How long keys waited since they were due, and were worked on.
  std::shared_ptr<Histogram> waited = std::make_shared<Histogram>(kQueueLimitsS);
  std::shared_ptr<Histogram> worked = std::make_shared<Histogram>(kQueueLimitsS);
};

class LoopRunner {
 public:
  // All three must outlive the runner.
  LoopRunner(Api& api, Cache& cache, const Clock& clock);
  ~LoopRunner();  // Stops.

  // The door that reconcilers must write through: it takes notes for the fence. Usable from any
  // thread; outside of a reconcile it is the plain Api.
  Api& api();

  // Before start().
  void add(std::unique_ptr<Reconciler> reconciler);

  // Subscribes to what the loops watch and starts `threads` workers, which begin when the cache has
  // synced. With 0 threads nothing runs but what run_pending() runs.
  void start(int threads);
  // Ends after the reconciles under way. Idempotent; start() may follow again.
  void stop();

  // Adds a key of the loop called `loop` by hand.
  void enqueue(std::string_view loop, const ObjectKey& key);
  // Runs, on this thread, everything that is due now, until nothing is or `max_runs` were made.
  // How many ran. For tests and simulations, with start(0).
  int run_pending(int max_runs = 100'000);

  std::vector<LoopMetrics> metrics() const;

 private:
  class NotingApi;
  struct Removal {
    const api::Resource* resource = nullptr;
    ObjectKey key;
    std::string uid;
  };
  // What one reconcile wrote and the cache has to show before the key runs again.
  struct Fence {
    int64_t revision = 0;
    std::vector<Removal> removals;
    bool empty() const { return revision == 0 && removals.empty(); }
  };
  struct Loop {
    std::unique_ptr<Reconciler> reconciler;
    LoopMetrics metrics;
  };
  struct LoopWatch {
    size_t loop = 0;
    Watch watch;
  };

  void subscribe();
  void work();
  void on_change(const std::vector<LoopWatch>& watches, const Change& change);
  void on_revision(int64_t revision);
  void add_key(const WorkItem& item);
  int note_taken(const WorkItem& item, MonoTime now);
  bool wait_behind_fence(const WorkItem& item);
  bool reached(const Fence& fence) const;
  void run(const WorkItem& item);

  Cache& cache_;
  const Clock& clock_;
  std::unique_ptr<NotingApi> api_;
  std::vector<Loop> loops_;
  std::vector<std::unique_ptr<Cache::Subscription>> subscriptions_;
  std::vector<std::thread> workers_;

  mutable std::mutex mutex_;  // Guards everything below, and Loop::metrics.
  std::condition_variable wake_;
  WorkQueue queue_;
  std::map<WorkItem, Fence> fences_;
  std::set<WorkItem> parked_;              // Items that wait for their fence.
  std::map<WorkItem, MonoTime> added_at_;  // Items that wait since they were added.
  int64_t told_revision_ = 0;
  int histories_ = 0;  // How often the cache went back to an older one.
  bool stopping_ = false;
};

}  // namespace orch::client
