// History: what clients and watchers saw of one run, and the checks of it. It
// knows nothing of how the store works: only what it promises.
//
// The store gives every write a revision, so the order of all writes is known,
// and linearizability is easy to check: the order must agree with real time,
// and each answer must be what a single copy would have said at some moment
// between question and answer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace orch::sim {

struct Fact {  // What a revision did.
  std::string key, bytes;
  bool removed = false;
  bool operator==(const Fact&) const = default;
};

struct Operation {
  enum Kind { put, remove, read } kind = put;
  std::string key, text;             // `text` is unique to this write.
  std::optional<int64_t> expected;   // As in Write.
  uint64_t asked = 0, answered = 0;  // World::tick(); answered 0: never.
  enum Outcome { unknown, done, lost_race, refused } outcome = unknown;
  int64_t revision = 0;             // Of the write; of the state that was read.
  std::optional<std::string> seen;  // What a read found.
};

class History {
 public:
  // Somebody saw that the revision did this; complains when another saw something else.
  void learn(int64_t revision, const Fact& fact);
  // A server did so at this moment. Every revision has one that did.
  void apply(int64_t revision, const Fact& fact);
  void tell_watcher(int64_t revision, const Fact& fact);
  // A watcher may not have been told of the revisions in (from, to].
  void skip(int64_t from, int64_t to) { skipped_.emplace_back(from, to); }
  std::vector<Operation> operations;

  // What a run did wrong; "" when nothing. `last` is the last revision of the
  // servers.
  std::string check(int64_t first, int64_t last);
  void complain(std::string what) {
    if (complaint_.empty()) complaint_ = std::move(what);
  }
  const std::string& complaint() const { return complaint_; }

 private:
  const Fact* state_at(const std::string& key, int64_t revision, int64_t* since) const;
  void check_write(const Operation& operation);
  void check_read(const Operation& operation);
  void check_lost_race(const Operation& operation, int64_t from, int64_t to);
  void check_once();
  void check_time(int64_t last);

  std::map<int64_t, Fact> facts_;
  std::set<int64_t> applied_, told_;
  std::map<std::string, std::map<int64_t, Fact>> by_key_;
  std::vector<std::pair<int64_t, int64_t>> skipped_;
  std::string complaint_;
};

}  // namespace orch::sim
