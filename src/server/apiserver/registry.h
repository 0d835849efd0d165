// registry: the one way into the store. A WriteRequest becomes a plan (planner.h), the plan a
// compare-and-swap; a lost race is tried again with the newer state, a few times, unless the client
// made a condition. What is answered without a write, a refusal or "nothing to change", comes of a
// state that isn't stale (fresh.h).
//
// submit() is called on I/O threads and loops' threads and never waits; `done` comes on the store's
// writer thread, on a retry's thread, or at once on the caller's.
#pragma once

#include <memory>

#include "base/task_pool.h"
#include "server/apiserver/fresh.h"
#include "server/apiserver/metrics.h"
#include "server/apiserver/namespace_gate.h"
#include "server/apiserver/planner.h"
#include "server/apiserver/write.h"

namespace orch::apiserver {

inline constexpr int kMaxAttempts = 5;           // Of a patch or an update without condition.
inline constexpr int kMaxGeneratedAttempts = 8;  // Of a create with generateName.

class Registry {
 public:
  Registry(Planner::Parts parts, Fresh& fresh, ServerMetrics& metrics)
      : metrics_(metrics),
        fresh_(fresh),
        clock_(parts.clock),
        store_(parts.store),
        quotas_(parts.quotas),
        planner_(parts) {}
  ~Registry() { stop(); }

  void submit(WriteRequest request, WriteDone done);
  // The same, waiting. Not on the store's writer thread.
  Result<WriteReply> run(WriteRequest request);
  // Waits for retries under way, refuses later ones.
  void stop() { retries_.stop(); }

 private:
  struct Job;
  void submit_by_turns(std::shared_ptr<Job> job);
  void attempt(std::shared_ptr<Job> job);
  void attempt_fresh(std::shared_ptr<Job> job);
  void answer_without_write(Job& job, Result<Plan> plan);
  void settle(std::shared_ptr<Job> job, Result<store::Committed> outcome);
  void succeed(Job& job, const store::Committed& committed);
  void lose(std::shared_ptr<Job> job, const Status& why);

  ServerMetrics& metrics_;
  Fresh& fresh_;
  const Clock& clock_;
  store::Store& store_;
  const Quotas& quotas_;
  Planner planner_;
  TaskPool retries_{1};  // The store's writer has no time to plan anew.
  NamespaceGate gate_{retries_};
};

}  // namespace orch::apiserver
