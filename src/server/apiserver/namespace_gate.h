// NamespaceGate: lets one write at a time into a namespace, the others behind it in the order in
// which they came. Only writes that a quota counts go through it (quotas.h). Thread-safe; nobody
// waits in it on a thread of his own.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "base/task_pool.h"

namespace orch::apiserver {

class NamespaceGate {
 public:
  static constexpr size_t kMaxWaiting = 1024;  // In one namespace.

  // `pool` runs those who had to wait.
  explicit NamespaceGate(TaskPool& pool) : pool_(pool) {}

  struct Visit {
    std::function<void()> enter;   // Leads to leave() sooner or later.
    std::function<void()> refuse;  // Instead of enter: the server is shutting down.
  };
  // Calls visit.enter at once when nobody is inside. False: too many wait; nothing is called.
  bool come(const std::string& ns, Visit visit);
  void leave(const std::string& ns);

 private:
  TaskPool& pool_;
  std::mutex mutex_;
  std::map<std::string, std::deque<Visit>> inside_;  // Somebody is inside; who waits behind him.
};

}  // namespace orch::apiserver
