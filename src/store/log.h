// Log: orders writes. Whoever wants to write proposes; the log decides the one order in which all
// replicas apply, groups what waits, and hands it to the Applier. It is the seam for replication:
// nothing above it can tell which maker runs.
//
// - local: one process, no copy elsewhere. SQLite's own WAL is the log: applying a batch is one
//   transaction, settling what was applied is one fsync. Each has a thread, so that a batch is
//   worked out while the disk is busy with the one before.
// - A replicated log packs a batch into one entry, sends it to its peers, and applies it when a
//   quorum has it; the entries of others come out of apply() too, without anybody to answer.
// The local one can give way to a replicated one while writers write: see replace().
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

// All its functions but settle() are called by one thread, the log's.
class Applier {
 public:
  virtual ~Applier() = default;
  // Checks the writes in their order against what was applied before. Nobody else sees or hears of
  // them yet.
  virtual void apply(std::vector<Proposal> batch) = 0;
  // Makes durable and visible what was applied before this call and has won, answers all of it. It
  // has a thread of its own: more may be applied meanwhile. Returns how long the disk took.
  virtual MonoTime::duration settle() = 0;
  // When flush() is due; nothing while there is nothing to flush.
  virtual std::optional<MonoTime> flush_at() const = 0;
  virtual void flush() = 0;  // To be settled, too.
};

class Log {
 public:
  virtual ~Log() = default;
  // Any thread. A full queue is waited for or refused; `done` gets every refusal, on this thread.
  enum class WhenFull { wait, refuse };
  virtual void propose(Proposal proposal, WhenFull when_full) = 0;
  // Refuses new proposals, has the waiting ones applied and settled, ends its threads. Idempotent.
  virtual void close() = 0;

  // Has another log go on in this one's place. `make` is called between two batches, when all that
  // was applied is settled and nothing is being applied; what is proposed meanwhile waits. Then
  // everything goes to the new log, what waited first, in its order. When `make` fails, this one
  // goes on. Blocking; not from a thread of the log's.
  using Make = std::function<Result<std::unique_ptr<Log>>()>;
  virtual Result<void> replace(const Make&) { return conflict("this log stays what it is"); }
  // As in Store.
  virtual bool alone() const { return false; }

  // As in Store. What is here is that of one server alone with its own disk.
  virtual void sync(std::function<void(Result<void>)> done) { done({}); }
  virtual Leadership leadership() const { return {}; }
  virtual void on_leadership(std::function<void(const Leadership&)> tell) { tell({}); }
  // Nothing where the disk's is all that there is to say.
  virtual std::optional<Health> health() const { return std::nullopt; }
  virtual std::vector<Member> members() const { return {}; }
  virtual void change_members(MemberChange, std::function<void(Result<void>)> done) {
    done(bad_request("this server is a single one"));
  }
  virtual void accept_peer(uint64_t, StreamUse, UniqueFd) {}
};

// The applier must outlive the log.
std::unique_ptr<Log> make_local_log(Applier& applier, const Options& options);

}  // namespace orch::store
