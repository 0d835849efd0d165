#include "history.h"

#include <algorithm>

namespace orch::sim {

void History::learn(int64_t revision, const Fact& fact) {
  const auto [found, is_new] = facts_.try_emplace(revision, fact);
  if (is_new) {
    by_key_[fact.key][revision] = fact;
  } else if (found->second != fact) {
    complain("revision " + std::to_string(revision) + " is " + found->second.key + " = " +
             found->second.bytes + " to one server and " + fact.key + " = " + fact.bytes +
             " to another");
  }
}

void History::apply(int64_t revision, const Fact& fact) {
  applied_.insert(revision);
  learn(revision, fact);
}

void History::tell_watcher(int64_t revision, const Fact& fact) {
  told_.insert(revision);
  learn(revision, fact);
}

std::string History::check(int64_t first, int64_t last) {
  for (int64_t revision = first; revision <= last; ++revision) {
    const bool skipped = std::ranges::any_of(skipped_, [revision](const auto& range) {
      return revision > range.first && revision <= range.second;
    });
    if (!applied_.contains(revision)) {
      complain("no server ever applied revision " + std::to_string(revision));
    }
    if (!told_.contains(revision) && !skipped) {
      complain("no watcher was ever told of revision " + std::to_string(revision));
    }
  }
  if (!facts_.empty() && facts_.rbegin()->first > last) {
    complain("revision " + std::to_string(facts_.rbegin()->first) +
             " happened and is gone: the servers end at " + std::to_string(last));
  }
  check_once();
  check_time(last);
  return complaint_;
}

const Fact* History::state_at(const std::string& key, int64_t revision, int64_t* since) const {
  const auto all = by_key_.find(key);
  if (all == by_key_.end()) return nullptr;
  auto after = all->second.upper_bound(revision);
  if (after == all->second.begin()) return nullptr;
  --after;
  *since = after->first;
  return after->second.removed ? nullptr : &after->second;
}

// No write happened twice, and none that was refused happened at all.
void History::check_once() {
  std::map<std::string, int> times;
  for (const auto& [revision, fact] : facts_) {
    if (fact.removed) continue;
    const size_t at = fact.bytes.find("\"data\":\"");
    ++times[fact.bytes.substr(at + 8, fact.bytes.size() - at - 10)];
  }
  for (const Operation& operation : operations) {
    if (operation.kind != Operation::put) continue;
    const int found = times.contains(operation.text) ? times[operation.text] : 0;
    if (found > 1) complain("the write \"" + operation.text + "\" happened twice");
    if (found == 1 && operation.outcome == Operation::lost_race) {
      complain("the write \"" + operation.text + "\" happened, but its client was told otherwise");
    }
    if (found == 1 && operation.outcome == Operation::refused) {
      complain("the write \"" + operation.text + "\" was refused and happened");
    }
    if (found == 0 && operation.outcome == Operation::done) {
      complain("the acknowledged write \"" + operation.text + "\" is lost");
    }
  }
}

// Goes through the run in the order of time. `known` is the highest revision
// that any client had been told of before an operation was asked: the operation
// must not look back behind it.
void History::check_time(int64_t last) {
  std::vector<std::pair<uint64_t, const Operation*>> moments;
  for (const Operation& operation : operations) {
    moments.emplace_back(operation.asked, &operation);
    if (operation.answered != 0) moments.emplace_back(operation.answered, &operation);
  }
  std::sort(moments.begin(), moments.end());
  int64_t known = 0;
  std::map<const Operation*, int64_t> known_when_asked;
  for (const auto& [moment, operation] : moments) {
    if (moment == operation->asked) {
      known_when_asked[operation] = known;
      continue;
    }
    const int64_t before = known_when_asked[operation];
    if (operation->outcome == Operation::done) {
      const bool is_write = operation->kind != Operation::read;
      if (operation->revision < before + (is_write ? 1 : 0)) {
        complain(
            (is_write ? "the write \"" + operation->text + "\"" : "a read of " + operation->key) +
            " is at revision " + std::to_string(operation->revision) + ", but " +
            std::to_string(before) + " was known before it was asked");
      }
      known = std::max(known, operation->revision);
      is_write ? check_write(*operation) : check_read(*operation);
    } else if (operation->outcome == Operation::lost_race) {
      check_lost_race(*operation, before, last);
    }
  }
}

void History::check_write(const Operation& operation) {
  const auto found = facts_.find(operation.revision);
  if (found == facts_.end() || found->second.key != operation.key ||
      found->second.removed != (operation.kind == Operation::remove)) {
    complain("the acknowledged write of " + operation.key + " at revision " +
             std::to_string(operation.revision) + " is lost");
    return;
  }
  int64_t since = 0;
  const Fact* const before = state_at(operation.key, operation.revision - 1, &since);
  const int64_t was = before == nullptr ? 0 : since;
  if (operation.expected && *operation.expected != was) {
    complain("a write of " + operation.key + " expected revision " +
             std::to_string(*operation.expected) + " and won against " + std::to_string(was));
  }
}

void History::check_read(const Operation& operation) {
  int64_t since = 0;
  const Fact* const fact = state_at(operation.key, operation.revision, &since);
  const bool same = fact == nullptr ? !operation.seen : operation.seen == fact->bytes;
  if (!same) {
    complain("a read of " + operation.key + " at revision " + std::to_string(operation.revision) +
             " saw " + operation.seen.value_or("nothing"));
  }
}

// Somewhere between what was known when it was asked and the end there is a
// state in which it loses.
void History::check_lost_race(const Operation& operation, int64_t from, int64_t to) {
  for (int64_t revision = from; revision <= to; ++revision) {
    int64_t since = 0;
    const Fact* const fact = state_at(operation.key, revision, &since);
    const int64_t is = fact == nullptr ? 0 : since;
    const bool wins = operation.kind == Operation::remove
                          ? is != 0 && operation.expected.value_or(is) == is
                          : operation.expected.value_or(is) == is;
    if (!wins) return;
  }
  complain("a write of " + operation.key + " lost a race that was not there");
}

}  // namespace orch::sim
