// Once: a caller that waits for an answer, also when whoever should give it ends before.
#pragma once

#include <functional>
#include <utility>

#include "base/result.h"

namespace orch::store {

class Once {
 public:
  explicit Once(std::function<void(Result<void>)> done) : done_(std::move(done)) {}
  ~Once() { say(service_unavailable("the store is closed")); }
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;

  void say(Result<void> result) {
    if (const auto done = std::exchange(done_, nullptr)) done(std::move(result));
  }

 private:
  std::function<void(Result<void>)> done_;
};

}  // namespace orch::store
