#include "base/timers.h"

#include <utility>

namespace orch {
namespace {

void erase_order(std::multimap<MonoTime, std::string>* order, MonoTime when,
                 const std::string& key) {
  auto [first, last] = order->equal_range(when);
  for (; first != last; ++first) {
    if (first->second != key) continue;
    order->erase(first);
    return;
  }
}

}  // namespace

Timers::Timers(Clock& clock) : clock_(clock), thread_([this] { work(); }) {}

void Timers::put(const std::string& key, MonoTime when, std::function<void()> run,
                 bool keep_earlier) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  if (const auto old = entries_.find(key); old != entries_.end()) {
    if (keep_earlier && old->second.when <= when) return;
    erase_order(&order_, old->second.when, key);
  }
  entries_[key] = Entry{when, std::move(run)};
  const auto placed = order_.emplace(when, key);
  if (placed == order_.begin()) changed_.notify_all();
}

void Timers::set(const std::string& key, MonoTime when, std::function<void()> run) {
  put(key, when, std::move(run), false);
}

void Timers::set_earliest(const std::string& key, MonoTime when, std::function<void()> run) {
  put(key, when, std::move(run), true);
}

void Timers::cancel(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  erase_order(&order_, found->second.when, key);
  entries_.erase(found);
}

void Timers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Timers::work() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    if (order_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const MonoTime next = order_.begin()->first;
    if (next > clock_.monotonic()) {
      changed_.wait_until(lock, next);
      continue;
    }
    const std::string key = order_.begin()->second;
    order_.erase(order_.begin());
    auto run = std::move(entries_.at(key).run);
    entries_.erase(key);
    lock.unlock();
    run();
    run = nullptr;
    lock.lock();
  }
}

}  // namespace orch
