#include "base/task_pool.h"

#include <thread>
#include <utility>

namespace orch {

bool TaskPool::run(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || waiting_.size() >= kMaxWaiting) return false;
  waiting_.push_back(std::move(job));
  if (threads_ < max_threads_) {
    ++threads_;
    std::thread([this] { work(); }).detach();  // stop() waits for it by count.
  }
  return true;
}

void TaskPool::work() {
  std::unique_lock lock(mutex_);
  while (!waiting_.empty()) {
    auto job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // What it captured goes before anybody may think it done.
    lock.lock();
  }
  --threads_;
  ended_.notify_all();  // Under the lock: stop() may destroy us right after.
}

void TaskPool::stop() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    dropped.swap(waiting_);
  }
  dropped.clear();  // What they captured may wait for locks that others hold when they call run().
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [&] { return threads_ == 0; });
}

}  // namespace orch
