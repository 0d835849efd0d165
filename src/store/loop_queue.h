// LoopQueue: the way from any thread to the thread of a libuv loop. It may outlive the loop, so
// that whoever promised to call back late finds somebody to tell.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"

namespace orch::store {

class LoopQueue {
 public:
  using Task = std::function<void()>;

  // Before the loop runs.
  static std::shared_ptr<LoopQueue> open(uv_loop_t* loop) {
    auto queue = std::shared_ptr<LoopQueue>(new LoopQueue());
    queue->wake_ = new uv_async_t();
    queue->wake_->data = queue.get();
    const auto run = [](uv_async_t* wake) { static_cast<LoopQueue*>(wake->data)->run(); };
    ORCH_CHECK(uv_async_init(loop, queue->wake_, run) == 0);
    return queue;
  }

  // Any thread. After close() nothing of it happens, and what the task holds is let go.
  void post(Task task) {
    const std::lock_guard lock(mutex_);
    if (wake_ == nullptr) return;
    tasks_.push_back(std::move(task));
    uv_async_send(wake_);
  }
  // Any thread: makes the loop turn once.
  void wake() {
    const std::lock_guard lock(mutex_);
    if (wake_ != nullptr) uv_async_send(wake_);
  }
  // The loop's thread.
  void close() {
    std::vector<Task> dropped;
    const std::lock_guard lock(mutex_);
    dropped.swap(tasks_);
    const auto free_it = [](uv_handle_t* handle) { delete reinterpret_cast<uv_async_t*>(handle); };
    uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(wake_, nullptr)), free_it);
  }

 private:
  LoopQueue() = default;
  void run() {
    std::vector<Task> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (const Task& task : tasks) task();
  }

  std::mutex mutex_;
  std::vector<Task> tasks_;
  uv_async_t* wake_ = nullptr;
};

}  // namespace orch::store
