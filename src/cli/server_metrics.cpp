#include "cli/server_metrics.h"

#include "server/apiserver/metrics_text.h"

namespace orch::cli {

using apiserver::append_family;
using apiserver::append_histogram;
using apiserver::append_sample;
using apiserver::labels;
using client::LoopMetrics;

void append_loop_metrics(std::string* out, const std::vector<LoopMetrics>& loops) {
  const auto family = [&](std::string_view name, std::string_view type, std::string_view help,
                          auto value_of) {
    append_family(out, name, type, help);
    for (const LoopMetrics& loop : loops) {
      append_sample(out, name, labels({{"name", loop.name}}), static_cast<double>(value_of(loop)));
    }
  };
  family("workqueue_depth", "gauge", "Keys that wait.",
         [](const LoopMetrics& loop) { return loop.depth; });
  family("workqueue_adds_total", "counter", "Keys that were added.",
         [](const LoopMetrics& loop) { return loop.adds; });
  family("workqueue_retries_total", "counter", "Keys that ran again after a failure or a delay.",
         [](const LoopMetrics& loop) { return loop.failures + loop.requeues; });
  const std::string waited = "workqueue_queue_duration_seconds";
  append_family(out, waited, "histogram", "How long a key waited.");
  for (const LoopMetrics& loop : loops) {
    append_histogram(out, waited, labels({{"name", loop.name}}), *loop.waited);
  }
  const std::string worked = "workqueue_work_duration_seconds";
  append_family(out, worked, "histogram", "How long a key was worked on.");
  for (const LoopMetrics& loop : loops) {
    append_histogram(out, worked, labels({{"name", loop.name}}), *loop.worked);
  }
}

void append_scheduler_metrics(std::string* out, const scheduler::SchedulerMetrics& scheduler) {
  constexpr std::string_view kPending = "scheduler_pending_pods";
  append_family(out, kPending, "gauge", "Pods without a node, by why.");
  const auto pending = [&](std::string_view queue, size_t count) {
    append_sample(out, kPending, labels({{"queue", queue}}), static_cast<double>(count));
  };
  pending("active", scheduler.active);
  pending("backoff", scheduler.backoff);
  pending("unschedulable", scheduler.unschedulable);
  pending("gated", scheduler.gated);

  const auto each = [&](auto visit) {
    const std::string profile = labels({{"profile", scheduler::kSchedulerName}});
    visit(labels({{"result", "scheduled"}}) + "," + profile, scheduler.attempts.scheduled);
    visit(labels({{"result", "unschedulable"}}) + "," + profile, scheduler.attempts.unschedulable);
    visit(labels({{"result", "error"}}) + "," + profile, scheduler.attempts.error);
  };
  constexpr std::string_view kAttempts = "scheduler_schedule_attempts_total";
  append_family(out, kAttempts, "counter", "Attempts to give a pod a node.");
  each([&](const std::string& text, const Histogram& histogram) {
    append_sample(out, kAttempts, text, static_cast<double>(histogram.total()));
  });
  const std::string took = "scheduler_scheduling_attempt_duration_seconds";
  append_family(out, took, "histogram", "From choosing a pod until its binding.");
  each([&](const std::string& text, const Histogram& histogram) {
    append_histogram(out, took, text, histogram);
  });
}

}  // namespace orch::cli
