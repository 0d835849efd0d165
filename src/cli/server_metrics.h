// server_metrics: what the loops and the scheduler of `orch server` tell at /metrics, under the
// names that kube-controller-manager and kube-scheduler give it. PURE.
#pragma once

#include <string>
#include <vector>

#include "client/loop_runner.h"
#include "server/scheduler/scheduler.h"

namespace orch::cli {

void append_loop_metrics(std::string* out, const std::vector<client::LoopMetrics>& loops);
void append_scheduler_metrics(std::string* out, const scheduler::SchedulerMetrics& scheduler);

}  // namespace orch::cli
