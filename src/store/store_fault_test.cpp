// The disk beneath the store fails: a SQLite VFS that refuses the n-th write, sync or truncate, for
// every n, and can lose power, which takes back what was not synced. Whatever fails and whenever:
// after a start on a sound disk every acknowledged write is there, nothing is torn, and no revision
// comes twice.
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "store/snapshot.h"
#include "store/store.h"
#include "store/store_fixture.h"

namespace orch::store {
namespace {

enum class Failure { once, for_ever };

// The state of the one simulated disk. Two connections use it on two threads.
class Disk {
 public:
  // The `at`-th operation from now on fails (counted from 1); 0: none does.
  void arm(int at, Failure failure, int code) {
    const std::lock_guard lock(mutex_);
    operations_ = 0;
    fail_at_ = at;
    failure_ = failure;
    code_ = code;
    unsynced_.clear();
  }
  int operations() {
    const std::lock_guard lock(mutex_);
    return operations_;
  }
  void write_done(const std::string& path, sqlite3_int64 offset, std::string before) {
    const std::lock_guard lock(mutex_);
    unsynced_.push_back({path, offset, std::move(before)});
  }
  // Syncs of the WAL wait, from now on until release() says how they end.
  void hold_syncs() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void wait_for_sync() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_; });
  }
  void release(int code) {
    const std::lock_guard lock(mutex_);
    held_ = waiting_ = false;
    held_code_ = code;
    changed_.notify_all();
  }
  int next_sync() {
    {
      std::unique_lock lock(mutex_);
      if (held_) {
        waiting_ = true;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !held_; });
        return held_code_;
      }
    }
    return next_operation();
  }
  void synced(const std::string& path) {
    const std::lock_guard lock(mutex_);
    std::erase_if(unsynced_, [&](const Undo& undo) { return undo.path == path; });
  }
  // SQLITE_OK or the failure that is due. A failed sync writes nothing down.
  int next_operation() {
    const std::lock_guard lock(mutex_);
    ++operations_;
    if (fail_at_ == 0 || operations_ < fail_at_) return SQLITE_OK;
    return operations_ == fail_at_ || failure_ == Failure::for_ever ? code_ : SQLITE_OK;
  }
  // No room for the part that is only shared, the write-ahead log's index.
  void refuse_to_share(bool refuse) { refuses_to_share_ = refuse; }
  bool refuses_to_share() const { return refuses_to_share_; }
  // Takes back the last `lost` parts of 8 of the writes that were not synced.
  void lose_power(int lost) {
    const std::lock_guard lock(mutex_);
    size_t left = unsynced_.size() * static_cast<size_t>(lost) / 8;
    for (auto undo = unsynced_.rbegin(); left > 0; ++undo, --left) {
      if (FILE* file = std::fopen(undo->path.c_str(), "r+")) {
        std::fseek(file, static_cast<long>(undo->offset), SEEK_SET);
        std::fwrite(undo->before.data(), 1, undo->before.size(), file);
        std::fclose(file);
      }
    }
    unsynced_.clear();
  }

 private:
  struct Undo {
    std::string path;
    sqlite3_int64 offset;
    std::string before;  // Zeroes where the file was shorter.
  };
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false, waiting_ = false;
  int held_code_ = SQLITE_OK;
  int operations_ = 0, fail_at_ = 0, code_ = SQLITE_IOERR_WRITE;
  Failure failure_ = Failure::once;
  std::atomic<bool> refuses_to_share_{false};
  std::vector<Undo> unsynced_;
};

Disk& disk() {
  static Disk the_disk;
  return the_disk;
}

// --- The VFS: the system's own files, each operation asked of disk() first.

struct File {
  sqlite3_file base;
  std::string* path;
  sqlite3_file* real;
};

File& file_of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
sqlite3_file* real_of(sqlite3_file* file) { return file_of(file).real; }
sqlite3_vfs* system_vfs() { return sqlite3_vfs_find(nullptr); }

int write_file(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  if (const int code = disk().next_operation()) return code;
  std::string before(static_cast<size_t>(size), '\0');
  real_of(file)->pMethods->xRead(real_of(file), before.data(), size, offset);
  disk().write_done(*file_of(file).path, offset, std::move(before));
  return real_of(file)->pMethods->xWrite(real_of(file), data, size, offset);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (const int code = disk().next_operation()) return code;
  return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

int sync_file(sqlite3_file* file, int) {  // Bookkeeping only: no power is lost for real.
  if (const int code = disk().next_sync()) {
    return (code & 0xff) == SQLITE_IOERR ? SQLITE_IOERR_FSYNC : code;
  }
  disk().synced(*file_of(file).path);
  return SQLITE_OK;
}

int close_file(sqlite3_file* file) {
  delete file_of(file).path;
  return real_of(file)->pMethods->xClose(real_of(file));
}

const sqlite3_io_methods* methods() {
  static const sqlite3_io_methods table = [] {
    sqlite3_io_methods m{};
    m.iVersion = 2;
    m.xClose = close_file;
    m.xRead = [](sqlite3_file* f, void* data, int size, sqlite3_int64 at) {
      return real_of(f)->pMethods->xRead(real_of(f), data, size, at);
    };
    m.xWrite = write_file;
    m.xTruncate = truncate_file;
    m.xSync = sync_file;
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
      return real_of(f)->pMethods->xFileSize(real_of(f), size);
    };
    m.xLock = [](sqlite3_file* f, int l) { return real_of(f)->pMethods->xLock(real_of(f), l); };
    m.xUnlock = [](sqlite3_file* f, int l) { return real_of(f)->pMethods->xUnlock(real_of(f), l); };
    m.xCheckReservedLock = [](sqlite3_file* f, int* held) {
      return real_of(f)->pMethods->xCheckReservedLock(real_of(f), held);
    };
    m.xFileControl = [](sqlite3_file* f, int op, void* arg) {
      return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
    };
    m.xSectorSize = [](sqlite3_file* f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) {
      return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
    };
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** at) {
      if (extend != 0 && disk().refuses_to_share()) return SQLITE_IOERR_SHMSIZE;
      return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, at);
    };
    m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
      return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); };
    m.xShmUnmap = [](sqlite3_file* f, int remove) {
      return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
    };
    return m;
  }();
  return &table;
}

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  File& mine = file_of(file);
  mine.base.pMethods = nullptr;
  mine.real = reinterpret_cast<sqlite3_file*>(&mine + 1);
  const int code = system_vfs()->xOpen(system_vfs(), name, mine.real, flags, out_flags);
  if (code != SQLITE_OK) return code;
  mine.path = new std::string(name != nullptr ? name : "");
  mine.base.pMethods = methods();
  return SQLITE_OK;
}

const char* register_vfs() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs copy = *system_vfs();
    copy.zName = "faulty";
    copy.szOsFile = static_cast<int>(sizeof(File)) + copy.szOsFile;
    copy.xOpen = open_file;
    copy.pNext = nullptr;
    return copy;
  }();
  sqlite3_vfs_register(&vfs, 0);
  return vfs.zName;
}

// --- What is done to the store, and what must be true of it afterwards.

struct Expected {
  std::map<std::string, std::set<std::string>>
      may_be;            // Key → each state that it may have; "": none.
  int64_t revision = 0;  // The highest one that was told.
};

std::string text_of(const RecordPtr& record) {
  if (!record) return "";
  std::string text(record->bytes);
  return text.erase(record->revision_at, record->revision_len);
}

Write some_write(int step) {
  Write write;
  write.key = "/a/" + std::to_string(step % 5);
  const bool remove = step % 7 == 5;
  if (!remove) {
    const size_t size = step % 3 == 0 ? 9000 : 200;  // With and without overflow pages.
    write.bytes =
        std::to_string(step) + ":" + std::string(size, static_cast<char>('a' + step % 26));
  }
  write.durability = step % 4 == 3 ? Durability::relaxed : Durability::durable;
  return write;
}

// Twenty writes. `expected` follows what was acknowledged.
void work(Store& store, Expected* expected) {
  for (int step = 0; step < 20; ++step) {
    const Write write = some_write(step);
    const std::string text = write.bytes.value_or("");
    std::set<std::string>& states = expected->may_be[write.key];
    if (states.empty()) states = {""};
    const Result<Committed> result = store.commit(write);
    if (!result) {
      const bool lost_race = result.status().not_found();
      if (!lost_race) states.insert(text);  // Failed: it may have reached the disk or not.
      if (!lost_race) REQUIRE(result.status().code == 503);
      continue;
    }
    expected->revision = result->revision;
    REQUIRE(text_of(store.get(write.key)) == text);
    if (write.durability == Durability::durable) states = {text};
    if (write.durability == Durability::relaxed) states.insert(text);
  }
}

Options options_for(const TestFolder& folder, const char* vfs) {
  Options options;
  options.directory = folder.path();
  options.vfs = vfs;
  options.checkpoint_pages = 6;  // So that checkpoints, and squeezes, happen in twenty writes.
  return options;
}

Tags no_tags(std::string_view, std::string_view) { return {}; }

void check_after_restart(const TestFolder& folder, const Expected& expected) {
  auto store = Store::open(options_for(folder, ""), no_tags);
  if (!store) FAIL(store.status().message);
  REQUIRE((*store)->revision() >= expected.revision);
  for (const auto& [key, states] : expected.may_be) {
    const std::string text = text_of((*store)->get(key));
    INFO(key << " is " << text.substr(0, 8));
    REQUIRE(states.contains(text));
  }
  Write more;
  more.key = "/after";
  more.bytes = "sound";
  REQUIRE((*store)->commit(more)->revision > expected.revision);
}

// Runs the work with the n-th operation failing, for every n from 1 until none fails any more.
void fail_every_operation(Failure failure, int code) {
  const char* vfs = register_vfs();
  for (int n = 1;; ++n) {
    INFO("operation " << n);
    TestFolder folder;
    Expected expected;
    disk().arm(n, failure, code);
    if (auto store = Store::open(options_for(folder, vfs), no_tags); store.ok()) {
      work(**store, &expected);
    }
    const bool failed = disk().operations() >= n;
    disk().lose_power(n % 9);
    disk().arm(0, Failure::once, SQLITE_OK);
    check_after_restart(folder, expected);
    if (!failed) {
      REQUIRE(n > 60);  // The failures did happen.
      return;
    }
  }
}

TEST_CASE("a disk that fails once, at any operation") {
  fail_every_operation(Failure::once, SQLITE_IOERR_WRITE);
}

TEST_CASE("a disk that dies, at any operation") {
  fail_every_operation(Failure::for_ever, SQLITE_IOERR_WRITE);
}

TEST_CASE("a disk that is full for a moment, at any operation") {
  fail_every_operation(Failure::once, SQLITE_FULL);
}

TEST_CASE("after a failed fsync no write succeeds, and reads go on") {
  TestFolder folder;
  disk().arm(0, Failure::once, SQLITE_OK);
  Options options = options_for(folder, register_vfs());
  options.checkpoint_pages = 4096;  // Else a checkpoint may run into the failure instead of us.
  auto store = *Store::open(options, no_tags);
  Expected expected;
  work(*store, &expected);
  const int64_t revision = store->revision();
  disk().arm(1, Failure::once, SQLITE_IOERR_WRITE);
  for (const Durability durability : {Durability::durable, Durability::relaxed}) {
    Write write;
    write.key = "/a/new";
    write.bytes = "new";
    const Status failed = store->commit(write).status();
    write.durability = durability;
    REQUIRE(failed.code == 503);
    REQUIRE(store->commit(write).status().code == 503);  // The disk is sound again; we are not.
  }
  REQUIRE(store->health() == Health::failed);
  REQUIRE(store->revision() == revision);
  REQUIRE(store->get("/a/new") == nullptr);
  REQUIRE(store->count("/a/") > 0);
}

// Three writes while the disk is busy with the first: one that wins, and one that loses against
// the first. Nobody may see or hear of any before `code` is how the sync ends.
void write_beside_a_sync(int code) {
  TestFolder folder;
  disk().arm(0, Failure::once, SQLITE_OK);
  Options options = options_for(folder, register_vfs());
  options.checkpoint_pages = 4096;
  auto store = *Store::open(options, no_tags);
  std::atomic<int> told{0}, seen{0};
  const auto watch = *store->watch(
      "", 1, [&](std::span<const Event> events) { seen += static_cast<int>(events.size()); });
  std::vector<Result<Committed>> answers;
  const auto commit = [&](const char* key) {
    Write write;
    write.key = key;
    write.bytes = "bytes";
    write.expected_revision = 0;
    store->commit(std::move(write), [&](Result<Committed> answer) {
      answers.push_back(std::move(answer));
      ++told;
    });
  };
  Write before;
  before.key = "/a/first";
  before.bytes = "first";
  REQUIRE(store->commit(before)->revision == 2);

  disk().hold_syncs();
  commit("/a/1");
  disk().wait_for_sync();
  commit("/a/1");
  commit("/a/2");
  REQUIRE(told == 0);
  REQUIRE(store->count("/a/") == 1);
  REQUIRE(store->revision() == 2);
  disk().release(code);
  store->close();
  REQUIRE(answers.size() == 3);
  if (code == SQLITE_OK) {
    REQUIRE(answers[0]->revision == 3);
    REQUIRE(answers[1].status().already_exists());
    REQUIRE(answers[2]->revision == 4);
    REQUIRE(store->revision() == 4);
    REQUIRE(store->health() == Health::good);
  } else {
    for (const auto& answer : answers) REQUIRE(answer.status().code == 503);
    REQUIRE(store->revision() == 2);
    REQUIRE(store->get("/a/2") == nullptr);
    REQUIRE(store->health() == Health::failed);
    REQUIRE(seen <= 1);
  }
}

TEST_CASE("what the disk has not taken yet is neither seen nor heard of") {
  write_beside_a_sync(SQLITE_OK);
}

TEST_CASE("a failed fsync refuses all that waits for it") {
  write_beside_a_sync(SQLITE_IOERR_FSYNC);
}

TEST_CASE("a full disk refuses a write by name, and takes the next when there is space") {
  TestFolder folder;
  disk().arm(0, Failure::once, SQLITE_OK);
  auto store = *Store::open(options_for(folder, register_vfs()), no_tags);
  Write write;
  write.key = "/a/1";
  write.bytes = "one";
  disk().arm(1, Failure::for_ever, SQLITE_FULL);
  const Status full = store->commit(write).status();
  REQUIRE(full.code == 503);
  REQUIRE(full.message.find("no space left") != std::string::npos);
  REQUIRE(full.message.find(folder.path()) != std::string::npos);
  REQUIRE(store->get("/a/1") == nullptr);
  REQUIRE(store->revision() == 1);
  REQUIRE(store->health() == Health::full);
  disk().arm(0, Failure::once, SQLITE_OK);
  REQUIRE(store->commit(write)->revision == 2);
  REQUIRE(store->health() == Health::good);
}

TEST_CASE("a replica whose disk was full looks for space before its relaxed writes' time") {
  TestFolder folder;
  FakeClock clock;
  Options options = options_for(folder, register_vfs());
  options.clock = &clock;
  options.relaxed_flush_ms = 300'000;
  disk().arm(0, Failure::once, SQLITE_OK);
  auto table = *Table::open(options, Table::Truth::log);
  Table::Loaded loaded = *table->load(no_tags);
  Machine machine(options, std::move(table), std::move(loaded));
  const auto write = [&](const char* key) {
    std::vector<Proposal> batch;
    batch.push_back({put(key), [](const Result<Committed>& done) { REQUIRE(done.ok()); }});
    machine.apply(std::move(batch), "note");
  };
  disk().arm(1, Failure::for_ever, SQLITE_FULL);
  write("/a/1");
  write("/a/2");
  REQUIRE(machine.health() == Health::full);
  REQUIRE(machine.flush_at() <= clock.monotonic() + std::chrono::seconds(30));
  disk().arm(0, Failure::once, SQLITE_OK);
  machine.flush();
  REQUIRE(machine.health() == Health::good);
  REQUIRE_FALSE(machine.flush_at());
}

TEST_CASE("a disk that is full when the index of the write-ahead log grows has not failed") {
  TestFolder folder;
  disk().arm(0, Failure::once, SQLITE_OK);
  Options options = options_for(folder, register_vfs());
  options.checkpoint_pages = 1 << 20;
  auto store = *Store::open(options, no_tags);
  disk().refuse_to_share(true);
  Result<Committed> done = service_unavailable("");
  for (int i = 0; i < 100; ++i) {
    done = store->commit(put("/a/" + std::to_string(i), std::string(200'000, 'x')));
    if (!done.ok()) break;
  }
  disk().refuse_to_share(false);
  REQUIRE_FALSE(done.ok());
  REQUIRE(done.status().message.find("no space left") != std::string::npos);
  REQUIRE(store->health() == Health::full);
  REQUIRE(store->commit(put("/b")).ok());
  REQUIRE(store->health() == Health::good);
}

TEST_CASE("a damaged row is named") {
  TestFolder folder;
  const std::string marker = "find me in the file";
  {
    auto store = *Store::open(options_for(folder, ""), no_tags);
    Write write;
    write.key = "/secrets/default/token";
    write.bytes = marker;
    REQUIRE(store->commit(write).ok());
  }
  const std::string path = folder.path() + "/orch.db";
  std::string content = *read_file(path);
  content[content.find(marker)] = 'F';
  REQUIRE(write_file_atomic(path, content).ok());
  const auto damaged = Store::open(options_for(folder, ""), no_tags);
  REQUIRE_FALSE(damaged.ok());
  REQUIRE(damaged.status().message.find("/secrets/default/token") != std::string::npos);
  REQUIRE(damaged.status().message.find(path) != std::string::npos);
  REQUIRE(damaged.status().message.find("orch snapshot list") != std::string::npos);
  // It is not copied into a snapshot either.
  TestFolder other;
  for (const auto& found :
       {check_database(path), write_snapshot(path, "", other.path() + "/copy")}) {
    REQUIRE_FALSE(found.ok());
    REQUIRE(found.status().message.find("/secrets/default/token") != std::string::npos);
  }
  REQUIRE_FALSE(file_exists(other.path() + "/copy"));
}

}  // namespace
}  // namespace orch::store
