// Epoll: the DNS server's event loop: descriptors with handlers, one timer, one way to be stopped.
// Everything but stop() happens on the thread that calls run(). Room-private.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace orch::dns {

class Epoll {
 public:
  using Handler = std::function<void(uint32_t events)>;

  static Result<std::unique_ptr<Epoll>> make(Clock& clock);

  // `fd` stays the caller's; remove it before closing.
  Result<void> add(int fd, uint32_t events, Handler handler);
  void modify(int fd, uint32_t events);
  void remove(int fd);

  // Runs until stop(). After each batch of events `after` does what is due and says when it wants
  // to be called next at the latest; with nothing to wait for, no timer is armed.
  void run(const std::function<std::optional<MonoTime>()>& after);
  void stop();  // Any thread.

 private:
  explicit Epoll(Clock& clock) : clock_(clock) {}
  void arm(std::optional<MonoTime> deadline);

  Clock& clock_;
  UniqueFd epoll_, timer_, wake_;
  std::unordered_map<int, std::shared_ptr<Handler>> handlers_;
  std::optional<MonoTime> armed_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace orch::dns
