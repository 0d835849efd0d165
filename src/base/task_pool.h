// TaskPool: runs jobs on at most N threads, made when there is work and gone when there is none, so
// that an idle process keeps neither threads nor their stacks.
//
// Jobs may block (pulls, hooks, probes, one pod's synchronisation). Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace orch {

class TaskPool {
 public:
  static constexpr size_t kMaxWaiting = 10'000;

  explicit TaskPool(size_t max_threads) : max_threads_(max_threads) {}
  ~TaskPool() { stop(); }

  // False when stopped, or when kMaxWaiting jobs wait already; the job is dropped then.
  bool run(std::function<void()> job);
  // Drops what waits, waits for what runs, refuses the rest. Not from a job. Idempotent.
  void stop();

 private:
  void work();

  const size_t max_threads_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::deque<std::function<void()>> waiting_;
  size_t threads_ = 0;
  bool stopped_ = false;
};

}  // namespace orch
