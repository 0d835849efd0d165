// Server: a replica of the store in the simulation, over as many lives as it is
// given: its disk stays, its process comes and goes. What it runs is the
// product's own Replica, Machine and Table; only libraft's disk, the network
// and the time are not real.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ballots.h"
#include "base/clock.h"
#include "disk.h"
#include "history.h"
#include "store/machine.h"
#include "store/replica.h"
#include "witness.h"
#include "world.h"

namespace orch::sim {

class Server;

// The servers that there are or were, and what watches over them.
struct Cluster {
  Cluster(World& its_world, History& its_history, Canary its_canary, std::string its_folder);
  ~Cluster();
  // A new one, that waits for its start. Until the first start they begin the log together; whoever
  // comes later has to be let in.
  Server& add();
  Server* of(uint64_t id) { return id >= 1 && id <= servers.size() ? &*servers[id - 1] : nullptr; }

  World& world;
  History& history;
  const Canary canary;
  const std::string folder;
  Ballots ballots;
  size_t founders = 0;
  std::vector<std::unique_ptr<Server>> servers;
};

class Server final : public store::Peers {
 public:
  Server(Cluster& cluster, uint64_t id, std::string folder);
  ~Server() override;

  uint64_t id() const { return id_; }
  bool lives() const { return life_ != nullptr; }
  // False when it refuses: see trouble().
  bool start();
  // kill -9 or, with `power`, the loss of power: what SQLite had not synced may
  // be gone, too.
  void crash(bool power);
  // Stops the process for so long, as SIGSTOP does: what reaches it meanwhile
  // waits.
  void sleep(uint64_t ms);
  // Its clock jumps ahead, as after a machine was suspended.
  void jump(uint64_t ms);
  // What it has done on another thread takes so much longer, at its beginning and at its end.
  void slow_asides(uint64_t ms) { fate_.aside_ms = ms; }
  // Keeps a copy of the table as it is now: what a loss of power may go back
  // to. Each sync of the table does, too.
  void remember_table();
  // The whole disk as it is now, and the way back to it between two lives: an administrator who
  // puts an old copy in place. From then on the server may say that it takes no part any more.
  void remember_disk();
  void go_back_to_old_disk();
  // Between two lives: some bits of what lies on its disk are not what they were.
  void flip_bits();
  // Nothing more fits on its disk, until there is space again.
  void set_full(bool is_full);
  // Its table can't be written any more.
  void fail_table();
  // One of libraft's messages has come.
  void take_letter(uint64_t from, const Letter& letter);
  // From now on it may say that it takes no part any more: somebody wants to remove it.
  void excuse() { may_break_ = true; }
  void set_removed() { removed_ = true; }
  bool removed() const { return removed_; }
  // It never comes back.
  void die();
  bool dead() const { return dead_; }
  // What keeps it from taking part, as it says itself; "" when nothing does.
  std::string trouble() const;

  void commit(store::Write write, store::CommitDone done);
  void sync(store::Replica::SyncDone done);
  void change_members(const store::MemberChange& change, store::Replica::SyncDone done);

  store::Machine& machine() { return *life_->machine; }
  store::Replica& replica() { return *life_->replica; }
  // Waits until its watcher was told everything, and gives that to the history.
  void collect();
  std::string dump();  // The whole state, as text.
  const Disk& disk() const { return disk_; }

  void send(uint64_t to, std::string message) override;
  void turn();

 private:
  // A watcher of everything. Called on the hub's thread.
  struct Watcher {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<store::Event> events;
    int64_t from = 0;
    bool over = false;
  };
  // The machine's: simulated time, as this server has it.
  class ServerClock final : public Clock {
   public:
    ServerClock(const World& world, const Fate& fate) : world_(world), fate_(fate) {}
    WallTime now() const override { return WallTime(ms()); }
    MonoTime monotonic() const override { return MonoTime(ms()); }

   private:
    std::chrono::milliseconds ms() const {
      return std::chrono::milliseconds(world_.now() + fate_.clock_ahead);
    }
    const World& world_;
    const Fate& fate_;
  };
  struct Aside {
    std::function<void()> work, done;
  };
  struct Life {
    std::unique_ptr<Port> port;
    std::unique_ptr<store::Machine> machine;
    std::unique_ptr<store::Replica> replica;
    std::unique_ptr<Witness> witness;
    std::unique_ptr<Watcher> watcher;
    std::unique_ptr<store::Watch> watch;
    std::list<Aside> asides;  // Under way.
    uint64_t copies_taken = 0;
    bool turn_is_due = false, flush_is_due = false;
    uint64_t leader = 0, term = 0;  // As last said.
    uint64_t led = 0;               // The last term in which it was seen to lead.
  };
  Result<std::string> open_table();  // Gives its note.
  store::Replica::Aside run_aside();
  bool refuse(const Status& why);
  bool may_refuse() const { return may_break_ || damaged_ || disk_.full; }
  void end_life();
  void be_witnessed();
  void keep_table(const std::string& in) const;
  void go_back_to_table(const std::string& in);
  void watch();
  void take_turn();
  void plan_flush();
  void say(const std::string& what) const;
  void say_who_leads();
  void look_at_leading();
  void look_at_copies();
  // `what` when this life, should it still last, is awake.
  void when_awake(std::function<void()> what);
  void post(uint64_t to, Letter letter);
  void deliver(uint64_t from, const std::string& message);
  // Canaries.
  void forge_ack(uint64_t of, const raft_append_entries& sent);
  void forge_vote(uint64_t of, const raft_request_vote& asked);

  Cluster& cluster_;
  const uint64_t id_;
  const std::string folder_, synced_, old_;
  bool has_synced_ = false;
  Disk disk_, old_disk_;
  bool may_break_ = false, damaged_ = false, removed_ = false, dead_ = false;
  std::string refusal_;  // Of the last start.
  uint64_t boots_ = 0;
  Fate fate_;
  ServerClock clock_;
  std::shared_ptr<Life> life_;
};

store::Tags no_tags(std::string_view key, std::string_view bytes);

}  // namespace orch::sim
