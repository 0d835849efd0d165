#include "run.h"

namespace orch::sim {

namespace {

constexpr uint64_t kFaultyMs = 25'000;  // Then everything heals,
constexpr uint64_t kCalmMs = 90'000;    // and in this time all must be well.

}  // namespace

Counts& Counts::operator+=(const Counts& other) {
  operations += other.operations;
  done += other.done;
  crashes += other.crashes;
  changes += other.changes;
  replaced += other.replaced;
  flips += other.flips;
  full_disks += other.full_disks;
  return *this;
}

Run::Run(uint64_t seed, Canary canary, bool tells, const std::string& folder)
    : world_(seed),
      cluster_(world_, history_, canary, folder),
      clients_(cluster_),
      operator_(cluster_),
      faults_(cluster_, operator_) {
  world_.tells = tells;
  constexpr uint64_t kSizes[] = {1, 1, 1, 2, 3, 3, 3, 3, 4, 5};
  for (uint64_t left = kSizes[world_.below(std::size(kSizes))]; left > 0; --left) cluster_.add();
}

// Servers that end give their answers still.
Run::~Run() {
  cluster_.servers.clear();
  world_.forget();
}

Counts Run::counts() const {
  return {.operations = history_.operations.size(),
          .done = clients_.done(),
          .crashes = faults_.crashes(),
          .changes = operator_.changes(),
          .replaced = operator_.replaced(),
          .flips = faults_.flips(),
          .full_disks = faults_.full_disks()};
}

std::string Run::run() {
  for (const auto& server : cluster_.servers) server->start();
  operator_.begin();
  clients_.begin();
  faults_.begin();
  const uint64_t faulty_until = world_.now() + kFaultyMs;
  while (history_.complaint().empty() && world_.step(faulty_until)) {
  }
  world_.say("the faults are over");
  clients_.end();
  faults_.end();
  const uint64_t calm_until = world_.now() + kCalmMs;
  while (history_.complaint().empty() && !is_well() && world_.step(calm_until)) {
  }
  finish();
  return history_.complaint();
}

// Only members count: whoever was removed keeps what it had.
bool Run::is_well() {
  if (clients_.open() > 0 || !operator_.idle()) return false;
  std::optional<int64_t> revision;
  for (Server* const server : operator_.members()) {
    if (!server->lives() || !server->trouble().empty()) return false;
    if (server->replica().leader() == 0 || server->replica().waiting() > 0) return false;
    if (revision.value_or(server->machine().revision()) != server->machine().revision()) {
      return false;
    }
    if (!operator_.check_members(*server).empty()) return false;
    revision = server->machine().revision();
  }
  return true;
}

void Run::finish() {
  if (history_.complaint().empty() && !is_well()) {
    std::string what = "the faults are over, but the servers don't recover:";
    for (Server* const server : operator_.members()) {
      what += " [server " + std::to_string(server->id()) + " ";
      if (!server->trouble().empty()) what += server->trouble();
      if (server->lives()) {
        what += " at revision " + std::to_string(server->machine().revision()) + " led by " +
                std::to_string(server->replica().leader()) + " " + operator_.check_members(*server);
      }
      what += "]";
    }
    what += operator_.story();
    history_.complain(what);
  }
  for (const auto& server : cluster_.servers) {
    if (server->lives()) server->collect();
  }
  if (history_.complaint().empty()) compare_members();
}

void Run::compare_members() {
  const std::vector<Server*> members = operator_.members();
  const std::string state = members.front()->dump();
  for (Server* const server : members) {
    if (server->dump() == state) continue;
    history_.complain("servers " + std::to_string(members.front()->id()) + " and " +
                      std::to_string(server->id()) + " differ:\n" + state + "\n---\n" +
                      server->dump());
  }
  history_.check(2, members.front()->machine().revision());
}

}  // namespace orch::sim
