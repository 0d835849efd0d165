#include "store/store.h"

#include <future>

#include "base/check.h"
#include "base/files.h"
#include "base/log.h"
#include "store/engine.h"
#include "store/log.h"
#include "store/machine.h"
#include "store/raft_folder.h"
#include "store/raft_log.h"
#include "store/snapshot.h"
#include "store/spare.h"
#include "store/table.h"

namespace orch::store {

namespace {

Result<void> validate_write(const Write& write) {
  const std::string_view key = write.key;
  if (key.size() < 2 || key.size() > kMaxKeyBytes || key.front() != '/' || key.back() == '/') {
    return bad_request("a key starts with \"/\", doesn't end with it, and has at most " +
                       std::to_string(kMaxKeyBytes) + " bytes: \"" +
                       std::string(key.substr(0, 64)) + "\"");
  }
  if (!write.bytes) return {};
  if (write.bytes->size() > kMaxRecordBytes) {
    return too_large(write.key + " has " + std::to_string(write.bytes->size()) +
                     " bytes; the limit is " + std::to_string(kMaxRecordBytes));
  }
  if (write.revision_at > write.bytes->size()) {
    return bad_request(write.key + ": the revision's place is outside the bytes");
  }
  return {};
}

// A replica's state goes on only with its log, and a single server's only without.
Result<void> check_owner(const Options& options, const Table::Loaded& loaded) {
  const std::string& directory = options.directory;
  const bool has_log = has_raft_log(directory);
  if (options.replication == nullptr) {
    if (!has_log && loaded.note.empty()) return {};
    return bad_request(directory + " belongs to one of several servers: start it as such, or " +
                       "restore a snapshot of it into an empty folder to go on with one server");
  }
  const bool is_new = loaded.records.empty() && loaded.revision <= 1;
  if (options.replication->begins || has_log || !loaded.note.empty() || is_new) return {};
  return bad_request(directory + " has the state of a single server, which joining others would " +
                     "lose: let the others join it instead, or move the folder away");
}

// A disk that is full must not keep a cluster from starting: what stays as it was can be read.
void reseal(Table& table, std::span<const RecordPtr> stale) {
  if (stale.empty()) return;
  if (const Result<void> written = table.reseal(stale); !written.ok()) {
    log::error("store", "values stay as they were on disk: " + written.status().message);
  }
}

}  // namespace

Store::Store(Options options, std::unique_ptr<Machine> machine, std::unique_ptr<Log> log,
             Tagger tagger)
    : options_(std::move(options)),
      tagger_(std::move(tagger)),
      machine_(std::move(machine)),
      log_(std::move(log)) {}

Result<std::unique_ptr<Store>> Store::open(Options options, Tagger tagger) {
  if (options.engine != nullptr) {
    auto machine = std::make_unique<Machine>(options, nullptr, Table::Loaded());
    auto mirror = std::make_unique<Mirror>(*machine, options.cipher, std::move(tagger));
    auto log = ORCH_TRY(options.engine->start(std::move(mirror), options));
    return std::unique_ptr<Store>(
        new Store(std::move(options), std::move(machine), std::move(log)));
  }
  const bool replicated = options.replication != nullptr;
  auto table = ORCH_TRY(Table::open(options, replicated ? Table::Truth::log : Table::Truth::table));
  Result<Table::Loaded> read = table->load(tagger);
  if (!read) return replicated ? read.status() : unreadable(read.status());
  Table::Loaded loaded = *std::move(read);
  ORCH_TRY(check_owner(options, loaded));
  reseal(*table, loaded.stale);
  log::info("store", "opened " + options.directory + ": " + std::to_string(loaded.records.size()) +
                         " objects, revision " + std::to_string(loaded.revision));
  RaftStart start{.note = std::move(loaded.note), .renew = !loaded.stale.empty()};
  auto machine = std::make_unique<Machine>(options, std::move(table), std::move(loaded));
  std::unique_ptr<Log> log;
  if (replicated) {
    log = ORCH_TRY(make_raft_log(*machine, options, tagger, std::move(start)));
  } else {
    log = make_local_log(*machine, options);
  }
  keep_spare(options.directory);
  return std::unique_ptr<Store>(
      new Store(std::move(options), std::move(machine), std::move(log), std::move(tagger)));
}

Store::~Store() { close(); }

void Store::close() {
  log_->close();
  machine_->close();
}

void Store::commit(Write write, CommitDone done) {
  if (auto valid = validate_write(write); !valid) return done(std::move(valid).status());
  log_->propose({std::move(write), std::move(done)}, Log::WhenFull::refuse);
}

Result<Committed> Store::commit(Write write) {
  ORCH_TRY(validate_write(write));
  // Shared, for the thread that answers may still be inside set_value() when we have the answer.
  const auto promise = std::make_shared<std::promise<Result<Committed>>>();
  std::future<Result<Committed>> answer = promise->get_future();
  const auto done = [promise](Result<Committed> result) { promise->set_value(std::move(result)); };
  log_->propose({std::move(write), done}, Log::WhenFull::wait);
  return answer.get();
}

// What a full table beneath a replicated log can't take waits in the log and in memory: no write is
// refused.
Health Store::health() const {
  const Health table = machine_->health();
  return table == Health::failed ? table : log_->health().value_or(table);
}
RecordPtr Store::get(std::string_view key) const { return machine_->get(key); }
Result<Range> Store::range(const Query& query) const { return machine_->range(query); }
size_t Store::count(std::string_view prefix) const { return machine_->count(prefix); }
int64_t Store::revision() const { return machine_->revision(); }

Result<void> Store::snapshot(const std::string& path) const {
  if (options_.engine != nullptr) return bad_request("the state isn't kept here: save it there");
  ORCH_TRY(write_snapshot(database_path(options_.directory), options_.vfs, path));
  return {};
}

Result<std::unique_ptr<Watch>> Store::watch(std::string_view prefix, int64_t from_revision,
                                            Sink sink, WhenReplaced when) {
  return machine_->watch(prefix, from_revision, std::move(sink), when);
}

void Store::sync(std::function<void(Result<void>)> done) { log_->sync(std::move(done)); }
Leadership Store::leadership() const { return log_->leadership(); }
std::vector<Member> Store::members() const { return log_->members(); }

void Store::on_leadership(std::function<void(const Leadership&)> tell) {
  log_->on_leadership(std::move(tell));
}

void Store::change_members(MemberChange change, std::function<void(Result<void>)> done) {
  log_->change_members(std::move(change), std::move(done));
}

void Store::accept_peer(uint64_t from, StreamUse use, UniqueFd stream) {
  log_->accept_peer(from, use, std::move(stream));
}

bool Store::alone() const { return log_->alone(); }

Result<void> Store::replicate(const Replication& replication) {
  ORCH_CHECK(replication.begins);
  return log_->replace([&]() -> Result<std::unique_ptr<Log>> {
    Options options = options_;
    options.replication = &replication;
    ORCH_TRY(machine_->follow_log());
    auto log = make_raft_log(*machine_, options, tagger_, {});
    // The state goes on without; what there is of a log must not be taken for one later.
    if (!log) ORCH_TRY(remove_tree(log_directory(options.directory)));
    return log;
  });
}

}  // namespace orch::store
