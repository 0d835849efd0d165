// store: bytes and revisions. It knows no kind: a key such as "/pods/default/web" has bytes and
// tags, and every successful write has a revision, one higher than the last.
//
// In memory: the current state (index.h), the recent past (history.h), who watches (watch_hub.h).
// On disk: the current state only, one SQLite row per key (table.h). Between a write and both
// stands the log (log.h), which orders writes; what comes out of it is applied by one thread
// (machine.h).
//
// Callers: the apiserver's registry (writes, reads), its watches, in-process caches. Everything
// here may be called on any thread unless said otherwise.
//
// A prefix, wherever one is asked for, is "" (everything), a folder that ends with "/"
// ("/pods/", "/pods/default/": all keys below), or a whole key (that key alone).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/record.h"
#include "store/replication.h"

namespace orch::store {

class Cipher;
class Engine;
class Log;
class Machine;
class WatchHub;
struct Watcher;

inline constexpr size_t kMaxKeyBytes = 1024;
inline constexpr size_t kMaxRecordBytes = 8u << 20;  // Of one object; the API's limit is lower.

enum class Durability : uint8_t {
  durable,  // On disk (fsync) before it is acknowledged: survives power loss.
  relaxed,  // In memory when acknowledged; on disk after Options::relaxed_flush_ms at the latest.
};

// Whether the last try to write went well.
enum class Health : uint8_t {
  good,
  full,    // No space: writes are refused, and taken again once there is some.
  failed,  // Every write is refused until the process starts anew.
  away,    // The engine (engine.h) can't be reached; it may come back.
};

// One wish to change one key.
struct Write {
  std::string key;
  std::optional<std::string> bytes;  // Nothing: delete.
  // Where in `bytes` the decimal digits of the new revision are inserted: between the quotes of
  // "resourceVersion":"". The revision is born when the write is applied, so it can't be there yet.
  uint32_t revision_at = 0;
  // 0: must not exist (else AlreadyExists). n: must be at n (else Conflict; NotFound when it is
  // gone). Nothing: whatever is there; yet deleting what is not there is NotFound.
  std::optional<int64_t> expected_revision;
  Tags tags;  // Of the new state; a delete needs none.
  Durability durability = Durability::durable;
  // The fence of work that the leader's loops do: when the write is applied in another term than
  // this, it is refused (503).
  std::optional<uint64_t> only_in_term = std::nullopt;
  // What the writer counted before it made up its mind: when a record below `prefix` was made after
  // `revision`, the count is no longer the whole, and the write is refused (Conflict).
  struct Counted {
    std::string prefix;
    int64_t revision = 0;
  };
  std::optional<Counted> counted = std::nullopt;
};

struct Committed {
  int64_t revision = 0;
  RecordPtr record;  // The new state; of a delete the last one, with the deletion's revision in it.
  RecordPtr previous;  // Null when it was created.
};

// Quick, never blocking, no store call that waits: it runs on a thread of the log's.
using CommitDone = std::function<void(Result<Committed>)>;

enum class EventType : uint8_t { put, remove };

struct Event {
  EventType type = EventType::put;
  int64_t revision = 0;
  RecordPtr record;    // As in Committed.
  RecordPtr previous;  // Null when `record` was created.
};

// Called on the hub's thread with one or more events, in the order of their revisions, without gap
// or repetition. Must not block: copy the events (that shares the Records) and return. It may
// destroy its own Watch; it may not call Store::commit's waiting form, nor Store::close.
using Sink = std::function<void(std::span<const Event>)>;

// A replica that fell far behind is given another's whole state in place of its own. What a watch
// hears then, before any later event:
enum class WhenReplaced : uint8_t {
  end,               // Its sink is called once more, with nothing: what was in between is lost.
  tell_differences,  // Events that lead from the old state to the new one; see Options::follow.
};

// A running watch. Its destructor returns when no call of the sink runs any more, and none comes
// after; so don't destroy it while holding a lock that the sink takes. (Within the sink it returns
// at once.) It may outlive the Store.
class Watch {
 public:
  explicit Watch(std::shared_ptr<Watcher> watcher);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Everything up to this revision that the watch asked for has been given to the sink: what a
  // bookmark may say, even when no event came. Costs nothing while nobody asks.
  int64_t delivered_revision() const;

 private:
  std::shared_ptr<Watcher> watcher_;
};

struct Query {
  std::string_view prefix = {};
  std::string_view start_after = {};  // Only keys greater than this.
  size_t limit = 0;                   // 0: no limit.
  int64_t at_revision = 0;            // 0: now; else the state as it was at that revision.
  // Only records that it says yes to; nothing: all. Called under the store's lock: it must be quick
  // and call nothing of the store.
  std::function<bool(const Record&)> keep = {};
  // Tags without which `keep` says no: records that can't have them are not shown to it.
  TagMarks marks = {};
};

struct Range {
  std::vector<RecordPtr> records;  // In the order of their keys; one consistent state.
  int64_t revision = 0;            // Of that state.
  bool more = false;               // The limit cut it off;
  size_t remaining = 0;            // and so many come after the last record. 0 with Query::keep.
};

struct Options {
  std::string directory;  // Made when missing (0700). One process at a time.
  Clock* clock = &system_clock();
  size_t history_events = 100'000;  // The recent past ends at whichever limit is met first.
  size_t history_bytes = 8u << 20;
  size_t queue_writes = 4096;  // Writes that may wait for the writer.
  size_t queue_bytes = 64u << 20;
  int64_t relaxed_flush_ms = 30'000;
  // SQLite's write-ahead log is moved into the database when it has grown by so much; what is moved
  // is synced, which holds up other syncs, the more the longer. While writers leave no pause it
  // grows nevertheless; when it is as long as this, they are held for the remainder.
  size_t checkpoint_bytes = 4u << 20, max_wal_bytes = 128u << 20;
  Engine* engine = nullptr;  // Outlives the store. Null: the state lies in `directory`.
  const Replication* replication = nullptr;  // Outlives the store. Null: a single server.
  // Hears of every change before readers, watchers and the change's own caller do, in order, one
  // call at a time: at the opening (on the opener's thread) all that stands, as created; then what
  // is written, on a thread of the store's; and of a state that was taken from another replica the
  // differences, each key once, what went as removed at that state's revision. Quick; calls nothing
  // of the store.
  std::function<void(std::span<const Event>)> follow = {};
  // One of several servers takes no part any more: what lies on its disk is damaged, or it was
  // removed (damage.h), or its log fails otherwise; or what lies on a single server's disk is found
  // to be damaged. Any thread, perhaps more than once. Quick; calls nothing of the store.
  std::function<void(const Status&)> on_damage = {};
  const Cipher* cipher = nullptr;  // Outlives the store. Null: everything lies on disk as it is.
  std::string vfs;  // The SQLite VFS beneath; "" is the system's. Tests put a failing disk here.
};

class Store {
 public:
  // Tags are not on disk: they are computed again when the store is opened, on several threads at
  // once.
  using Tagger = std::function<Tags(std::string_view key, std::string_view bytes)>;

  // Opens or makes `orch.db` in the directory and loads it. Fails when another process has it, when
  // the disk fails, when what is on it is damaged (damage.h), or when a row can't be opened by the
  // cipher (the message names key and file). Rows that are sealed otherwise than the cipher would
  // do now are written anew. A store that was killed may continue with a revision higher than its
  // last by a bounded gap, never lower.
  static Result<std::unique_ptr<Store>> open(Options options, Tagger tagger);
  ~Store();  // close().

  // Refuses new writes, finishes those that wait, flushes relaxed ones, ends the threads. Reads
  // go on. Idempotent; not from a callback.
  void close();

  // --- Writing. A committed write is visible to every reader before its caller hears of it.
  //
  // Lost the race: NotFound, AlreadyExists, Conflict (also for what another record claims, see
  // is_claim_held() in claims.h). The disk failed: ServiceUnavailable (503). A
  // full disk refuses this write, and later ones succeed once there is space; after any other
  // failure every later write is refused until the process starts anew, for what a failed fsync
  // left on disk can't be known. Reads go on.

  // Never waits. `done` is called once: on a thread of the log's, or on this one when the write is
  // refused at once (BadRequest, RequestEntityTooLarge; TooManyRequests when the queue is full;
  // ServiceUnavailable when closed).
  void commit(Write write, CommitDone done);
  // Waits for room in the queue and for the answer.
  Result<Committed> commit(Write write);

  // As the last write found it. A full disk is tried again after Options::relaxed_flush_ms at the
  // latest, so that the answer changes although nobody writes.
  Health health() const;

  // --- Reading. Never waits for the disk.
  RecordPtr get(std::string_view key) const;  // Null when there is none.
  // 410 Expired when at_revision is older than the history, 504 Timeout with cause
  // ResourceVersionTooLarge when it is in the future.
  Result<Range> range(const Query& query) const;
  size_t count(std::string_view prefix) const;
  int64_t revision() const;  // Of the last write; an empty store is at 1.

  // --- Copying. Writes the state as it is on disk to the new file `path`, which appears whole and
  // synced or not at all; reads and writes go on. AlreadyExists when there is a file. To restore:
  // an empty directory with that file in it as `orch.db`; the cipher must know its secrets still.
  // Relaxed writes are in it up to their last flush.
  Result<void> snapshot(const std::string& path) const;

  // --- Watching. The sink gets every event below `prefix` with a revision greater than
  // `from_revision`. 410 Expired when the history doesn't reach back that far. A revision in the
  // future is waited for: only events beyond it are told.
  Result<std::unique_ptr<Watch>> watch(std::string_view prefix, int64_t from_revision, Sink sink,
                                       WhenReplaced when = WhenReplaced::end);

  // --- One of several servers (replication.h). A single one is its own leader, at once and always.

  // `done` is called once what was acknowledged by any server before this call is visible here, on
  // this thread or the log's: a read after that is linearizable. 503 when nobody leads for too
  // long.
  void sync(std::function<void(Result<void>)> done);
  Leadership leadership() const;
  // Tells the leadership now, on this thread, and then each change, on the log's or replicate()'s,
  // in order. To be set once, before others use the store.
  void on_leadership(std::function<void(const Leadership&)> tell);
  std::vector<Member> members() const;
  // Through any server; `done` when it has taken effect. 409 while another change is under way.
  void change_members(MemberChange change, std::function<void(Result<void>)> done);
  // A stream that another server opened, which has proved who it is. Any thread.
  void accept_peer(uint64_t from, StreamUse use, UniqueFd stream);

  // Whether nobody else writes to this state: a single server with a disk of its own. It ends with
  // replicate() and never begins.
  bool alone() const;
  // Makes a single server the first of a replicated log, which begins with the state that is here
  // (Replication::begins), while it is used: no write fails, those that come meanwhile wait for
  // some writes of the disk, watches go on, and a write for term 0 is refused from then on. When it
  // has come back, the directory belongs to that log. When it fails, the server is the single one
  // that it was. A process that dies meanwhile leaves a directory that can be opened with
  // `replication`, with all that was acknowledged. Blocking; not from a callback.
  Result<void> replicate(const Replication& replication);

 private:
  friend struct StoreInside;  // Tests give it another replica's state.
  Store(Options options, std::unique_ptr<Machine> machine, std::unique_ptr<Log> log,
        Tagger tagger = {});

  const Options options_;
  const Tagger tagger_;  // Of a store that may be replicated later.
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Log> log_;
};

}  // namespace orch::store
