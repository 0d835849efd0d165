// Log: orders writes. Whoever wants to write proposes; the log decides the one order in which all
// replicas apply, groups what waits, and hands it to the Applier. It is the seam for replication:
// nothing above it can tell which maker runs.
//
// - local: one process, no copy elsewhere. SQLite's own WAL is the log: applying a batch is one
//   transaction and one fsync, so proposing is nothing but a queue.
// - A replicated log packs a batch into one entry, sends it to its peers, and applies it when a
//   quorum has it; the entries of others come out of apply() too, without anybody to answer.
//
// What makes that possible: apply() depends on nothing but the state and the batch. It reads
// no clock and no random number, and the revision is born in it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "store/store.h"

namespace orch::store {

struct Proposal {
  Write write;
  CommitDone done;  // Called once.
};

// All its functions are called by one thread, the log's.
class Applier {
 public:
  virtual ~Applier() = default;
  // Checks the writes in their order, makes those that won durable and visible, answers all.
  virtual void apply(std::vector<Proposal> batch) = 0;
  // When flush() is due; nothing while there is nothing to flush.
  virtual std::optional<MonoTime> flush_at() const = 0;
  virtual void flush() = 0;
};

class Log {
 public:
  virtual ~Log() = default;
  // Any thread. A full queue is waited for or refused; `done` gets every refusal, on this thread.
  enum class WhenFull { wait, refuse };
  virtual void propose(Proposal proposal, WhenFull when_full) = 0;
  // Refuses new proposals, has the waiting ones applied, ends the thread. Idempotent.
  virtual void close() = 0;

  // As in Store. What is here is that of one server alone with its own disk.
  virtual void sync(std::function<void(Result<void>)> done) { done({}); }
  virtual Leadership leadership() const { return {}; }
  virtual void on_leadership(std::function<void(const Leadership&)> tell) { tell({}); }
  // Nothing where the disk's is all that there is to say.
  virtual std::optional<Health> health() const { return std::nullopt; }
};

// The applier must outlive the log.
std::unique_ptr<Log> make_local_log(Applier& applier, const Options& options);

}  // namespace orch::store
