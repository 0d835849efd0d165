// Upgrades: the connections that left HTTP (exec, attach, port-forward), one thread each.
//
// They are few and long and copy bytes both ways, which a thread with poll(2) says most plainly;
// their number is bounded. Thread-safe; shared by the server and the connections handed over.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "http/http.h"
#include "http/transport.h"

namespace orch::http {

class Upgrades : public std::enable_shared_from_this<Upgrades> {
 public:
  using Run = std::function<void(std::unique_ptr<Duplex>)>;

  explicit Upgrades(size_t limit) : limit_(limit) {}

  // Takes one of the places; false when none is left or after stop(). Give it to start(), or back
  // with release().
  bool reserve();
  void release();
  // Runs `run` on a thread of its own; the place is free again when it returns.
  void start(Transport transport, std::string early, Run run);
  // Shuts every connection down, so that their threads read an end, and waits for the threads.
  void stop();

 private:
  struct Active {
    std::thread thread;
    int fd = -1;  // -1 once the Duplex closed it.
  };
  void finish(uint64_t id);
  void forget_fd(uint64_t id);

  const size_t limit_;
  std::mutex mutex_;
  size_t taken_ = 0;
  bool stopped_ = false;
  uint64_t next_id_ = 0;
  std::map<uint64_t, Active> active_;
  std::vector<std::thread> finished_;  // Left to be joined by the next start() or stop().
};

}  // namespace orch::http
