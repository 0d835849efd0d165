// Work that must not hold up a libuv loop: on one of libuv's threads, and its end on the loop's.
// What the work holds is let go when it is done. A loop that was stopped in the midst of it never
// hears of its end.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <utility>

#include "base/check.h"

namespace orch::store {

inline auto loop_aside(uv_loop_t* loop) {
  struct Job {
    uv_work_t request{};
    std::function<void()> work, done;
  };
  return [loop](std::function<void()> work, std::function<void()> done) {
    auto* const job = new Job{.work = std::move(work), .done = std::move(done)};
    job->request.data = job;
    const auto run = [](uv_work_t* request) {
      std::exchange(static_cast<Job*>(request->data)->work, nullptr)();
    };
    const auto end = [](uv_work_t* request, int) {
      const std::unique_ptr<Job> own(static_cast<Job*>(request->data));
      own->done();
    };
    ORCH_CHECK(uv_queue_work(loop, &job->request, run, end) == 0);
  };
}

}  // namespace orch::store
