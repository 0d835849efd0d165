// Disk: a server's log as libraft's `raft_io` keeps it, on a simulated disk
// that outlives the server's process. Writes reach it in their order and take
// their time; a loss of power keeps only the first so many of those that were
// under way. Port: `raft_io` itself, for one life of a server.
//
// When bits flip or space runs out it does what the product's disk does (store/raft_disk.h):
// - What is damaged, an entry or a copy of the state, is told before libraft reads it.
// - On a full disk entries and copies wait until there is space. Term and vote have their space,
//   and are written in one piece.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "canary.h"
#include "store/raft_library.h"
#include "world.h"

namespace orch::sim {

struct Kept {  // An entry of the log.
  raft_term term = 0;
  raft_entry_type type = RAFT_COMMAND;
  std::string bytes;
  bool damaged = false;  // On the disk.
};

struct Copy {  // A copy of the state in the log's place.
  raft_index index = 0, configuration_index = 0;
  raft_term term = 0;
  std::string configuration, bytes;
  bool damaged = false;
};

struct Disk {
  raft_term term = 0;
  raft_id voted_for = 0;
  raft_index first = 1;  // Of entries.
  std::vector<Kept> entries;
  std::optional<Copy> copy;
  uint64_t copies = 0;  // So many have been written to it.
  bool full = false;

  raft_index last() const { return first + entries.size() - 1; }
  void truncate(raft_index from);  // Removes it and all after it.
  void take(const Copy& taken, unsigned keep);
  void flip_bit_of_log(World& world);
  void flip_bit_of_copy(World& world);
  bool is_damaged() const;
  std::string story() const;  // What is on it, in short.
};

// What befalls a process from outside: it is stopped for a while, its clock jumps ahead, what it
// has done on another thread takes so much longer.
struct Fate {
  uint64_t asleep_until = 0, clock_ahead = 0, aside_ms = 0;
};

// A message of libraft under way: it holds its own copy of all that is inside.
struct Letter {
  explicit Letter(const raft_message& message);
  raft_message open() const;  // For a receiver, who owns what is inside.

  raft_message head;
  std::vector<Kept> entries;
  Copy copy;
};

using Post = std::function<void(raft_id to, const Letter& letter)>;

class Port {
 public:
  // Nothing of it happens while the process is asleep.
  Port(World& world, Disk& disk, const Fate& fate, Post post, std::function<void()> after_event,
       Canary canary);
  ~Port();

  raft_io* io() { return &io_; }
  void receive(raft_id from, const std::string& address, const Letter& letter);
  // The process is gone: so many of the writes under way, the first ones,
  // reached the disk.
  void lose_power();
  bool idle() const { return under_way_.empty(); }

 private:
  struct Operation {
    std::function<void()> write;      // To the disk.
    std::function<void(int)> answer;  // To libraft.
    uint64_t ms = 0;
    bool needs_space = false;
  };
  static Port* of(raft_io* io) { return static_cast<Port*>(io->impl); }
  static int load(raft_io* io, raft_term* term, raft_id* voted_for, raft_snapshot** snapshot,
                  raft_index* start_index, raft_entry* entries[], size_t* count);
  static int start(raft_io* io, unsigned ms, raft_io_tick_cb tick, raft_io_recv_cb receive);
  static int append(raft_io* io, raft_io_append* request, const raft_entry entries[],
                    unsigned count, raft_io_append_cb done);
  static int put(raft_io* io, unsigned keep, raft_io_snapshot_put* request,
                 const raft_snapshot* snapshot, raft_io_snapshot_put_cb done);
  static int get(raft_io* io, raft_io_snapshot_get* request, raft_io_snapshot_get_cb done);
  static int send(raft_io* io, raft_io_send* request, const raft_message* message,
                  raft_io_send_cb done);
  static void close(raft_io* io, raft_io_close_cb done);

  void queue(Operation operation);
  void when_space(const std::function<void()>& what);
  void when_written(uint64_t count, const std::function<void()>& what);
  void begin_next();
  void finish_first();
  void later(uint64_t ms,
             std::function<void()> what);  // If this life still lasts.
  void run_awake(const std::function<void()>& what);
  void end_event();
  void next_tick();

  World& world_;
  Disk& disk_;
  const Fate& fate_;
  const Post post_;
  const std::function<void()> after_event_;
  const Canary canary_;
  raft_io io_{};
  unsigned tick_ms_ = 0;
  raft_io_tick_cb tick_ = nullptr;
  raft_io_recv_cb receive_ = nullptr;
  std::deque<Operation> under_way_;
  uint64_t queued_ = 0;  // Operations so far.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace orch::sim
