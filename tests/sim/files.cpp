#include "files.h"

#include <sqlite3.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>

namespace orch::sim {

namespace {

struct Open {
  const sqlite3_io_methods* system = nullptr;
  std::string path;
};

struct Files {
  std::mutex mutex;
  std::map<sqlite3_file*, Open> open;
  std::map<const sqlite3_io_methods*, sqlite3_io_methods> methods;  // By the system's.
  std::set<std::string> full, failing;
  std::map<std::string, std::function<void()>> on_sync;  // By folder.
  unsigned drawn = 0;
};

Files& files() {
  static Files all;
  return all;
}

sqlite3_vfs* system_vfs() { return sqlite3_vfs_find("unix"); }

const sqlite3_io_methods* system_of(sqlite3_file* file) {
  const std::lock_guard lock(files().mutex);
  return files().open.at(file).system;
}

int write_file(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  const sqlite3_io_methods* system = nullptr;
  {
    const std::lock_guard lock(files().mutex);
    const Open& open = files().open.at(file);
    for (const std::string& folder : files().full) {
      if (open.path.starts_with(folder + "/")) return SQLITE_FULL;
    }
    for (const std::string& folder : files().failing) {
      if (open.path.starts_with(folder + "/")) return SQLITE_IOERR_WRITE;
    }
    system = open.system;
  }
  return system->xWrite(file, data, size, at);
}

int sync_file(sqlite3_file* file, int) {
  std::function<void()> told;
  {
    const std::lock_guard lock(files().mutex);
    const std::string& path = files().open.at(file).path;
    if (!path.ends_with("-wal")) return SQLITE_OK;
    const auto by = files().on_sync.find(path.substr(0, path.rfind('/')));
    if (by != files().on_sync.end()) told = by->second;
  }
  if (told) told();
  return SQLITE_OK;
}

int close_file(sqlite3_file* file) {
  const sqlite3_io_methods* const system = system_of(file);
  {
    const std::lock_guard lock(files().mutex);
    files().open.erase(file);
  }
  return system->xClose(file);
}

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  const int code = system_vfs()->xOpen(system_vfs(), name, file, flags, out_flags);
  if (code != SQLITE_OK || file->pMethods == nullptr) return code;
  const std::lock_guard lock(files().mutex);
  const sqlite3_io_methods* const system = file->pMethods;
  files().open[file] = {system, name != nullptr ? name : ""};
  const auto [ours, is_new] = files().methods.try_emplace(system, *system);
  if (is_new) {
    ours->second.xWrite = write_file;
    ours->second.xClose = close_file;
    ours->second.xSync = sync_file;
  }
  file->pMethods = &ours->second;
  return SQLITE_OK;
}

int draw(sqlite3_vfs*, int size, char* out) {
  const std::lock_guard lock(files().mutex);
  for (int i = 0; i < size; ++i) {
    files().drawn = files().drawn * 1664525u + 1013904223u;
    out[i] = static_cast<char>(files().drawn >> 24);
  }
  return size;
}

}  // namespace

const char* table_vfs() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs copy = *system_vfs();
    copy.zName = "simulated";
    copy.xOpen = open_file;
    copy.xRandomness = draw;
    copy.pNext = nullptr;
    return copy;
  }();
  // The default one is where SQLite draws from.
  static const int registered = sqlite3_vfs_register(&vfs, 1);
  return registered == SQLITE_OK ? vfs.zName : "";
}

void begin_files() {
  table_vfs();
  {
    const std::lock_guard lock(files().mutex);
    files().drawn = 1;
    files().full.clear();
    files().failing.clear();
    files().on_sync.clear();
  }
  sqlite3_randomness(0, nullptr);
}

void on_sync(const std::string& folder, std::function<void()> told) {
  const std::lock_guard lock(files().mutex);
  told ? void(files().on_sync.insert_or_assign(folder, std::move(told)))
       : void(files().on_sync.erase(folder));
}

void set_full(const std::string& folder, bool is_full) {
  const std::lock_guard lock(files().mutex);
  is_full ? void(files().full.insert(folder)) : void(files().full.erase(folder));
}

void set_failing(const std::string& folder) {
  const std::lock_guard lock(files().mutex);
  files().failing.insert(folder);
}

void flip_bit_of_file(const std::string& path, World& world) {
  std::error_code none;
  const uint64_t size = std::filesystem::file_size(path, none);
  if (none || size == 0) return;
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto at = static_cast<std::streamoff>(world.below(size));
  file.seekg(at);
  const char byte = static_cast<char>(file.get());
  file.seekp(at);
  file.put(static_cast<char>(byte ^ (1 << world.below(8))));
}

}  // namespace orch::sim
