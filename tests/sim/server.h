// Server: a replica of the store in the simulation, over as many lives as it is
// given: its disk stays, its process comes and goes. What it runs is the
// product's own Replica, Machine and Table; only libraft's disk, the network
// and the time are not real.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "disk.h"
#include "history.h"
#include "store/machine.h"
#include "store/replica.h"
#include "witness.h"
#include "world.h"

namespace orch::sim {

// Deliberate faults outside the product that a checker must notice.
enum class Canary { none, lying_disk, yes_sayer };

class Server;

// The servers, and the ways between them.
struct Cluster {
  World& world;
  History& history;
  Canary canary;
  std::vector<std::unique_ptr<Server>> servers;

  Server* of(uint64_t id) { return id >= 1 && id <= servers.size() ? &*servers[id - 1] : nullptr; }
};

class Server final : public store::Peers {
 public:
  Server(Cluster& cluster, uint64_t id, std::string folder);
  ~Server() override;

  uint64_t id() const { return id_; }
  bool lives() const { return life_ != nullptr; }
  void start();
  // kill -9 or, with `power`, the loss of power: what SQLite had not synced may
  // be gone, too.
  void crash(bool power);
  // Stops the process for so long, as SIGSTOP does: what reaches it meanwhile
  // waits.
  void sleep(uint64_t ms);
  // Its clock jumps ahead, as after a machine was suspended.
  void jump(uint64_t ms);
  // Keeps a copy of the table as it is now: what a loss of power may go back
  // to.
  void remember_table();
  // The whole disk as it is now, and the way back to it between two lives: an administrator who
  // puts an old copy in place. From then on the server may say that it takes no part any more.
  void remember_disk();
  void go_back_to_old_disk();

  void commit(store::Write write, store::CommitDone done);
  void sync(store::Replica::SyncDone done);

  store::Machine& machine() { return *life_->machine; }
  store::Replica& replica() { return *life_->replica; }
  // Waits until its watcher was told everything, and gives that to the history.
  void collect();
  std::string dump();  // The whole state, as text.

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
  struct Life {
    std::unique_ptr<Port> port;
    std::unique_ptr<store::Machine> machine;
    std::unique_ptr<store::Replica> replica;
    std::unique_ptr<Witness> witness;
    std::unique_ptr<Watcher> watcher;
    std::unique_ptr<store::Watch> watch;
    uint64_t copies_taken = 0;
    bool turn_is_due = false;
    uint64_t leader = 0, term = 0;  // As last said.
  };
  void be_witnessed();
  void go_back_to_old_table();
  void watch();
  void take_turn();
  void say(const std::string& what) const;
  void say_who_leads();
  void look_at_copies();
  // `what` when this life, should it still last, is awake.
  void when_awake(std::function<void()> what);
  void deliver(uint64_t from, const std::string& message);

  Cluster& cluster_;
  const uint64_t id_;
  const std::string folder_, old_;
  bool has_old_ = false;
  Disk disk_, old_disk_;
  bool may_break_ = false;
  uint64_t boots_ = 0;
  Fate fate_;
  std::shared_ptr<Life> life_;
};

store::Tags no_tags(std::string_view key, std::string_view bytes);

}  // namespace orch::sim
