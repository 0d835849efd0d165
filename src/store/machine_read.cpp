// What a Machine's readers call: any thread, under the shared lock.
#include <shared_mutex>

#include "store/machine.h"

namespace orch::store {

namespace {

Status too_large_version(int64_t wanted, int64_t current) {
  Status status = gateway_timeout("Too large resource version: " + std::to_string(wanted) +
                                  ", current: " + std::to_string(current));
  status.details.causes = {{"ResourceVersionTooLarge", "Too large resource version", ""}};
  status.details.retry_after_s = 1;
  return status;
}

}  // namespace

RecordPtr Machine::get(std::string_view key) const {
  const std::shared_lock lock(lock_);
  const RecordPtr* found = index_.find(key);
  return found != nullptr ? *found : nullptr;
}

size_t Machine::count(std::string_view prefix) const {
  const std::shared_lock lock(lock_);
  return index_.count(prefix);
}

int64_t Machine::revision() const {
  const std::shared_lock lock(lock_);
  return revision_;
}

Result<Range> Machine::range(const Query& query) const {
  const std::shared_lock lock(lock_);
  if (query.at_revision == 0 || query.at_revision == revision_) return range_now(query);
  if (query.at_revision > revision_) return too_large_version(query.at_revision, revision_);
  if (query.at_revision < history_.floor()) {
    return expired("the state at revision " + std::to_string(query.at_revision) +
                   " is forgotten (" + std::to_string(history_.floor()) + ")");
  }
  return range_then(query);
}

// Adds the record to a range that has a filter, or says that there is more.
void Machine::take(const Query& query, const RecordPtr& record, Range* range) {
  if (!query.keep(*record)) return;
  range->more = query.limit != 0 && range->records.size() == query.limit;
  if (!range->more) range->records.push_back(record);
}

Range Machine::range_now(const Query& query) const {
  Range range;
  range.revision = revision_;
  Index::Walk walk = query.start_after < query.prefix ? index_.from(query.prefix)
                                                      : index_.after(query.start_after);
  size_t left = index_.count(query.prefix, query.start_after);
  if (query.keep) {
    for (; left > 0 && !range.more; --left, walk.next()) {
      if (walk.marks().may_hold(query.marks)) take(query, *walk.peek(), &range);
    }
    return range;
  }
  const size_t wanted = query.limit == 0 ? left : std::min(left, query.limit);
  range.records.reserve(wanted);
  for (size_t i = 0; i < wanted; ++i, walk.next()) range.records.push_back(*walk.peek());
  range.remaining = left - wanted;
  range.more = range.remaining > 0;
  return range;
}

// The state now, with what has changed since taken back while walking.
Range Machine::range_then(const Query& query) const {
  const auto undo = history_.undo(query, query.at_revision);
  Range range;
  range.revision = query.at_revision;
  Index::Walk walk = query.start_after < query.prefix ? index_.from(query.prefix)
                                                      : index_.after(query.start_after);
  size_t left = index_.count(query.prefix, query.start_after);
  auto then = undo.begin();
  const auto is_full = [&] {
    if (query.keep) return range.more;
    return query.limit != 0 && range.records.size() == query.limit;
  };
  while (!is_full()) {
    const RecordPtr* now = left > 0 ? walk.peek() : nullptr;
    if (now == nullptr && then == undo.end()) break;
    const bool is_now = now != nullptr && (then == undo.end() || (*now)->key <= then->first);
    const bool is_then = then != undo.end() && (now == nullptr || then->first <= (*now)->key);
    const RecordPtr& record = is_then ? then->second : *now;
    if (record && query.keep) {
      take(query, record, &range);
    } else if (record) {
      range.records.push_back(record);
    }
    if (is_then) ++then;
    if (is_now) {
      walk.next();
      --left;
    }
  }
  if (query.keep) return range;
  // What remains was there then: what is there now, less what came, plus what went since.
  range.remaining = left;
  for (; then != undo.end(); ++then) {
    if (index_.find(then->first) != nullptr) --range.remaining;
    if (then->second) ++range.remaining;
  }
  range.more = range.remaining > 0;
  return range;
}

// The log's thread, before it writes.
Result<void> Machine::check_claims(const Write& write) const {
  for (const std::string& claim : write.tags.claims) {
    const RecordPtr holder = claims_.holder(claim);
    if (holder && holder->key != write.key) return claim_held(claim, holder->key);
  }
  return {};
}

Result<std::unique_ptr<Watch>> Machine::watch(std::string_view prefix, int64_t from_revision,
                                              Sink sink, WhenReplaced when) {
  // No publish() comes between the look at the history and joining the hub.
  const std::shared_lock lock(lock_);
  if (from_revision < history_.floor()) {
    return expired("too old resource version: " + std::to_string(from_revision) + " (" +
                   std::to_string(history_.floor()) + ")");
  }
  return hub_.add(prefix, from_revision, std::max(from_revision, revision_),
                  history_.since(from_revision, prefix), std::move(sink), when);
}

}  // namespace orch::store
