#include "store/store.h"

#include <future>

#include "base/log.h"
#include "store/engine.h"
#include "store/log.h"
#include "store/machine.h"
#include "store/snapshot.h"
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

// A disk that is full must not keep a cluster from starting: what stays as it was can be read.
void reseal(Table& table, std::span<const RecordPtr> stale) {
  if (stale.empty()) return;
  if (const Result<void> written = table.reseal(stale); !written.ok()) {
    log::error("store", "values stay as they were on disk: " + written.status().message);
  }
}

}  // namespace

Store::Store(Options options, std::unique_ptr<Machine> machine, std::unique_ptr<Log> log)
    : options_(std::move(options)), machine_(std::move(machine)), log_(std::move(log)) {}

Result<std::unique_ptr<Store>> Store::open(Options options, Tagger tagger) {
  if (options.engine != nullptr) {
    auto machine = std::make_unique<Machine>(options, nullptr, Table::Loaded());
    auto mirror = std::make_unique<Mirror>(*machine, options.cipher, std::move(tagger));
    auto log = ORCH_TRY(options.engine->start(std::move(mirror), options));
    return std::unique_ptr<Store>(
        new Store(std::move(options), std::move(machine), std::move(log)));
  }
  auto table = ORCH_TRY(Table::open(options));
  Result<Table::Loaded> read = table->load(tagger);
  if (!read) return unreadable(std::move(read).status());
  Table::Loaded loaded = *std::move(read);
  reseal(*table, loaded.stale);
  log::info("store", "opened " + options.directory + ": " + std::to_string(loaded.records.size()) +
                         " objects, revision " + std::to_string(loaded.revision));
  auto machine = std::make_unique<Machine>(options, std::move(table), std::move(loaded));
  auto log = make_local_log(*machine, options);
  return std::unique_ptr<Store>(new Store(std::move(options), std::move(machine), std::move(log)));
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

Health Store::health() const { return log_->health().value_or(machine_->health()); }
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
                                            Sink sink) {
  return machine_->watch(prefix, from_revision, std::move(sink));
}

void Store::sync(std::function<void(Result<void>)> done) { log_->sync(std::move(done)); }
Leadership Store::leadership() const { return log_->leadership(); }
void Store::on_leadership(std::function<void(const Leadership&)> tell) {
  log_->on_leadership(std::move(tell));
}

// One server alone.

std::vector<Member> Store::members() const { return {}; }

void Store::change_members(MemberChange, std::function<void(Result<void>)> done) {
  done(bad_request("this server is a single one: start it with --cluster-init to let others join"));
}

void Store::accept_peer(uint64_t, StreamUse, UniqueFd) {}

}  // namespace orch::store
