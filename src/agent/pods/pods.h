// Pods: all pods of this node. Level-triggered: whatever happens (the API says something, a
// container ends, a probe fails, a pull is done, a time has come) only wakes the pod's worker,
// which then looks for itself.
//
// A few threads serve all pods, at most one of them each pod at a time; they are gone when nothing
// is to do. On start the pods of the records run on (or start, after a reboot, without a server in
// sight); once the cache is in step with the cluster, what it does not know is stopped and removed.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/pods/node_context.h"
#include "agent/pods/object_watches.h"
#include "agent/pods/pod_worker.h"
#include "base/fd.h"
#include "base/task_pool.h"
#include "base/timers.h"
#include "client/api.h"

namespace orch::pods {

class Pods {
 public:
  static constexpr size_t kMaxSyncThreads = 6;
  static constexpr size_t kMaxJobThreads = 16;  // Pulls and hooks under way.

  struct Parts {
    runtime::Runtime& runtime;
    images::Images& images;
    volumes::Volumes& volumes;
    PodNetwork& network;
    client::Api& api;
    client::Cache& cache;
    client::EventSink& events;
    Clock& clock;
    Timers& timers;
    NodeFacts facts;
  };
  explicit Pods(Parts parts);
  ~Pods() { stop(); }

  // Reads the records, subscribes, begins. Once.
  Result<void> start();
  // Containers run on; pulls, hooks and probes under way are given up. Idempotent.
  void stop();

  // The network is set up, or something else that all pods may wait for has come.
  void wake_all();

  // Any thread.
  std::vector<api::Value> list() const;
  std::shared_ptr<PodWorker> find(const std::string& ns, const std::string& name) const;
  runtime::Runtime& runtime() { return parts_.runtime; }
  const NodeFacts& facts() const { return parts_.facts; }

 private:
  struct Entry {
    std::shared_ptr<PodWorker> worker;
    client::ObjectKey key;
    bool running = false, dirty = false;
    bool seen = false;  // The API told of it since start.
  };
  void wake(const std::string& uid);
  void submit(const std::string& uid);  // Under the lock.
  void sync_one(const std::string& uid);
  void take_change(const client::Change& change);
  void take_object_change(const api::Resource& resource, const client::Change& change);
  void take_report(const probes::Report& report);
  void add(PodRecord record, bool seen);
  void load_records();
  // Runs once: waits for the cache, then lets go of what the cluster does not know.
  void collect_leftovers();
  void remove_orphans();

  Parts parts_;
  std::unique_ptr<probes::Prober> prober_;
  TaskPool jobs_{kMaxJobThreads};
  std::unique_ptr<NodeContext> node_;

  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // By uid.
  std::atomic<bool> stopped_ = false;
  const UniqueFd stop_fd_;  // An eventfd, signalled by stop().
  std::vector<std::unique_ptr<client::Cache::Subscription>> subscriptions_;
  ObjectWatches objects_;
  TaskPool pool_{kMaxSyncThreads};
};

}  // namespace orch::pods
