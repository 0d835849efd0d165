#include "server/etcd/lead.h"

#include <charconv>

#include "base/check.h"
#include "base/log.h"

namespace orch::etcd {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnyTime = std::chrono::hours(24);
constexpr milliseconds kAfterFailure{1'000};

std::string name_of(uint64_t server) {
  char text[17] = "";
  const auto end = std::to_chars(text, text + 16, server, 16).ptr;
  return {text, end};
}

uint64_t server_of(const std::string& name) {
  uint64_t server = 0;
  std::from_chars(name.data(), name.data() + name.size(), server, 16);
  return server;
}

}  // namespace

Lead::Lead(Gateway& gateway, const LeadOptions& options, std::function<int64_t()> passed)
    : gateway_(gateway),
      options_(options),
      passed_(std::move(passed)),
      name_(name_of(options.server)) {
  ORCH_CHECK(options.server != 0);
}

void Lead::start() {
  thread_ = std::thread([this] { run(); });
}

void Lead::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

store::Leadership Lead::leadership() const {
  const std::lock_guard lock(mutex_);
  return leadership_now();
}

store::Leadership Lead::leadership_now() const {
  store::Leadership now;
  now.term = static_cast<uint64_t>(leader_.term);
  now.leader = server_of(leader_.value);
  now.ours = is_ours(leader_) && options_.clock->monotonic() < alive_until_;
  if (is_ours(leader_) && !now.ours) now.leader = 0;
  return now;
}

void Lead::on_leadership(std::function<void(const store::Leadership&)> tell) {
  const std::lock_guard telling(telling_);
  tell_ = std::move(tell);
  told_ = leadership();
  tell_(told_);
}

void Lead::take(const Leader& leader) {
  {
    const std::lock_guard lock(mutex_);
    if (leader_ == leader) return;
    leader_ = leader;
  }
  judge();
  changed_.notify_all();
}

// Tells who leads, when that has changed.
void Lead::judge() {
  const std::lock_guard telling(telling_);
  const store::Leadership now = leadership();
  if (now == told_) return;
  if (now.ours != told_.ours) {
    log::info("etcd", now.ours ? "this server leads" : "this server does not lead any more");
  }
  told_ = now;
  if (tell_) tell_(now);
}

void Lead::run() {
  std::unique_lock lock(mutex_);
  while (!closed_) {
    const Leader leader = leader_;
    lock.unlock();
    const milliseconds rest = look(leader);
    lock.lock();
    changed_.wait_for(lock, rest, [&] { return closed_ || !(leader_ == leader); });
  }
  lock.unlock();
  if (lease_ == 0) return;
  if (const auto revoked = gateway_.call(kRevokePath, lease_request(lease_)); !revoked) {
    log::warning("etcd", "the lease stays until it runs out: " + revoked.status().message);
  }
}

milliseconds Lead::look(const Leader& leader) {
  if (leader.term == 0) return campaign();
  if (!is_ours(leader)) return kAnyTime;
  const milliseconds rest = keep_alive();
  if (leadership().ours) compact();
  return rest;
}

// Tries to make the key. The watch tells who did.
milliseconds Lead::campaign() {
  if (lease_ != 0 && !renew_lease()) return kAfterFailure;
  if (lease_ == 0) {
    const MonoTime asked = options_.clock->monotonic();
    const auto granted = gateway_.call(kGrantPath, grant_request(options_.lease.count()));
    const auto lease = granted ? read_lease(*granted) : Result<Lease>(granted.status());
    if (!lease) return kAfterFailure;
    note_lease(*lease, asked);
  }
  compact_at_ = {};
  const auto made = gateway_.call(kTxnPath, lead_request(lease_, name_));
  return made ? options_.lease / 3 : kAfterFailure;
}

milliseconds Lead::keep_alive() {
  const bool renewed = renew_lease().ok();
  judge();
  const milliseconds rest = options_.lease / 3;
  return renewed ? rest : std::min(kAfterFailure, rest);
}

Result<void> Lead::renew_lease() {
  const MonoTime asked = options_.clock->monotonic();
  const auto answer = ORCH_TRY(gateway_.call(kKeepAlivePath, lease_request(lease_)));
  note_lease(ORCH_TRY(read_lease(answer)), asked);
  return {};
}

void Lead::note_lease(const Lease& lease, MonoTime asked) {
  lease_ = lease.ttl_s > 0 ? lease.id : 0;  // One that has run out is of no use any more.
  if (lease_ == 0) return;
  const std::lock_guard lock(mutex_);
  alive_until_ = asked + std::chrono::seconds(lease.ttl_s);
}

void Lead::compact() {
  const MonoTime now = options_.clock->monotonic();
  if (options_.compaction.count() == 0 || now < compact_at_) return;
  if (compact_at_ != MonoTime() && compact_to_ > 0) {
    const auto done = gateway_.call(kCompactionPath, compaction_request(compact_to_));
    if (!done && !done.status().gone()) log::warning("etcd", "compact: " + done.status().message);
  }
  compact_to_ = passed_();
  compact_at_ = now + options_.compaction;
}

}  // namespace orch::etcd
