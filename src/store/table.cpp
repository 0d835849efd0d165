#include "store/table.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "store/checksum.h"
#include "store/cipher.h"
#include "store/damage.h"
#include "store/row_checksum.h"
#include "store/spare.h"
#include "store/table_rows.h"
#include "store/wal_vfs.h"

namespace orch::store {

namespace {

// NORMAL: a transaction is whole, and waits for no disk; that is what sync() does. The WAL is cut
// off only beyond the length at which writers are held for it (checkpointer.h): cutting it and
// growing it again would hold them up each time. SECURE_DELETE is Debian's default; FAST keeps
// deleted Secrets from lying around where that costs no extra write.
constexpr const char* kSettings =
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=NORMAL;"
    "PRAGMA wal_autocheckpoint=0;"
    "PRAGMA journal_size_limit=167772160;"
    "PRAGMA cache_size=-4096;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA secure_delete=FAST;";

constexpr unsigned kMaxReaders = 4;  // Of the start. More would wait for the disk's cache in turn.

// Of a note that stands beside this floor of revisions.
std::string note_sum(std::string_view note, int64_t floor) {
  Checksum sum;
  sum.add(static_cast<uint64_t>(floor));
  sum.add(note);
  return sum.bytes();
}

constexpr const char* kNoteSchema =
    "CREATE TABLE IF NOT EXISTS note(id INTEGER PRIMARY KEY CHECK(id = 1), bytes BLOB NOT NULL);";

}  // namespace

Status unreadable(Status failure) {
  failure.message += "; `orch snapshot list` shows what can be restored (docs/backup.md)";
  return failure;
}

Result<UniqueFd> lock_directory(const std::string& directory) {
  const std::string path = directory + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return system_error("open " + path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return system_error("lock " + path, errno);
  return service_unavailable("the store in " + directory +
                             " is open in another process (it holds " + path +
                             "): stop that one first");
}

std::string database_path(const std::string& directory) { return directory + "/orch.db"; }

Table::Table(const Options& options, UniqueFd lock, Connection connection)
    : directory_(options.directory),
      path_(database_path(directory_)),
      vfs_(options.vfs),
      cipher_(options.cipher),
      lock_(std::move(lock)),
      connection_(std::move(connection)) {}

Result<std::unique_ptr<Table>> Table::open(const Options& options, Truth truth) {
  const std::string& directory = options.directory;
  const std::string path = database_path(directory);
  ORCH_TRY(make_dirs(directory, 0700));
  UniqueFd lock = ORCH_TRY(lock_directory(directory));
  use_spare(directory);
  Connection connection = ORCH_TRY(Connection::open(path, wal_vfs(options.vfs)));
  std::unique_ptr<Table> table(new Table(options, std::move(lock), std::move(connection)));
  if (Result<void> prepared = table->prepare(truth); !prepared) {
    Status failure = std::move(prepared).status();
    return truth == Truth::table ? unreadable(std::move(failure)) : failure;
  }
  Table* const self = table.get();
  self->on_damage_ = options.on_damage;
  table->checkpointer_ = ORCH_TRY(Checkpointer::start(
      path, options, [self](Status failure) { self->latch(std::move(failure)); }));
  return table;
}

Result<void> Table::prepare(Truth truth) {
  ORCH_TRY(connection_.run(kSetPageSize));
  ORCH_TRY(connection_.run(kSettings));
  ORCH_TRY(make_tables(connection_, path_));
  if (truth == Truth::log) ORCH_TRY(prepare_notes());
  begin_ = ORCH_TRY(connection_.prepare("BEGIN IMMEDIATE"));
  commit_ = ORCH_TRY(connection_.prepare("COMMIT"));
  rollback_ = ORCH_TRY(connection_.prepare("ROLLBACK"));
  change_ = ORCH_TRY(connection_.prepare(
      "UPDATE o SET revision=?2, create_revision=?3, revision_at=?4, checksum=?5, key=?6, bytes=?7"
      " WHERE id=?1"));
  add_ = ORCH_TRY(connection_.prepare("INSERT INTO o VALUES(?,?,?,?,?,?,?)"));
  erase_ = ORCH_TRY(connection_.prepare("DELETE FROM o WHERE id=?"));
  set_meta_ = ORCH_TRY(prepare_meta(connection_));
  const auto on_commit = [](void* self, sqlite3*, const char*, int wal_pages) {
    static_cast<Table*>(self)->wal_pages_ = wal_pages;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(connection_.raw(), on_commit, this);
  wal_ = ORCH_TRY(SyncedFile::open_wal(connection_));
  return {};
}

Result<void> Table::prepare_notes() {
  ORCH_TRY(connection_.run(kNoteSchema));
  set_note_ = ORCH_TRY(connection_.prepare("INSERT OR REPLACE INTO note VALUES(1, ?)"));
  erase_all_ = ORCH_TRY(connection_.prepare("DELETE FROM o"));
  return {};
}

Result<void> Table::follow_log() {
  ORCH_TRY(health());
  checkpointer_->enter_transaction();
  const Result<void> prepared = prepare_notes();
  checkpointer_->leave_transaction(wal_pages_);
  return prepared;
}

Result<std::string> Table::load_note() {
  Statement exists =
      ORCH_TRY(connection_.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'note'"));
  if (const int code = exists.step(); code == SQLITE_DONE) return std::string();
  Statement note = ORCH_TRY(connection_.prepare("SELECT bytes FROM note"));
  const int code = note.step();
  if (code == SQLITE_DONE) return std::string();
  if (code != SQLITE_ROW) return connection_.failure(code, "read the note");
  const std::string_view kept = note.bytes(0);
  const std::string_view bytes =
      kept.substr(0, kept.size() - std::min(kept.size(), Checksum::kBytes));
  if (kept != std::string(bytes) + note_sum(bytes, meta_.revision)) {
    return damaged(path_ + " is damaged: what it says of the log fails its checksum");
  }
  return std::string(bytes);
}

Result<Table::Loaded> Table::load(const Store::Tagger& tagger) {
  Loaded loaded;
  meta_ = ORCH_TRY(read_meta(connection_, path_));
  loaded.note = note_ = ORCH_TRY(load_note());
  Rows rows = ORCH_TRY(read_rows(
      connection_, {.path = path_,
                    .vfs = vfs_,
                    .cipher = cipher_,
                    .tagger = tagger,
                    .meta = meta_,
                    .readers = std::min(kMaxReaders, std::thread::hardware_concurrency())}));
  sqlite3_db_release_memory(connection_.raw());
  loaded.records = std::move(rows.records);
  loaded.stale = std::move(rows.stale);
  loaded.revision = std::max(meta_.revision, rows.revision);
  return loaded;
}

Result<void> Table::write(std::span<const Change> changes, std::optional<int64_t> revision_floor,
                          std::optional<std::string_view> note) {
  return run({.changes = changes, .revision_floor = revision_floor, .note = note});
}

Result<void> Table::replace(std::span<const Change> rows, int64_t revision_floor,
                            std::string_view note) {
  return run({.changes = rows, .revision_floor = revision_floor, .note = note, .erase_all = true});
}

Result<void> Table::run(const Work& work) {
  ORCH_TRY(health());
  checkpointer_->enter_transaction();
  Result<void> result;
  const int code = write_all(work);
  if (code != SQLITE_DONE) result = undo(code);
  checkpointer_->leave_transaction(wal_pages_);
  return result;
}

Result<void> Table::sync() {
  ORCH_TRY(health());
  Result<void> synced = wal_->sync();
  if (!synced) latch(synced.status());
  return synced;
}

Status Table::undo(int code) {
  const bool full = connection_.is_disk_full(code);
  Status failure = connection_.failure(code, "write");
  if (sqlite3_get_autocommit(connection_.raw()) == 0) rollback_->run();
  if (full) {
    return std::move(failure).in("no space left for the store in " + directory_ +
                                 ", nothing was written");
  }
  latch(failure);
  return failure;
}

int Table::write_all(const Work& work) {
  TableMeta meta{.revision = work.revision_floor.value_or(meta_.revision),
                 .rows = work.erase_all ? 0 : meta_.rows};
  int code = begin_->run();
  if (code == SQLITE_DONE && work.erase_all) code = erase_all_->run();
  for (const Change& change : work.changes) {
    if (code != SQLITE_DONE) return code;
    code = write_row(change, &meta.rows);
  }
  const bool has_other_meta = work.revision_floor || meta.rows != meta_.rows;
  if (code == SQLITE_DONE && has_other_meta) code = write_meta(*set_meta_, meta);
  const std::string note(work.note.value_or(note_));
  if (code == SQLITE_DONE && !note.empty() && (work.note || work.revision_floor)) {
    code = write_note(note, meta.revision);
  }
  if (code == SQLITE_DONE) code = commit_->run();
  if (code != SQLITE_DONE) return code;
  note_ = note;
  meta_ = meta;
  return code;
}

int Table::write_note(std::string_view note, int64_t floor) {
  const std::string kept = std::string(note) + note_sum(note, floor);
  set_note_->bind_blob(1, kept);
  return set_note_->run();
}

Result<void> Table::reseal(std::span<const RecordPtr> records) {
  constexpr size_t kRowsAtOnce = 1000;
  const std::string total = std::to_string(records.size());
  for (size_t done = 0; !records.empty();) {
    std::vector<Change> changes;
    for (const RecordPtr& record : records.first(std::min(records.size(), kRowsAtOnce))) {
      changes.push_back({record->row, record});
    }
    ORCH_TRY(write(changes, std::nullopt));
    records = records.subspan(changes.size());
    done += changes.size();
    log::info("store", "sealed " + std::to_string(done) + " of " + total + " values anew");
  }
  // Pages that became free long ago may hold values, too.
  return connection_.run("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
}

int Table::write_row(const Change& change, int64_t* rows) {
  int code = SQLITE_DONE;
  if (!change.record) {
    erase_->bind(1, change.row);
    code = erase_->run();
    if (code == SQLITE_DONE) *rows -= sqlite3_changes64(connection_.raw());
    return code;
  }
  const Record& record = *change.record;
  const std::optional<std::string> sealed =
      cipher_ ? cipher_->seal(record.key, record.bytes) : std::nullopt;
  const std::string_view stored = sealed ? *sealed : record.bytes;
  const int64_t checksum = checksum_of(record.row, record.revision, record.create_revision,
                                       record.revision_at, record.key, stored);
  const auto run = [&](Statement& put) {
    put.bind(1, record.row);
    put.bind(2, record.revision);
    put.bind(3, record.create_revision);
    put.bind(4, record.revision_at);
    put.bind(5, checksum);
    put.bind_text(6, record.key);
    put.bind_blob(7, stored);
    return put.run();
  };
  code = run(*change_);
  if (code != SQLITE_DONE || sqlite3_changes64(connection_.raw()) > 0) return code;
  ++*rows;
  return run(*add_);
}

Result<void> Table::health() const {
  const std::lock_guard lock(health_mutex_);
  if (failure_) return *failure_;
  return {};
}

void Table::latch(Status failure) {
  failure = std::move(failure).in("the store refuses writes until orch is restarted");
  log::error("store", failure.message);
  if (on_damage_ && is_damaged(failure)) on_damage_(failure);
  const std::lock_guard lock(health_mutex_);
  if (!failure_) failure_ = std::move(failure);
}

}  // namespace orch::store
