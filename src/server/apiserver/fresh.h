// Fresh: what must not be answered from a stale state. One server of several may be behind the
// others; before it answers a read that Kubernetes calls consistent, or refuses a write because of
// what it knows, it asks the leader what it has to have seen (store::Store::sync). A single server
// is never behind, and pays nothing.
//
// Thread-safe. Nobody waits on an I/O thread or on the store's.
#pragma once

#include <functional>

#include "base/result.h"
#include "base/task_pool.h"
#include "store/store.h"

namespace orch::apiserver {

class Fresh {
 public:
  static constexpr size_t kThreads = 2;

  explicit Fresh(store::Store& store) : store_(store) {}

  bool alone() const { return store_.alone(); }
  // Calls `then` once all that was acknowledged anywhere before this call is visible here: at once,
  // on this thread, when alone; else on a thread of its own. 503 when nobody leads for too long.
  void when(std::function<void(Result<void>)> then);
  // The same, waiting.
  Result<void> wait();
  // Ends after what runs; whoever still waits gets 503.
  void stop() { threads_.stop(); }

 private:
  store::Store& store_;
  TaskPool threads_{kThreads};
};

}  // namespace orch::apiserver
