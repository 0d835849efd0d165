// Timers: one thread that calls functions at their time; it sleeps while nothing is due.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"

namespace orch {

class Timers {
 public:
  explicit Timers(Clock& clock);
  ~Timers() { stop(); }

  // Calls `run` once at `when` on the timer thread; it must be quick and may call set and cancel.
  // Replaces what was set under `key`.
  void set(const std::string& key, MonoTime when, std::function<void()> run);
  // The same, but an earlier time that is set already stays.
  void set_earliest(const std::string& key, MonoTime when, std::function<void()> run);
  void set_after(const std::string& key, std::chrono::nanoseconds delay,
                 std::function<void()> run) {
    set(key, clock_.monotonic() + std::chrono::duration_cast<MonoTime::duration>(delay),
        std::move(run));
  }
  // One call may still be under way when this returns.
  void cancel(const std::string& key);
  // No call begins after this, and none is under way. Not from the timer thread. Idempotent.
  void stop();

 private:
  struct Entry {
    MonoTime when;
    std::function<void()> run;
  };
  void put(const std::string& key, MonoTime when, std::function<void()> run, bool keep_earlier);
  void work();

  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> entries_;
  std::multimap<MonoTime, std::string> order_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace orch
