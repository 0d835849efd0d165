#include "operator.h"

#include <algorithm>

namespace orch::sim {

namespace {

constexpr size_t kMostVoters = 5, kMostServers = 14;
constexpr uint64_t kLookMs = 700;
constexpr uint64_t kPatienceMs = 8000;
constexpr const char* kVerbs[] = {"add", "promote", "demote", "remove"};

std::string text_of(const store::MemberChange& change) {
  return std::string(kVerbs[static_cast<int>(change.kind)]) + " server " +
         std::to_string(change.server);
}

}  // namespace

void Operator::begin() {
  for (const auto& server : cluster_.servers) members_[server->id()] = true;
  look();
}

size_t Operator::voters() const {
  return static_cast<size_t>(
      std::ranges::count(members_, true, &std::pair<const uint64_t, bool>::second));
}

std::string Operator::lost_trouble() const {
  if (lost_ == 0) return "";
  const Server& server = *cluster_.of(lost_);
  return server.dead() ? "it is gone" : server.trouble();
}

std::vector<Server*> Operator::members() {
  std::vector<Server*> all;
  for (const auto& [id, votes] : members_) all.push_back(cluster_.of(id));
  return all;
}

std::string Operator::check_members(Server& member) const {
  std::map<uint64_t, bool> said;
  std::string text;
  for (const store::Member& each : member.replica().membership().members()) {
    said[each.server] = each.voter;
    text += " " + std::to_string(each.server) + (each.voter ? "" : " (learns)");
  }
  return said == members_ ? "" : "has as members:" + text;
}

std::string Operator::story() const {
  std::string text = "; the members should be";
  for (const auto& [id, votes] : members_) {
    text += " " + std::to_string(id) + (votes ? "" : " (learns)");
  }
  if (lost_ != 0) text += " server " + std::to_string(lost_) + " was lost: " + lost_trouble();
  for (const store::MemberChange& step : steps_) text += " to " + text_of(step);
  return text;
}

bool Operator::may_lose(const Server& server) const {
  const auto found = members_.find(server.id());
  if (found == members_.end() || !steps_.empty() || lost_ != 0) return false;
  return !found->second || voters() >= 3;
}

// --- What to do.

void Operator::plan(Kind kind, uint64_t server) {
  steps_.push_back({kind, server, kind == Kind::add ? std::to_string(server) : ""});
}

void Operator::plan_new(bool votes) {
  Server& server = cluster_.add();
  server.start();
  plan(Kind::add, server.id());
  if (votes) plan(Kind::promote, server.id());
}

uint64_t Operator::any_member(bool voter) const {
  std::vector<uint64_t> all;
  for (const auto& [id, votes] : members_) {
    if (votes == voter) all.push_back(id);
  }
  return all.empty() ? 0 : all[world_.below(all.size())];
}

uint64_t Operator::any_voter_or_leader() {
  for (Server* const server : members()) {
    if (server->lives() && server->replica().leads() && world_.chance(500)) return server->id();
  }
  return any_member(true);
}

void Operator::consider() {
  if (!steps_.empty() || lost_ != 0) return;
  const uint64_t learner = any_member(false);
  const bool grows = voters() < kMostVoters && cluster_.servers.size() < kMostServers;
  const uint64_t what = world_.below(10);
  if (what < 4 && grows) {
    plan_new(world_.chance(800));
  } else if (what < 6 && learner != 0) {
    plan(world_.chance(600) ? Kind::promote : Kind::remove, learner);
  } else if (what < 9) {
    // Of the last one that votes it is refused.
    const uint64_t victim = any_voter_or_leader();
    if (world_.chance(400)) plan(Kind::demote, victim);
    if (steps_.empty() || world_.chance(500)) plan(Kind::remove, victim);
  } else {
    const uint64_t victim = any_voter_or_leader();
    plan(Kind::demote, victim);
    plan(Kind::promote, victim);
  }
  if (!steps_.empty()) ask_later(0);
}

void Operator::replace(uint64_t server) {
  world_.say("the operator replaces server " + std::to_string(server));
  ++replaced_;
  const bool votes = members_[server];
  if (world_.chance(500)) plan(Kind::remove, server);
  plan_new(votes);
  if (steps_.front().kind != Kind::remove) plan(Kind::remove, server);
  ask_later(0);
}

void Operator::look() {
  if (steps_.empty() && !lost_trouble().empty()) replace(lost_);
  world_.after(kLookMs, [this] { look(); });
}

// --- Doing it.

void Operator::ask_later(uint64_t ms) {
  world_.after(ms, [this, token = ++token_] {
    if (token == token_) ask();
  });
}

void Operator::ask() {
  std::vector<Server*> able;
  for (Server* const server : members()) {
    if (server->lives() && server->trouble().empty()) able.push_back(server);
  }
  if (able.empty()) return ask_later(kLookMs);
  Server& server = *able[world_.below(able.size())];
  const store::MemberChange& change = steps_.front();
  if (change.kind == Kind::remove) cluster_.of(change.server)->excuse();
  world_.say("the operator asks server " + std::to_string(server.id()) + " to " + text_of(change));
  ask_later(kPatienceMs);
  ++unanswered_;
  server.change_members(change, [this, token = token_](const Result<void>& result) {
    --unanswered_;
    if (token == token_) take_answer(result);
  });
}

void Operator::take_answer(const Result<void>& result) {
  const store::MemberChange change = steps_.front();
  world_.say("to " + text_of(change) + ": " + (result.ok() ? "done" : result.status().message));
  const int code = result.ok() ? 0 : result.status().code;
  if (code == 404 && change.kind != Kind::remove) {
    cluster_.history.complain("to " + text_of(change) + ": " + result.status().message);
  }
  if (code == 400) {  // The last one that votes.
    if (voters() > 1) cluster_.history.complain(text_of(change) + ": " + result.status().message);
    steps_.resize(1);
    return go_on();
  }
  if (code != 0 && code != 404) return ask_later(world_.between(100, 1000));
  note(change);
  go_on();
}

// A server that was asked before may still have the same done, so the next step waits for that.
void Operator::go_on() {
  ++token_;
  if (unanswered_ > 0) return world_.after(kLookMs, [this] { go_on(); });
  steps_.pop_front();
  if (!steps_.empty()) ask_later(world_.between(0, 500));
}

void Operator::note(const store::MemberChange& change) {
  ++changes_;
  if (change.kind != Kind::remove) {
    members_[change.server] = change.kind == Kind::promote;
    return;
  }
  members_.erase(change.server);
  Server& server = *cluster_.of(change.server);
  server.set_removed();
  if (change.server == lost_) lost_ = 0;
  world_.after(world_.between(500, 8000), [&server] {
    if (!server.dead()) server.die();
  });
}

}  // namespace orch::sim
