// leader_loops: the controllers and the scheduler during one term in which this server leads. Made
// anew for each term, so that nothing of an earlier one is left in them.
#pragma once

#include <memory>

#include "client/event_recorder.h"
#include "server/apiserver/leading.h"
#include "server/apiserver/server.h"
#include "server/controllers/controllers.h"
#include "server/scheduler/scheduler.h"

namespace orch::cli {

struct LoopSetup {
  controllers::ControllerOptions controllers;
  bool run_controllers = true, run_scheduler = true;
};

class LeaderLoops : public apiserver::Leading::Work {
 public:
  // Starts them. What they write is refused once the term is over.
  LeaderLoops(apiserver::ApiServer& server, const LoopSetup& setup, uint64_t term);
  ~LeaderLoops() override;

 private:
  const std::unique_ptr<client::Api> controllers_api_, scheduler_api_;
  controllers::Controllers controllers_;
  client::EventRecorder events_;
  scheduler::Scheduler scheduler_;
  std::shared_ptr<void> metrics_;  // Goes first.
};

}  // namespace orch::cli
