#include "cli/leader_loops.h"

#include "cli/server_metrics.h"

namespace orch::cli {

LeaderLoops::LeaderLoops(apiserver::ApiServer& server, const LoopSetup& setup, uint64_t term)
    : controllers_api_(server.api("system:kube-controller-manager", term)),
      scheduler_api_(server.api("system:kube-scheduler", term)),
      controllers_(*controllers_api_, server.cache(), api::Schema::builtin(), system_clock(),
                   system_random(), setup.controllers),
      events_(*scheduler_api_, system_clock(), system_random(), {scheduler::kSchedulerName, ""}),
      scheduler_(*scheduler_api_, server.cache(), events_, system_clock()) {
  if (setup.run_controllers) controllers_.start();
  if (setup.run_scheduler) scheduler_.start();
  metrics_ = server.add_metrics([this](std::string* out) {
    append_loop_metrics(out, controllers_.metrics());
    append_scheduler_metrics(out, scheduler_.metrics());
  });
}

LeaderLoops::~LeaderLoops() {
  metrics_.reset();
  scheduler_.stop();
  controllers_.stop();
}

}  // namespace orch::cli
