#include "store/wal_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <string_view>
#include <vector>

namespace orch::store {

namespace {

constexpr size_t kHeadBytes = 24;  // Of a frame; nothing else is as long.
// More are written in several calls: the system's VFS takes up to 128 KiB at once, less one, and a
// frame may still come, whose page has 64 KiB at most.
constexpr size_t kMaxKeptBytes = 60u << 10;

// The head of the frame that ends a transaction says how many pages the database has then.
bool ends_transaction(std::string_view head) {
  return std::ranges::any_of(head.substr(4, 4), [](char byte) { return byte != 0; });
}

// The file of the VFS beneath stands right behind this one.
class WalFile : public sqlite3_file {
 public:
  explicit WalFile(const sqlite3_io_methods* methods) : sqlite3_file{methods} {}

  sqlite3_file* beneath() { return reinterpret_cast<sqlite3_file*>(this + 1); }

  int write(std::string_view bytes, sqlite3_int64 at) {
    const bool is_head = bytes.size() == kHeadBytes;
    const bool follows = at == kept_at_ + static_cast<sqlite3_int64>(kept_.size());
    if (!kept_.empty() && (!follows || is_head == after_head_)) {
      if (const int code = flush()) return code;
    }
    if (kept_.empty() && !is_head) return write_beneath(bytes, at);
    if (kept_.empty()) kept_at_ = at;
    kept_.insert(kept_.end(), bytes.begin(), bytes.end());
    after_head_ = is_head;
    if (is_head) {
      ends_ = ends_transaction(bytes);
      return SQLITE_OK;
    }
    return ends_ || kept_.size() >= kMaxKeptBytes ? flush() : SQLITE_OK;
  }

  int flush() {
    if (kept_.empty()) return SQLITE_OK;
    const int code = write_beneath({kept_.data(), kept_.size()}, kept_at_);
    kept_.clear();
    after_head_ = false;
    return code;
  }

 private:
  int write_beneath(std::string_view bytes, sqlite3_int64 at) {
    return beneath()->pMethods->xWrite(beneath(), bytes.data(), static_cast<int>(bytes.size()), at);
  }

  std::vector<char> kept_;
  sqlite3_int64 kept_at_ = 0;
  bool after_head_ = false, ends_ = false;  // What was kept last is a head; of such a frame.
};

WalFile& wal_of(sqlite3_file* file) { return *static_cast<WalFile*>(file); }

// Calls a method of the file beneath,
template <auto Method, class... Arguments>
int pass_on(sqlite3_file* file, Arguments... arguments) {
  sqlite3_file* const beneath = wal_of(file).beneath();
  return (beneath->pMethods->*Method)(beneath, arguments...);
}
// and one that looks at the contents once what was kept is written.
template <auto Method, class... Arguments>
int write_and_pass_on(sqlite3_file* file, Arguments... arguments) {
  if (const int code = wal_of(file).flush()) return code;
  return pass_on<Method>(file, arguments...);
}

int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  return wal_of(file).write({static_cast<const char*>(data), static_cast<size_t>(size)}, at);
}

// What is kept belongs to a transaction that has not ended: it is dropped.
int close(sqlite3_file* file) {
  const int code = pass_on<&sqlite3_io_methods::xClose>(file);
  wal_of(file).~WalFile();
  return code;
}

// Of version 1: SQLite locks and maps only the database's file.
constexpr sqlite3_io_methods kMethods = {
    .iVersion = 1,
    .xClose = close,
    .xRead = write_and_pass_on<&sqlite3_io_methods::xRead>,
    .xWrite = write,
    .xTruncate = write_and_pass_on<&sqlite3_io_methods::xTruncate>,
    .xSync = write_and_pass_on<&sqlite3_io_methods::xSync>,
    .xFileSize = write_and_pass_on<&sqlite3_io_methods::xFileSize>,
    .xLock = pass_on<&sqlite3_io_methods::xLock>,
    .xUnlock = pass_on<&sqlite3_io_methods::xUnlock>,
    .xCheckReservedLock = pass_on<&sqlite3_io_methods::xCheckReservedLock>,
    .xFileControl = pass_on<&sqlite3_io_methods::xFileControl>,
    .xSectorSize = pass_on<&sqlite3_io_methods::xSectorSize>,
    .xDeviceCharacteristics = pass_on<&sqlite3_io_methods::xDeviceCharacteristics>,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

struct Vfs {
  std::string name;
  sqlite3_vfs* base = nullptr;
  sqlite3_vfs vfs = {};
};

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags);

class Registry {
 public:
  const std::string& name_above(const std::string& base) {
    const std::lock_guard lock(mutex_);
    const std::string name = "wal above " + base;
    for (const Vfs& each : all_) {
      if (each.name == name) return each.name;
    }
    Vfs& made = all_.emplace_back();
    made.name = name;
    made.base = sqlite3_vfs_find(base.empty() ? nullptr : base.c_str());
    if (made.base == nullptr) return made.name;  // To open with it fails, and says its name.
    made.vfs = *made.base;
    made.vfs.zName = made.name.c_str();
    made.vfs.szOsFile = static_cast<int>(sizeof(WalFile)) + made.base->szOsFile;
    made.vfs.xOpen = open;
    made.vfs.pNext = nullptr;
    sqlite3_vfs_register(&made.vfs, 0);
    return made.name;
  }
  sqlite3_vfs* base_of(const sqlite3_vfs* vfs) {
    const std::lock_guard lock(mutex_);
    return std::ranges::find(all_, vfs, [](Vfs& each) { return &each.vfs; })->base;
  }

 private:
  std::mutex mutex_;
  std::deque<Vfs> all_;
};

Registry& registry() {
  static Registry& the_registry = *new Registry;  // SQLite keeps what is registered.
  return the_registry;
}

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  sqlite3_vfs* const base = registry().base_of(vfs);
  if ((flags & SQLITE_OPEN_WAL) == 0) return base->xOpen(base, name, file, flags, out_flags);
  WalFile* const wal = new (file) WalFile(&kMethods);
  const int code = base->xOpen(base, name, wal->beneath(), flags, out_flags);
  if (wal->beneath()->pMethods == nullptr) file->pMethods = nullptr;  // Not to be closed, then.
  return code;
}

}  // namespace

std::string wal_vfs(const std::string& base) { return registry().name_above(base); }

}  // namespace orch::store
