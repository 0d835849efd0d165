#include "faults.h"

namespace orch::sim {

void Faults::next() {
  world_.after(world_.between(50, 1200), [this] {
    if (ended_) return;
    inject();
    next();
  });
}

void Faults::end() {
  ended_ = true;
  world_.cuts.heal();
  world_.chances = {};
  for (const auto& server : cluster_.servers) {
    server->set_full(false);
    if (!server->lives() && !server->dead()) server->start();
  }
}

Server* Faults::any_server() {
  Server& server = *cluster_.servers[world_.below(cluster_.servers.size())];
  return server.dead() ? nullptr : &server;
}

void Faults::inject() {
  const uint64_t what = world_.below(26);
  if (what < 8) return stop_somebody(what);
  if (what < 15) return break_network(what - 8);
  if (what < 20) return operator_.consider();
  if (Server* const server = any_server()) break_disk(*server, what - 20);
}

// --- Processes.

void Faults::stop_somebody(uint64_t how) {
  if (how == 0 && world_.chance(500)) {  // The room goes dark.
    for (const auto& each : cluster_.servers) {
      if (each->lives()) crash(*each, true);
    }
    return;
  }
  Server* const server = any_server();
  if (server == nullptr) return;
  if (!server->lives()) return void(server->start());
  if (how < 3) return crash(*server, false);
  if (how < 5) return crash(*server, true);
  if (how == 5) return;
  const uint64_t ms = world_.between(100, 3000);
  server->sleep(ms);
  if (ms % 3 == 0) server->jump(ms * 10);  // As a suspended machine finds its clock.
}

void Faults::crash(Server& server, bool power) {
  ++crashes_;
  server.crash(power);
}

void Faults::start_later(Server& server, uint64_t ms) {
  world_.after(ms, [&server] {
    if (!server.lives() && !server.dead()) server.start();
  });
}

// --- The network.

void Faults::break_network(uint64_t how) {
  const uint64_t count = cluster_.servers.size();
  switch (how) {
    case 0: {  // One way or both.
      const uint64_t from = world_.between(1, count), to = world_.between(1, count);
      world_.cuts.cut(from, to);
      if (world_.chance(600)) world_.cuts.cut(to, from);
      return;
    }
    case 1: {
      const uint64_t from = world_.between(1, count), to = world_.between(1, count);
      return world_.cuts.cut_raft(from, to);
    }
    case 2:
      return world_.cuts.heal();
    case 3:
      world_.chances = {.drop = world_.below(200),
                        .repeat = world_.below(100),
                        .slow_message = world_.below(100),
                        .slow_write = world_.below(100),
                        .slow_aside = world_.below(300)};
      return;
    case 4:
      world_.chances = {};
      return;
    default:
      return isolate_leader();
  }
}

// For a while nobody hears of it, while the others, whose clocks may be faster, elect another.
// Where only libraft's streams break, it can still ask whether it leads.
void Faults::isolate_leader() {
  for (const auto& leader : cluster_.servers) {
    if (!leader->lives() || !leader->replica().leads()) continue;
    const bool raft_only = world_.chance(500), hurries = world_.chance(500);
    for (const auto& other : cluster_.servers) {
      if (other == leader || other->dead()) continue;
      for (const auto& [from, to] :
           {std::pair(leader->id(), other->id()), std::pair(other->id(), leader->id())}) {
        raft_only ? world_.cuts.cut_raft(from, to) : world_.cuts.cut(from, to);
        world_.after(world_.between(500, 2500), [this, from, to] { world_.cuts.heal(from, to); });
      }
      if (hurries) other->jump(1000);
    }
    world_.say("server " + std::to_string(leader->id()) + " is cut off as it leads");
    return;
  }
}

// --- Disks.

void Faults::break_disk(Server& server, uint64_t how) {
  switch (how) {
    case 0:
      ++full_disks_;
      return server.set_full(true);
    case 1:
      for (const auto& each : cluster_.servers) each->set_full(false);
      return;
    case 2:
      if (!operator_.may_lose(server)) return;
      operator_.lose(server);
      return server.die();
    case 3:
      if (operator_.may_lose(server)) flip_bits(server);
      return;
    default:
      if (server.lives()) server.remember_table();
      return;
  }
}

void Faults::flip_bits(Server& server) {
  ++flips_;
  operator_.lose(server);
  if (server.lives()) crash(server, world_.chance(500));
  server.flip_bits();
  start_later(server, world_.between(50, 1500));
}

}  // namespace orch::sim
