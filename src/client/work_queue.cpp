// See work_queue.h.
#include "client/work_queue.h"

#include <algorithm>

namespace orch::client {

std::chrono::milliseconds backoff_after(int failures) {
  auto wait = kFirstBackoff;
  for (int i = 1; i < failures && wait < kMaxBackoff; ++i) wait *= 2;
  return std::min(wait, kMaxBackoff);
}

void WorkQueue::add(const WorkItem& item) {
  if (!dirty_.insert(item).second) return;
  if (!processing_.contains(item)) ready_.push_back(item);
}

void WorkQueue::add_at(const WorkItem& item, MonoTime due) {
  const auto [it, fresh] = delayed_.try_emplace(item, due);
  if (!fresh) {
    if (it->second <= due) return;
    by_due_.erase({it->second, item});
    it->second = due;
  }
  by_due_.insert({due, item});
}

void WorkQueue::add_failed(const WorkItem& item, MonoTime now) {
  add_at(item, now + backoff_after(++failures_[item]));
}

void WorkQueue::succeeded(const WorkItem& item) { failures_.erase(item); }

std::optional<WorkItem> WorkQueue::take(MonoTime now) {
  while (!by_due_.empty() && by_due_.begin()->first <= now) {
    const WorkItem item = by_due_.begin()->second;
    by_due_.erase(by_due_.begin());
    delayed_.erase(item);
    add(item);
  }
  if (ready_.empty()) return std::nullopt;
  WorkItem item = std::move(ready_.front());
  ready_.pop_front();
  dirty_.erase(item);
  processing_.insert(item);
  return item;
}

void WorkQueue::done(const WorkItem& item) {
  processing_.erase(item);
  if (dirty_.contains(item)) ready_.push_back(item);
}

std::optional<MonoTime> WorkQueue::next_due() const {
  if (by_due_.empty()) return std::nullopt;
  return by_due_.begin()->first;
}

size_t WorkQueue::depth(size_t loop) const {
  const auto of_loop = [&](const WorkItem& item) { return item.loop == loop; };
  return std::count_if(dirty_.begin(), dirty_.end(), of_loop) +
         std::count_if(delayed_.begin(), delayed_.end(),
                       [&](const auto& entry) { return of_loop(entry.first); });
}

int WorkQueue::failures(const WorkItem& item) const {
  const auto it = failures_.find(item);
  return it == failures_.end() ? 0 : it->second;
}

}  // namespace orch::client
