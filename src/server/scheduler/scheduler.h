// Scheduler: gives every pending pod a node, by filter and score, through the binding subresource.
//
// It keeps a snapshot of the nodes with the summed requests of their pods, brought up to date by
// each change of the cache, never rebuilt: one pod costs O(nodes). A pod that was given a node
// counts there from that moment ("assumed"), before the cache shows it; if the binding fails it is
// taken back. Pods that fit nowhere sleep until a node or an assigned pod changes.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/task_pool.h"
#include "client/api.h"
#include "client/event_recorder.h"
#include "server/scheduler/filter.h"

namespace orch::scheduler {

inline constexpr const char* kSchedulerName = "default-scheduler";
// A binding that failed is tried again after 1, 2, 4 ... 10 s.
inline constexpr std::chrono::seconds kFirstRetry{1};
inline constexpr std::chrono::seconds kLastRetry{10};

// What it has done since the start, and what waits now.
struct SchedulerMetrics {
  size_t active = 0, backoff = 0, unschedulable = 0, gated = 0;
  // From choosing a pod until it was bound, or found to fit nowhere, or its binding failed.
  struct Attempts {
    Histogram scheduled{kAttemptLimitsS}, unschedulable{kAttemptLimitsS}, error{kAttemptLimitsS};
  };
  const Attempts& attempts;
};

class Scheduler {
 public:
  // Bindings under way at a time; more of them share one commit of the store.
  static constexpr size_t kBindThreads = 4;

  // All must outlive the scheduler.
  Scheduler(client::Api& api, client::Cache& cache, client::EventSink& events, const Clock& clock);
  ~Scheduler();

  // Watches pods and nodes and starts the scheduling thread.
  void start();
  // Ends after the bindings under way. Idempotent.
  void stop();

  SchedulerMetrics metrics() const;

  // For tests: watches only; then run_pending() schedules, on this thread, what waits and is due.
  void watch();
  void run_pending();

 private:
  enum class Place { active, unschedulable, delayed, gated, binding };
  // Order of scheduling: highest priority first, then first come.
  using Turn = std::tuple<int64_t, uint64_t, client::ObjectKey>;
  struct Pending {
    PodInfo pod;
    Turn turn;
    Place place = Place::active;
    int failures = 0;
    MonoTime due{};
    bool move_requested = false;  // The cluster changed while it was being placed.
  };
  struct Choice {
    PodInfo pod;
    std::string node;  // "" = none fits, because of `message`.
    std::string message;
    MonoTime began{};
  };

  void on_node(const client::Change& change);
  void on_pod(const client::Change& change);
  void add_pending(PodInfo pod, bool gated);
  void drop_pending(const client::ObjectKey& key);
  void place(Pending* pending, Place place);
  void assign(const PodInfo& pod, const std::string& node);
  void unassign(const client::ObjectKey& key);
  void wake_unschedulable();

  void work();
  std::optional<Choice> choose_next();
  void act(const Choice& choice);
  void bind_pod(const Choice& choice);
  void count(Histogram* attempts, const Choice& choice) const;
  void report_unschedulable(const Choice& choice);
  void report_gated(const client::ObjectKey& key);
  void set_condition(const client::ObjectKey& key, std::string_view reason,
                     std::string_view message);

  client::Api& api_;
  client::Cache& cache_;
  client::EventSink& events_;
  const Clock& clock_;
  std::unique_ptr<TaskPool> binders_;  // None: bind on the calling thread.
  std::thread thread_;

  SchedulerMetrics::Attempts attempts_;

  mutable std::mutex mutex_;  // Guards the rest.
  std::condition_variable wake_;
  bool stopping_ = false;
  std::map<std::string, NodeInfo> nodes_;
  // Pods that count on a node (bound or assumed), with that node in `node`.
  std::map<client::ObjectKey, PodInfo> assigned_;
  std::map<client::ObjectKey, Pending> pending_;
  std::set<Turn> active_;
  std::set<std::pair<MonoTime, client::ObjectKey>> delayed_;
  uint64_t turns_ = 0;

  // Last: their destructors wait for a call under way, which uses the members above.
  std::unique_ptr<client::Cache::Subscription> node_changes_, pod_changes_;
};

}  // namespace orch::scheduler
