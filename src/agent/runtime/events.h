// Events: one thread that listens to all shims. A shim pushes the exits of its containers; the end
// of its socket is the end of the shim. The thread sleeps in epoll otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "agent/runtime/types.h"
#include "base/fd.h"
#include "base/result.h"

namespace orch::runtime {

class Events {
 public:
  using Listener = std::function<void(const Event&)>;

  static Result<std::unique_ptr<Events>> start();
  ~Events();

  void set_listener(Listener listener);
  // `socket` is a connection to the shim that has subscribed.
  Result<void> add(const std::string& sandbox_id, UniqueFd socket);
  // No event of this sandbox begins after this.
  void remove(const std::string& sandbox_id);
  bool has(const std::string& sandbox_id);

 private:
  Events() = default;
  void run();
  void take(uint64_t key);

  struct Source {
    std::string sandbox_id;
    UniqueFd socket;
  };

  UniqueFd epoll_;
  UniqueFd wake_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Source>> sources_;  // By a serial, never used twice.
  uint64_t next_key_ = 1;
  std::shared_ptr<Listener> listener_;
  std::thread thread_;
};

}  // namespace orch::runtime
