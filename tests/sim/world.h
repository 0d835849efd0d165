// World: the simulated time, chance and network that several servers share.
// Everything that happens is an event in one queue, ordered by time and then by
// when it was queued, so one seed is one run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace orch::sim {

// What may go wrong, as chances in 1,000.
struct Chances {
  uint64_t drop = 0, repeat = 0;
  uint64_t slow_message = 0;
  uint64_t slow_write = 0;
  uint64_t slow_aside = 0;  // What a replica has done on another thread.
};

// Two servers have a stream for libraft's messages and another for the replicas' own, and either
// may break.
enum class Stream { raft, messages };

// The ways in which nothing gets through, each in one direction.
class Cuts {
 public:
  void cut(uint64_t from, uint64_t to) {
    raft_.emplace(from, to);
    messages_.emplace(from, to);
  }
  void cut_raft(uint64_t from, uint64_t to) { raft_.emplace(from, to); }
  void heal(uint64_t from, uint64_t to) {
    raft_.erase({from, to});
    messages_.erase({from, to});
  }
  void heal() {
    raft_.clear();
    messages_.clear();
  }
  bool has(Stream stream, uint64_t from, uint64_t to) const {
    return (stream == Stream::raft ? raft_ : messages_).contains({from, to});
  }

 private:
  std::set<std::pair<uint64_t, uint64_t>> raft_, messages_;
};

class World {
 public:
  explicit World(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}

  uint64_t now() const { return now_; }
  uint64_t ran_ms() const { return now_ - kBegin; }
  // The order in which things happened, finer than milliseconds.
  uint64_t tick() { return ++order_; }

  uint64_t random() {  // splitmix64.
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t bound) { return random() % bound; }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  bool chance(uint64_t in_1000) { return in_1000 != 0 && below(1000) < in_1000; }

  void after(uint64_t delay_ms, std::function<void()> what) {
    events_.push({now_ + delay_ms, tick(), std::move(what)});
  }
  // One event. False when none is left before `until_ms`.
  bool step(uint64_t until_ms) {
    if (events_.empty() || events_.top().at > until_ms) return false;
    Event event = events_.top();
    events_.pop();
    now_ = event.at;
    tick();
    event.what();
    return true;
  }

  // What is queued never happens.
  void forget() { events_ = {}; }

  // A message under way: at most twice, late, or never.
  void carry(Stream stream, uint64_t from, uint64_t to, const std::function<void()>& deliver) {
    const int copies = chances.drop && chance(chances.drop) ? 0 : chance(chances.repeat) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      const bool slow = chance(chances.slow_message);
      const uint64_t delay = slow ? between(20, 1500) : between(1, 8);
      after(delay, [this, stream, from, to, deliver] {
        if (!cuts.has(stream, from, to)) deliver();
      });
    }
  }
  uint64_t write_ms() { return chance(chances.slow_write) ? between(50, 1200) : between(1, 6); }
  uint64_t aside_ms() { return chance(chances.slow_aside) ? between(50, 1200) : between(1, 6); }

  // A line of the run's story, for whoever asked for it.
  void say(const std::string& what) const {
    if (tells)
      std::printf("%6llu ms  %s\n", static_cast<unsigned long long>(now_ - kBegin), what.c_str());
  }

  Chances chances;
  bool tells = false;
  Cuts cuts;

 private:
  struct Event {
    uint64_t at = 0, order = 0;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return std::pair(at, order) > std::pair(other.at, other.order);
    }
  };
  static constexpr uint64_t kBegin = 1'000'000;
  uint64_t now_ = kBegin, order_ = 0, state_;
  std::priority_queue<Event> events_;
};

}  // namespace orch::sim
