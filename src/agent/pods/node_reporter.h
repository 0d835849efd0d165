// NodeReporter: registers the Node, keeps its Lease and its status fresh, and tells which pod CIDR
// the cluster gave it. One job every 10 seconds; nothing in between.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "agent/images/images.h"
#include "agent/pods/node_object.h"
#include "base/task_pool.h"
#include "base/timers.h"
#include "client/api.h"

namespace orch::pods {

class NodeReporter {
 public:
  static constexpr int64_t kBeatS = 10;          // The Lease.
  static constexpr int64_t kStatusEveryS = 300;  // The status, when nothing changed.
  static constexpr int64_t kFirstRetryMs = 200;  // While registering fails; doubles up to kBeatS.

  struct Parts {
    client::Api& api;
    client::Cache& cache;
    images::Images& images;
    Clock& clock;
    Timers& timers;
    std::string data_dir;
  };
  // `on_pod_cidr` is called on a thread of the reporter's whenever node.spec.podCIDR is seen anew.
  NodeReporter(Parts parts, NodeInput input, std::function<void(const std::string&)> on_pod_cidr);
  ~NodeReporter() { stop(); }

  void start();
  void stop();  // Idempotent.
  // Reports at once: the network became ready, or not for this reason.
  void set_network(bool ready, const std::string& reason);
  // Reports soon: images have changed.
  void report_soon();

 private:
  void beat();
  Result<void> beat_once();
  Result<void> register_node();
  Result<void> write_lease();
  Result<void> write_status(const NodeInput& input, bool beat);
  void schedule(std::chrono::milliseconds delay);

  Parts parts_;
  const std::function<void(const std::string&)> on_pod_cidr_;

  std::mutex mutex_;
  NodeInput input_;
  bool stopped_ = false;

  // The beating job's own.
  api::Value node_, lease_;
  std::string pod_cidr_;
  WallTime status_written_{};
  std::chrono::milliseconds retry_{kFirstRetryMs};

  std::unique_ptr<client::Cache::Subscription> subscription_;
  TaskPool pool_{1};
};

}  // namespace orch::pods
