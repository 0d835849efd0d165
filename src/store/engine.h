// Engine: a keeper of the state elsewhere, such as an etcd cluster, in place of this process's disk
// (Options::engine). All of the state is in memory here all the same, and all reads and watches are
// served from there; the engine brings in what becomes of it, and takes writes.
//
// The engine's revisions are the store's: several servers on one engine agree on them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/log.h"
#include "store/store.h"

namespace orch::store {

class Machine;

// A key as the engine keeps it.
struct Kept {
  std::string key, value;
  int64_t create_revision = 0, revision = 0;
  bool removed = false;  // At `revision`; it has no value then.
};

// The state in memory, as the engine sees it: a mirror of what it keeps itself. One thread at a
// time changes it: the one that starts the engine, then the log's.
class Mirror {
 public:
  // `cipher` may be null. All must outlive it.
  Mirror(Machine& machine, const Cipher* cipher, Store::Tagger tagger)
      : machine_(machine), cipher_(cipher), tagger_(std::move(tagger)) {}

  // What to keep for a write that has bytes; sealed where the cipher wants it. Any thread.
  std::string value_of(const Write& write) const;
  RecordPtr get(std::string_view key) const;  // Null when there is none. Any thread.

  // The whole state, in place of the one that there was. It fails, and nothing has changed, when a
  // value is none of ours or can't be opened.
  Result<void> replace(std::vector<Kept> all, int64_t revision);
  // Of the last replace(): the writes that would seal anew what the cipher would seal otherwise by
  // now. Each counts only if its object is still as it was.
  std::vector<Write> take_stale() { return std::exchange(stale_, {}); }
  // What has changed since, in the order of revisions, up to and including `revision`. The events
  // are visible when it comes back. Fails as replace() does.
  Result<std::vector<Event>> apply(std::vector<Kept> changes, int64_t revision);

 private:
  Result<RecordPtr> record_of(const Kept& kept) const;
  Write again(const Record& record) const;

  Machine& machine_;
  const Cipher* const cipher_;
  const Store::Tagger tagger_;
  std::vector<Write> stale_;
};

class Engine {
 public:
  virtual ~Engine() = default;
  // Fills the mirror with the state, and makes the log that writes and follows from there on.
  // Blocking. The engine outlives the log.
  virtual Result<std::unique_ptr<Log>> start(std::unique_ptr<Mirror> mirror,
                                             const Options& options) = 0;
};

}  // namespace orch::store
