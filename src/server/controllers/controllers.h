// Controllers: all control loops of the control plane, wired into one LoopRunner. `orch server`
// makes one and starts it when the API answers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/schema.h"
#include "base/clock.h"
#include "base/net_address.h"
#include "client/event_recorder.h"
#include "client/loop_runner.h"
#include "crypto/pki.h"

namespace orch::controllers {

struct ControllerOptions {
  crypto::Identity ca;    // Signs certificates; its own is what kube-root-ca.crt shows.
  std::string token_key;  // Signs the tokens that stand in Secrets. PEM; "" = none are made.
  Cidr cluster_cidr;      // Nodes get their pod ranges from it.
  int threads = 2;        // Shared by all loops.
  // Leases that show that this server leads, and as whom (leader_lease.h).
  std::string holder = {};
  std::vector<std::string> leader_leases = {};
};

// All must outlive what is made.
struct ControllerWorld {
  client::Api& api;
  client::Cache& cache;
  const api::Schema& schema;
  client::EventSink& events;
  const Clock& clock;
};

// One of each controller. They write through `world.api`, which should be a LoopRunner's.
std::vector<std::unique_ptr<client::Reconciler>> make_controllers(const ControllerWorld& world,
                                                                  const ControllerOptions& options);

class Controllers {
 public:
  // As in ControllerWorld; events are recorded through `api`. All must outlive this.
  Controllers(client::Api& api, client::Cache& cache, const api::Schema& schema, const Clock& clock,
              Random& random, ControllerOptions options);

  void start();
  void stop();  // Ends after the work under way. Idempotent.
  std::vector<client::LoopMetrics> metrics() const { return runner_.metrics(); }

 private:
  const ControllerOptions options_;
  client::EventRecorder events_;
  client::LoopRunner runner_;
};

}  // namespace orch::controllers
