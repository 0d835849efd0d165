#include "server/etcd/etcd_log.h"

#include <algorithm>

#include "base/log.h"
#include "store/expected.h"

namespace orch::etcd {

namespace {

constexpr int64_t kPageKeys = 500;
constexpr size_t kMaxLineBytes = 256u << 20;
// Between two tries to watch, doubled with each that fails.
constexpr std::chrono::milliseconds kFirstRest{100}, kLongestRest{2'000};
constexpr std::chrono::seconds kCloseGrace{5};  // For the answers that are still to come.

Status unknown_outcome() {
  return gateway_timeout("the write may or may not have happened: etcd was lost meanwhile");
}

// As who uses the API should hear it.
Status outward(Status status) {
  if (status.code != 504 && status.code != 413) status = service_unavailable(status.message);
  if (status.code == 503) status.details.retry_after_s = 1;
  return status;
}

}  // namespace

EtcdLog::EtcdLog(Gateway& gateway, Gateway& lead_gateway, std::unique_ptr<store::Mirror> mirror,
                 const store::Options& options, const LeadOptions& lead)
    : gateway_(gateway),
      mirror_(std::move(mirror)),
      max_writes_(options.queue_writes),
      max_bytes_(options.queue_bytes),
      lead_(lead_gateway, lead, [this] { return passed_.load(); }) {}

Result<std::unique_ptr<EtcdLog>> EtcdLog::start(Gateway& gateway, Gateway& lead_gateway,
                                                std::unique_ptr<store::Mirror> mirror,
                                                const store::Options& options,
                                                const LeadOptions& lead) {
  std::unique_ptr<EtcdLog> log(
      new EtcdLog(gateway, lead_gateway, std::move(mirror), options, lead));
  Result<void> read = log->read_all();
  for (size_t left = gateway.servers(); !read && left > 1; --left) read = log->read_all();
  ORCH_TRY(std::move(read));
  log->lead_.start();
  log->thread_ = std::thread([raw = log.get()] { raw->run(); });
  log->reseal();
  return log;
}

// Nobody waits for it: whoever changes such a value meanwhile seals it as well.
void EtcdLog::reseal() {
  std::vector<store::Write> stale = mirror_->take_stale();
  if (stale.empty()) return;
  log::info("etcd", "sealing " + std::to_string(stale.size()) + " values anew");
  for (store::Write& write : stale) {
    const std::string key = write.key;
    propose({std::move(write),
             [key](const Result<store::Committed>& done) {
               if (done || done.status().conflict() || done.status().not_found()) return;
               log::warning("etcd", key + " is not sealed anew: " + done.status().message);
             }},
            WhenFull::wait);
  }
}

void EtcdLog::close() {
  {
    std::unique_lock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    room_.notify_all();
    idle_.wait_for(lock, kCloseGrace, [this] { return writes_ == 0; });
    closing_.notify_all();
  }
  lead_.close();
  gateway_.cancel();
  if (thread_.joinable()) thread_.join();
  pool_.stop();
  give_up(service_unavailable("the store is closed"));
  // What the pool dropped.
  std::vector<std::shared_ptr<Pending>> left;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, pending] : by_key_) left.push_back(pending);
  }
  for (const auto& pending : left) finish(pending, service_unavailable("the store is closed"));
}

// --- Writing.

bool EtcdLog::has_room() const {
  return writes_ < max_writes_ && (writes_ == 0 || bytes_ < max_bytes_);
}

void EtcdLog::propose(store::Proposal proposal, WhenFull when_full) {
  const store::Write& write = proposal.write;
  const auto pending = std::make_shared<Pending>();
  pending->bytes = write.key.size() + (write.bytes ? write.bytes->size() : 0);
  Status refused;
  {
    std::unique_lock lock(mutex_);
    if (when_full == WhenFull::wait) room_.wait(lock, [this] { return closed_ || has_room(); });
    if (closed_) {
      refused = service_unavailable("the store is closed");
    } else if (!has_room()) {
      refused = too_many_requests("too many writes wait for the store", 1);
    } else if (health_ == store::Health::away) {
      refused = outward(service_unavailable("etcd can't be reached"));
    } else {
      pending->proposal = std::move(proposal);
      ++writes_;
      bytes_ += pending->bytes;
      by_key_.emplace(pending->proposal.write.key, pending);
    }
  }
  if (!pending->proposal.done) return proposal.done(std::move(refused));
  if (!pool_.run([this, pending] { this->write(pending); })) {
    finish(pending, too_many_requests("too many writes wait for the store", 1));
  }
}

void EtcdLog::write(const std::shared_ptr<Pending>& pending) {
  store::Write& write = pending->proposal.write;
  const store::RecordPtr current = mirror_->get(write.key);
  const ClaimChanges claims = claim_changes(write, current);
  if (!claims.none()) {
    // They are right for this state only.
    const int64_t at = current ? current->revision : 0;
    if (!write.expected_revision) write.expected_revision = at;
    if (auto fits = store::check_expected(write, at); !fits) return finish(pending, fits.status());
  }
  const std::string value = write.bytes ? mirror_->value_of(write) : "";
  const auto answer = gateway_.call(kTxnPath, write_request(write, value, claims));
  const auto written = answer ? read_written(*answer) : Result<Written>(answer.status());
  if (!written) return finish(pending, outward(written.status()));
  const Status lost = written->done ? Status() : refusal(write, *written, claims);
  when_passed(written->revision, [this, pending, written = *written, lost](const Status* failed) {
    if (failed != nullptr && written.done) return finish(pending, unknown_outcome());
    if (!written.done) return finish(pending, lost);
    finish(pending, outcome(*pending, written.revision));
  });
}

// What the watch has brought of it; nothing when the whole state was read anew meanwhile.
Result<store::Committed> EtcdLog::outcome(const Pending& pending, int64_t revision) {
  const std::lock_guard lock(mutex_);
  const auto seen = std::ranges::find(pending.seen, revision, &store::Committed::revision);
  if (seen == pending.seen.end()) return unknown_outcome();
  return *seen;
}

void EtcdLog::finish(const std::shared_ptr<Pending>& pending, Result<store::Committed> result) {
  store::CommitDone done;
  {
    const std::lock_guard lock(mutex_);
    auto [at, end] = by_key_.equal_range(pending->proposal.write.key);
    at = std::find_if(at, end, [&](const auto& entry) { return entry.second == pending; });
    if (at == end) return;
    by_key_.erase(at);
    --writes_;
    bytes_ -= pending->bytes;
    done = std::move(pending->proposal.done);
    room_.notify_all();
    if (writes_ == 0) idle_.notify_all();
  }
  done(std::move(result));
}

// --- Waiting for the watch to come by.

void EtcdLog::when_passed(int64_t revision, Passed passed) {
  {
    const std::lock_guard lock(mutex_);
    if (passed_ < revision && health_ != store::Health::away) {
      waiting_.emplace(revision, std::move(passed));
      return;
    }
  }
  const Status away = service_unavailable("etcd can't be reached");
  passed(passed_ < revision ? &away : nullptr);
}

void EtcdLog::pass(int64_t revision) {
  std::vector<Passed> there;
  {
    const std::lock_guard lock(mutex_);
    passed_ = revision;
    const auto end = waiting_.upper_bound(revision);
    for (auto at = waiting_.begin(); at != end; ++at) there.push_back(std::move(at->second));
    waiting_.erase(waiting_.begin(), end);
  }
  for (const Passed& passed : there) passed(nullptr);
}

void EtcdLog::give_up(const Status& why) {
  std::multimap<int64_t, Passed> waiting;
  std::vector<SyncDone> readers;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
    readers.swap(readers_);
  }
  for (const auto& [revision, passed] : waiting) passed(&why);
  for (const SyncDone& done : readers) done(why);
}

void EtcdLog::sync(SyncDone done) {
  bool first = false;
  bool away = false;
  {
    const std::lock_guard lock(mutex_);
    away = closed_ || health_ == store::Health::away;
    first = readers_.empty();
    if (!away) readers_.push_back(done);
  }
  if (away) return done(outward(service_unavailable("etcd can't be reached")));
  if (first && !pool_.run([this] { ask_revision(); })) {
    give_up(service_unavailable("the store is closed or overloaded"));
  }
}

// One question for all that wait when it is put.
void EtcdLog::ask_revision() {
  std::vector<SyncDone> readers;
  {
    const std::lock_guard lock(mutex_);
    readers.swap(readers_);
  }
  const auto answer = gateway_.call(kRangePath, leader_request(0));
  const auto newest = answer ? revision_of(*answer) : Result<int64_t>(answer.status());
  if (!newest) {
    for (const SyncDone& done : readers) done(outward(newest.status()));
    return;
  }
  when_passed(*newest, [readers = std::move(readers)](const Status* failed) {
    for (const SyncDone& done : readers) done(failed ? Result<void>(*failed) : Result<void>());
  });
}

// --- Watching.

void EtcdLog::run() {
  bool behind = false;  // etcd has forgotten what comes next, or it can't be read.
  for (tries_ = 0;; ++tries_) {
    const Result<void> ended = behind ? read_all() : follow();
    if (ended) {
      behind = false;
      tries_ = -1;
      continue;
    }
    const Status& why = ended.status();
    behind = behind || why.gone() || why.code == 500;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      // The first try anew is made at once: perhaps only one server went.
      if (tries_ > 0) health_ = store::Health::away;
    }
    if (tries_ < 2) log::warning("etcd", why.message);
    if (tries_ > 0) give_up(outward(why));
    if (tries_ > 0 && !rest(tries_)) return;
  }
}

// False when it is over.
bool EtcdLog::rest(int failures) {
  const auto time = std::min(kLongestRest, kFirstRest * (1 << std::min(failures, 8)));
  std::unique_lock lock(mutex_);
  return !closing_.wait_for(lock, time, [this] { return closed_; });
}

Result<void> EtcdLog::read_all() {
  std::vector<store::Kept> all;
  Page page;
  do {
    const std::string request = page_request(page.last_key, kPageKeys, page.revision);
    const auto answer = ORCH_TRY(gateway_.call(kRangePath, request));
    const int64_t revision = page.revision;
    page = ORCH_TRY(read_page(answer));
    if (revision != 0) page.revision = revision;  // The header has the newest.
    std::ranges::move(page.kept, std::back_inserter(all));
  } while (!page.last_key.empty());
  const auto answer = ORCH_TRY(gateway_.call(kRangePath, leader_request(page.revision)));
  const Leader leader = ORCH_TRY(read_leader(answer));
  const size_t count = all.size();
  ORCH_TRY(mirror_->replace(std::move(all), page.revision));
  log::info("etcd", "read " + std::to_string(count) + " objects at revision " +
                        std::to_string(page.revision));
  pass(page.revision);
  lead_.take(leader);
  return {};
}

// Until it breaks.
Result<void> EtcdLog::follow() {
  auto stream = ORCH_TRY(gateway_.open(kWatchPath, watch_request(passed_ + 1)));
  std::string lines;
  char buffer[64 << 10];
  for (;;) {
    auto size = stream->read(buffer, sizeof buffer, -1);
    if (!size) return std::move(size).status().in("etcd's watch");
    if (*size == 0) return service_unavailable("etcd ended the watch");
    const size_t looked = lines.size();
    lines.append(buffer, *size);
    size_t begin = 0;
    for (size_t end = lines.find('\n', looked); end != lines.npos; end = lines.find('\n', begin)) {
      ORCH_TRY(take(std::string_view(lines).substr(begin, end - begin)));
      begin = end + 1;
    }
    lines.erase(0, begin);
    if (lines.size() > kMaxLineBytes) return service_unavailable("etcd's watch: a line too long");
  }
}

Result<void> EtcdLog::take(std::string_view line) {
  Seen seen = ORCH_TRY(read_seen(line));
  ORCH_TRY(gateway_.check_cluster(seen.cluster));
  if (!seen.begins) return take_changes(std::move(seen));
  if (seen.revision < passed_) ORCH_TRY(check_not_restored());
  const std::lock_guard lock(mutex_);
  if (health_ != store::Health::good) log::info("etcd", "it is back: writes go on");
  health_ = store::Health::good;
  tries_ = -1;
  return {};
}

// This etcd server may be behind the others; all of them must not be.
Result<void> EtcdLog::check_not_restored() {
  const auto answer = ORCH_TRY(gateway_.call(kRangePath, leader_request(0)));
  const int64_t newest = ORCH_TRY(revision_of(answer));
  if (newest >= passed_) return {};
  return expired("etcd is at revision " + std::to_string(newest) + ", and was at " +
                 std::to_string(passed_) + ": it was restored");
}

Result<void> EtcdLog::take_changes(Seen seen) {
  if (seen.revision <= passed_) return {};  // Of what we know it may speak again.
  const auto events = ORCH_TRY(mirror_->apply(std::move(seen.changes), seen.revision));
  {
    const std::lock_guard lock(mutex_);
    for (const store::Event& event : events) {
      const auto [begin, end] = by_key_.equal_range(std::string(event.record->key));
      for (auto at = begin; at != end; ++at) {
        at->second->seen.push_back({event.revision, event.record, event.previous});
      }
    }
  }
  if (seen.leader) lead_.take(*seen.leader);
  pass(seen.revision);
  return {};
}

}  // namespace orch::etcd
