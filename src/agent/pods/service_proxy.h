// ServiceProxy: keeps this node's packet filter, DNS zone and routes equal to what the cluster's
// Services, EndpointSlices, Nodes and this node's pods with host ports say. Changes that come
// together are written together, by one job at a time.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/dns/server.h"
#include "base/task_pool.h"
#include "base/timers.h"
#include "client/api.h"
#include "netfilter/rules.h"

namespace orch::pods {

class ServiceProxy {
 public:
  static constexpr int kGatherMs = 20;    // How long changes wait for company.
  static constexpr int kRetryMs = 5'000;  // After a failure.

  struct Parts {
    client::Cache& cache;
    dns::Server* dns = nullptr;  // May be null: no cluster DNS.
    Clock& clock;
    Timers& timers;
    std::string node_name;
    std::string domain;
    bool write_rules = true;  // false: this kernel has no packet filter of ours.
  };
  explicit ServiceProxy(Parts parts);
  ~ServiceProxy() { stop(); }

  // Rules stay as they are when it stops.
  void start();
  void stop();  // Idempotent.
  // Before it, only the DNS zone is kept.
  void set_network(const netfilter::NodeNet& net);

 private:
  void touch(int delay_ms);
  void write();
  bool write_services();
  bool write_routes();

  Parts parts_;
  std::mutex mutex_;
  std::optional<netfilter::NodeNet> net_;
  bool started_ = false, stopped_ = false;
  // The writing job's own.
  bool synced_ = false;
  std::optional<netfilter::ServiceTable> written_;
  std::optional<netfilter::NodeNet> written_net_;

  std::vector<std::unique_ptr<client::Cache::Subscription>> subscriptions_;
  TaskPool pool_{1};
};

}  // namespace orch::pods
