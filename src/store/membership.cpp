#include "store/membership.h"

#include <algorithm>

#include "base/log.h"

// libraft's own, beneath raft_add() and its sisters. Those can't give a server another address and
// take two steps for a learner; one configuration does. (We link libraft statically, in one known
// version: raft_library.h.)
extern "C" int LegacyForwardToRaftIo(struct raft* log, struct raft_event* event);

namespace orch::store {

namespace {

constexpr size_t kMaxOrders = 16;
constexpr size_t kMaxAddressBytes = 255;

Status status_of(int code, std::string_view text) {
  Status status;
  const std::string message(text);
  if (code == 400) status = bad_request(message);
  if (code == 404) status = not_found(message);
  if (code == 409) status = conflict(message);
  if (code == 503) status = service_unavailable(message);
  if (status.message.empty()) status = internal_error(message);
  return status;
}

Status last_voter(uint64_t server) {
  return bad_request(server_text(server) +
                     " is the last one that votes: without it nothing could be written");
}

std::string pack_change(uint64_t token, const MemberChange& change) {
  std::string out = pack_message(PeerMessage::change, token, static_cast<uint64_t>(change.kind));
  pack_number(change.server, &out);
  pack_text(change.address, &out);
  pack_number(change.replaces, &out);
  return out;
}

}  // namespace

struct Membership::Work {
  raft_change request{};  // First: libraft gives it back.
  Membership* owner = nullptr;
};

const raft_server* Membership::find(uint64_t server) const {
  for (unsigned i = 0; i < log_.configuration.n; ++i) {
    if (log_.configuration.servers[i].id == server) return &log_.configuration.servers[i];
  }
  return nullptr;
}

bool Membership::has(uint64_t server) const { return find(server) != nullptr; }

std::vector<Member> Membership::members() const {
  std::vector<Member> all;
  for (unsigned i = 0; i < log_.configuration.n; ++i) {
    const raft_server& server = log_.configuration.servers[i];
    all.push_back({server.id, server.address, server.role == RAFT_VOTER});
  }
  return all;
}

size_t Membership::voters() const {
  size_t count = 0;
  for (unsigned i = 0; i < log_.configuration.n; ++i) {
    if (log_.configuration.servers[i].role == RAFT_VOTER) ++count;
  }
  return count;
}

bool Membership::was_removed() {
  const auto [committed, uncommitted] = version();
  // What is not agreed on yet may be taken back.
  if (uncommitted == 0 && has(self_)) was_member_ = true;
  if (!was_member_) return false;
  if (removed_at_ > std::max(committed, uncommitted)) return true;
  return log_.configuration.n > 0 && uncommitted == 0 && !has(self_);
}

// --- The server that was asked.

void Membership::change(MemberChange change, Done done, uint64_t now) {
  wishes_.push_back({.change = std::move(change),
                     .done = std::move(done),
                     .token = ++tokens_,
                     .since = now,
                     .asked = 0,
                     .asks = 0,
                     .place = {}});
}

void Membership::turn(uint64_t now, uint64_t leader, bool leads, bool may_change) {
  const Place here = place();
  for (Wish& wish : wishes_) {
    if (leader == 0 || (wish.place == here && now - wish.asked < ask_again_ms_)) continue;
    wish.asked = now;
    wish.place = here;
    ++wish.asks;
    if (leads) {
      orders_.push_back({self_, wish.token, wish.change, here});
    } else {
      std::string out = pack_change(wish.token, wish.change);
      pack_number(here.term, &out);
      pack_number(here.configuration, &out);
      peers_.send(leader, std::move(out));
    }
  }
  if (!leads) return orders_.clear();
  if (!may_change) return;
  for (const Order& order : std::exchange(orders_, {})) {
    const bool again =
        under_way_ && order.from == under_way_->from && order.token == under_way_->token;
    if (again || order.place != place()) continue;
    const Result<bool> begun = begin(order);
    if (!begun) answer_when_sure(order, begun.status());
    if (begun.ok() && !*begun) answer_when_sure(order, {});
  }
}

void Membership::take_answer(uint64_t token, int code, std::string_view text) {
  const auto wish = std::ranges::find(wishes_, token, &Wish::token);
  if (wish == wishes_.end()) return;
  const bool again = wish->asks > 1;
  // Ours may be what was under way when the leader changed; and what we removed is gone.
  if (code == 409 && again) return;
  if (code == 404 && again && wish->change.kind == MemberChange::Kind::remove) code = 0;
  const Done done = std::move(wish->done);
  wishes_.erase(wish);
  done(code == 0 ? Result<void>() : status_of(code, text));
}

void Membership::give_up(uint64_t before, const Status& why) {
  std::vector<Done> late;
  std::erase_if(wishes_, [&](Wish& wish) {
    if (wish.since > before) return false;
    late.push_back(std::move(wish.done));
    return true;
  });
  for (const Done& done : late) done(why);
}

void Membership::receive(uint64_t from, PeerMessage kind, std::string_view rest) {
  Unpacking in(rest);
  const uint64_t first = in.number();
  if (kind == PeerMessage::removed) {
    if (in.ok()) removed_at_ = std::max(removed_at_, first);
    return;
  }
  const uint64_t second = in.number();
  if (kind == PeerMessage::changed) {
    const std::string_view text = in.text();
    if (in.ok()) take_answer(first, static_cast<int>(second), text);
    return;
  }
  if (kind != PeerMessage::change) return;
  Order order{.from = from, .token = first, .change = {}, .place = {}};
  if (second > static_cast<uint64_t>(MemberChange::Kind::replace)) {
    return answer(order, bad_request("the leader knows no such change: is its version another?"));
  }
  order.change.kind = static_cast<MemberChange::Kind>(second);
  order.change.server = in.number();
  order.change.address = in.text();
  order.change.replaces = in.number();
  order.place.term = in.number();
  order.place.configuration = in.number();
  if (in.ok() && orders_.size() < kMaxOrders) orders_.push_back(std::move(order));
}

void Membership::tell_removed(uint64_t server) {
  if (log_.configuration_uncommitted_index != 0) return;  // It may be taken back.
  std::string out;
  pack_number(static_cast<uint64_t>(PeerMessage::removed), &out);
  pack_number(log_.configuration_committed_index, &out);
  peers_.send(server, std::move(out));
}

// --- The leader.

void Membership::answer(const Order& order, const Result<void>& result) {
  const int code = result.ok() ? 0 : result.status().code;
  const std::string text = result.ok() ? "" : result.status().message;
  if (order.from == self_) return take_answer(order.token, code, text);
  std::string out = pack_message(PeerMessage::changed, order.token, static_cast<uint64_t>(code));
  pack_text(text, &out);
  peers_.send(order.from, std::move(out));
}

// (Who is told of a conflict tries again.)
void Membership::answer_when_sure(const Order& order, const Result<void>& result) {
  if (!result && result.status().conflict()) return answer(order, result);
  sync_([this, order, result](const Result<void>& synced) {
    if (synced.ok() && order.place == place()) answer(order, result);
  });
}

Result<void> Membership::check_place(const MemberChange& change) const {
  if (change.server == 0) return bad_request("a server's number is not 0");
  if (change.address.empty() || change.address.size() > kMaxAddressBytes) {
    return bad_request("a server's address has 1 to 255 bytes");
  }
  for (const Member& member : members()) {
    if (member.server == change.server || member.server == change.replaces) continue;
    if (member.address != change.address) continue;
    return bad_request(server_text(member.server) + " is at " + change.address + " already");
  }
  return {};
}

Result<Membership::Step> Membership::plan_replacement(const MemberChange& change) const {
  const raft_server* const replaced = find(change.replaces);
  if (has(change.server)) return Step::nothing;
  if (replaced == nullptr) return not_found(server_text(change.replaces) + " is no member");
  if (change.replaces == self_) return conflict(server_text(self_) + " leads, and is not lost");
  if (replaced->role == RAFT_VOTER && voters() == 1) return last_voter(change.replaces);
  ORCH_TRY(check_place(change));
  return Step::configure;
}

Result<Membership::Step> Membership::plan(const MemberChange& change) const {
  using Kind = MemberChange::Kind;
  const raft_server* const known = find(change.server);
  if (change.kind == Kind::replace) return plan_replacement(change);
  if (change.kind == Kind::add) {
    ORCH_TRY(check_place(change));
    return known != nullptr && known->address == change.address ? Step::nothing : Step::configure;
  }
  if (known == nullptr) return not_found(server_text(change.server) + " is no member");
  const bool votes = known->role == RAFT_VOTER;
  if (change.kind == Kind::promote) return votes ? Step::nothing : Step::promote;
  if (change.kind == Kind::demote && !votes) return Step::nothing;
  if (votes && voters() == 1) {
    return last_voter(change.server);
  }
  return change.server == self_ && votes ? Step::hand_over : Step::configure;
}

Result<bool> Membership::begin(const Order& order) {
  const Result<Step> step = plan(order.change);
  if (under_way_ || log_.configuration_uncommitted_index != 0 ||
      log_.leader_state.promotee_id != 0) {
    if (!step.ok() || *step != Step::nothing) {
      return conflict("another change of the servers is under way");
    }
    // It may be taken back yet: the answer waits until it is agreed on.
    orders_.push_back(order);
    return true;
  }
  if (!step.ok()) return step.status();
  if (*step == Step::nothing) return false;
  if (raft_transferee(&log_) != 0) return true;  // The next leader is asked again.
  if (*step == Step::hand_over) {
    hand_over_();
    return true;
  }
  auto* const work = new Work();
  work->owner = this;
  under_way_ = order;
  const int code = *step == Step::promote ? raft_assign(&log_, &work->request, order.change.server,
                                                        RAFT_VOTER, finished)
                                          : configure(order.change, work);
  if (code == 0) return true;
  log_.legacy.change = nullptr;
  delete work;
  under_way_.reset();
  return service_unavailable(std::string("change the servers: ") + raft_strerror(code));
}

int Membership::configure(const MemberChange& change, Work* work) {
  using Kind = MemberChange::Kind;
  raft_configuration next;
  raft_configuration_init(&next);
  int code = 0;
  for (unsigned i = 0; i < log_.configuration.n && code == 0; ++i) {
    const raft_server& server = log_.configuration.servers[i];
    const bool meant = server.id == change.server;
    if (meant && change.kind == Kind::remove) continue;
    const bool lost = change.kind == Kind::replace && server.id == change.replaces;
    const std::string nowhere = "lost:" + server_text(server.id).substr(7);
    const char* address = lost                                ? nowhere.c_str()
                          : meant && change.kind == Kind::add ? change.address.c_str()
                                                              : server.address;
    const int role = meant && change.kind == Kind::demote ? RAFT_STANDBY : server.role;
    code = raft_configuration_add(&next, server.id, address, role);
  }
  const bool adds = change.kind == Kind::add || change.kind == Kind::replace;
  if (code == 0 && adds && !has(change.server)) {
    code = raft_configuration_add(&next, change.server, change.address.c_str(), RAFT_STANDBY);
  }
  raft_entry entry{};
  entry.type = RAFT_CHANGE;
  entry.term = log_.current_term;
  if (code == 0) code = raft_configuration_encode(&next, &entry.buf);
  raft_configuration_close(&next);
  if (code != 0) return code;
  entry.batch = entry.buf.base;
  raft_event event{};
  event.type = RAFT_SUBMIT;
  event.time = log_.io->time(log_.io);
  event.submit.entries = &entry;
  event.submit.n = 1;
  code = LegacyForwardToRaftIo(&log_, &event);
  if (code != 0) return code;
  work->request.cb = finished;
  work->request.catch_up_id = 0;
  log_.legacy.change = &work->request;
  return 0;
}

void Membership::finished(raft_change* request, int code) {
  auto* const work = reinterpret_cast<Work*>(request);
  Membership* const self = work->owner;
  delete work;
  if (!self->under_way_) return;
  const Order order = *std::exchange(self->under_way_, std::nullopt);
  // A leader no more: whether it takes effect is for the next one to say, which is asked again.
  if (code == RAFT_LEADERSHIPLOST || code == RAFT_SHUTDOWN || code == RAFT_CANCELED) return;
  if (code == 0) {
    if (order.change.kind == MemberChange::Kind::remove) self->tell_removed(order.change.server);
    return self->answer(order, {});
  }
  self->answer(order, service_unavailable(server_text(order.change.server) +
                                          " does not catch up: " + raft_strerror(code)));
}

}  // namespace orch::store
