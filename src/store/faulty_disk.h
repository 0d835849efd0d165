// A disk beneath SQLite that fails: a VFS that refuses the n-th write, sync or truncate, or no
// space for the index of the write-ahead log, and can lose power, which takes back what was not
// synced. For tests only.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include "store/store_fixture.h"

namespace orch::store {

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

inline Disk& disk() {
  static Disk the_disk;
  return the_disk;
}

// --- The VFS: the system's own files, each operation asked of disk() first.

struct File {
  sqlite3_file base;
  std::string* path;
  sqlite3_file* real;
};

inline File& file_of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
inline sqlite3_file* real_of(sqlite3_file* file) { return file_of(file).real; }
inline sqlite3_vfs* system_vfs() { return sqlite3_vfs_find(nullptr); }

inline int write_file(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  if (const int code = disk().next_operation()) return code;
  std::string before(static_cast<size_t>(size), '\0');
  real_of(file)->pMethods->xRead(real_of(file), before.data(), size, offset);
  disk().write_done(*file_of(file).path, offset, std::move(before));
  return real_of(file)->pMethods->xWrite(real_of(file), data, size, offset);
}

inline int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (const int code = disk().next_operation()) return code;
  return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

inline int sync_file(sqlite3_file* file, int) {  // Bookkeeping only: no power is lost for real.
  if (const int code = disk().next_sync()) {
    return (code & 0xff) == SQLITE_IOERR ? SQLITE_IOERR_FSYNC : code;
  }
  disk().synced(*file_of(file).path);
  return SQLITE_OK;
}

inline int close_file(sqlite3_file* file) {
  delete file_of(file).path;
  return real_of(file)->pMethods->xClose(real_of(file));
}

inline const sqlite3_io_methods* methods() {
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

inline int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags,
                     int* out_flags) {
  File& mine = file_of(file);
  mine.base.pMethods = nullptr;
  mine.real = reinterpret_cast<sqlite3_file*>(&mine + 1);
  const int code = system_vfs()->xOpen(system_vfs(), name, mine.real, flags, out_flags);
  if (code != SQLITE_OK) return code;
  mine.path = new std::string(name != nullptr ? name : "");
  mine.base.pMethods = methods();
  return SQLITE_OK;
}

inline const char* register_vfs() {
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

inline Options options_for(const TestFolder& folder, const char* vfs) {
  Options options;
  options.directory = folder.path();
  options.vfs = vfs;
  options.checkpoint_bytes = 24u << 10;  // So that checkpoints happen in twenty writes,
  options.max_wal_bytes = 192u << 10;    // and writers are held for them.
  return options;
}

inline Tags no_tags(std::string_view, std::string_view) { return {}; }

}  // namespace orch::store
