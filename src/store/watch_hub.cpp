#include "store/watch_hub.h"

#include <algorithm>
#include <atomic>

#include "store/index.h"

namespace orch::store {

namespace {

constexpr size_t kMaxUndelivered = 65'536;  // Events; then the writer waits.

// The watcher whose sink runs on this thread: its Watch may be destroyed within.
thread_local const Watcher* in_call = nullptr;

}  // namespace

struct Channels {
  std::mutex mutex;
  std::unordered_map<std::string, std::vector<std::shared_ptr<Watcher>>> by_prefix;
  std::atomic<size_t> watchers{0};
  std::atomic<int64_t> delivered{0};  // Every sink has had every event up to here.
};

struct Watcher {
  std::shared_ptr<Channels> channels;
  std::string prefix;
  int64_t from_revision = 0;
  std::atomic<int64_t> joined_at{0};  // Goes back when another state takes the place of this one.
  std::vector<Event> missed;
  std::atomic<bool> joined{false};  // `missed` was told.
  std::mutex calling;               // Held during a call of the sink.
  std::atomic<bool> closed{false};
  std::atomic<bool> over{false};  // Events were left out.
  WhenReplaced when_replaced = WhenReplaced::end;
  Sink sink;

  void tell(std::span<const Event> events) {
    const std::lock_guard lock(calling);
    if (!closed && !over && !events.empty()) call(events);
  }

  // Also after a replacement, for they are from before it.
  void tell_missed() {
    const std::vector<Event> events = std::move(missed);
    const std::lock_guard lock(calling);
    if (!closed && !events.empty()) call(events);
  }

  void tell_replaced(std::span<const Event> differences) {
    std::vector<Event> ours;
    if (when_replaced == WhenReplaced::tell_differences) {
      for (const Event& event : differences) {
        if (matches_prefix(event.record->key, prefix)) ours.push_back(event);
      }
      return tell(ours);
    }
    const std::lock_guard lock(calling);
    if (!closed) call({});
  }

  void call(std::span<const Event> events) {
    in_call = this;
    sink(events);
    in_call = nullptr;
    if (closed) sink = nullptr;
  }

  void close() {
    closed = true;
    if (in_call == this) return;  // tell() cleans up.
    const std::lock_guard lock(calling);
    sink = nullptr;
  }
};

Watch::Watch(std::shared_ptr<Watcher> watcher) : watcher_(std::move(watcher)) {}

Watch::~Watch() {
  Channels& channels = *watcher_->channels;
  {
    const std::lock_guard lock(channels.mutex);
    const auto channel = channels.by_prefix.find(watcher_->prefix);
    std::erase(channel->second, watcher_);
    if (channel->second.empty()) channels.by_prefix.erase(channel);
    --channels.watchers;
  }
  watcher_->close();
}

int64_t Watch::delivered_revision() const {
  if (!watcher_->joined || watcher_->over) return watcher_->from_revision;
  return std::max(watcher_->joined_at.load(), watcher_->channels->delivered.load());
}

WatchHub::WatchHub() : channels_(std::make_shared<Channels>()), thread_([this] { run(); }) {}

WatchHub::~WatchHub() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void WatchHub::wait_for_room() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [this] { return pending_.size() < kMaxUndelivered; });
}

void WatchHub::publish(const std::vector<Event>& events, int64_t revision) {
  if (channels_->watchers == 0) return;  // Whoever comes later starts at this revision or beyond.
  const std::lock_guard lock(mutex_);
  pending_.insert(pending_.end(), events.begin(), events.end());
  published_ = revision;
  work_.notify_one();
}

void WatchHub::drain() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [this] { return pending_.empty() && replaced_.empty() && !telling_; });
}

void WatchHub::replace(std::vector<Event> differences, int64_t revision) {
  const std::lock_guard lock(mutex_);
  differences_ = std::move(differences);
  // It may be an older state (a datastore's that was restored), so nothing of ours may stay ahead.
  published_ = telling_to_ = channels_->delivered = revision;
  const std::lock_guard channels_lock(channels_->mutex);
  for (const auto& [prefix, watchers] : channels_->by_prefix) {
    for (const auto& watcher : watchers) {
      if (watcher->over) continue;
      watcher->over = watcher->when_replaced == WhenReplaced::end;
      watcher->joined_at = revision;
      replaced_.push_back(watcher);
    }
  }
  work_.notify_one();
}

std::unique_ptr<Watch> WatchHub::add(std::string_view prefix, int64_t from_revision,
                                     int64_t joined_at, std::vector<Event> missed, Sink sink,
                                     WhenReplaced when) {
  auto watcher = std::make_shared<Watcher>();
  watcher->channels = channels_;
  watcher->prefix = prefix;
  watcher->from_revision = from_revision;
  watcher->joined_at = joined_at;
  watcher->joined = missed.empty();
  watcher->missed = std::move(missed);
  watcher->when_replaced = when;
  watcher->sink = std::move(sink);
  {
    const std::lock_guard lock(channels_->mutex);
    channels_->by_prefix[watcher->prefix].push_back(watcher);
    ++channels_->watchers;
  }
  auto watch = std::make_unique<Watch>(watcher);
  if (!watcher->joined) {
    const std::lock_guard lock(mutex_);
    joining_.push_back(std::move(watcher));
    work_.notify_one();
  }
  return watch;
}

namespace {

// What one channel is told in one turn.
struct Delivery {
  std::vector<std::shared_ptr<Watcher>> watchers;
  std::vector<Event> events;
};

// Calls visit(prefix) for every prefix that matches `key`, as store.h defines it.
template <class Visit>
void for_each_prefix(std::string_view key, Visit visit) {
  visit(key.substr(0, 0));
  for (size_t slash = key.find('/'); slash != key.npos; slash = key.find('/', slash + 1)) {
    visit(key.substr(0, slash + 1));
  }
  if (!key.ends_with('/')) visit(key);
}

std::vector<Delivery> sort_by_channel(Channels& channels, const std::vector<Event>& events) {
  std::vector<Delivery> deliveries;
  std::unordered_map<std::string, size_t> place;  // prefix → index in deliveries.
  const std::lock_guard lock(channels.mutex);
  std::string prefix;
  for (const Event& event : events) {
    for_each_prefix(event.record->key, [&](std::string_view candidate) {
      prefix = candidate;
      const auto channel = channels.by_prefix.find(prefix);
      if (channel == channels.by_prefix.end()) return;
      const auto [found, is_new] = place.try_emplace(prefix, deliveries.size());
      if (is_new) deliveries.push_back({.watchers = channel->second, .events = {}});
      deliveries[found->second].events.push_back(event);
    });
  }
  return deliveries;
}

std::span<const Event> beyond(int64_t revision, const std::vector<Event>& events) {
  const auto first = std::ranges::upper_bound(events, revision, {}, &Event::revision);
  return {first, events.end()};
}

}  // namespace

void WatchHub::run() {
  for (;;) {
    std::vector<Event> events, differences;
    std::vector<std::shared_ptr<Watcher>> joining, replaced;
    {
      std::unique_lock lock(mutex_);
      telling_ = false;
      channels_->delivered = telling_to_;
      room_.notify_one();
      work_.wait(lock, [this] {
        return closed_ || !pending_.empty() || !joining_.empty() || !replaced_.empty();
      });
      if (closed_) return;
      events.swap(pending_);
      joining.swap(joining_);
      replaced.swap(replaced_);
      differences.swap(differences_);
      telling_ = true;
      telling_to_ = published_;
    }
    room_.notify_one();

    // Who joins comes first: live events of this turn may already be meant for them.
    for (const auto& watcher : joining) {
      watcher->tell_missed();
      watcher->joined = true;
    }
    // What was published since is of the new state (drain()).
    for (const auto& watcher : replaced) watcher->tell_replaced(differences);
    for (const Delivery& delivery : sort_by_channel(*channels_, events)) {
      for (const auto& watcher : delivery.watchers) {
        watcher->tell(beyond(watcher->joined_at, delivery.events));
      }
    }
  }
}

}  // namespace orch::store
