// The disk of disk_faults.h: what it knows of its files, and what is to become of an operation. For
// its two halves only.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <type_traits>
#include <vector>

#include "disk_faults.h"

namespace orch::faults {

template <class Value>
long as_long(Value value) {
  if constexpr (std::is_pointer_v<Value>) {
    return reinterpret_cast<long>(value);
  } else {
    return static_cast<long>(value);
  }
}

// libc's own, which the one at the end of this file hides.
template <class... Values>
long raw(long number, Values... values) {
  using Call = long(long, long, long, long, long, long, long);
  static Call* const real = reinterpret_cast<Call*>(::dlsym(RTLD_NEXT, "syscall"));
  long all[6] = {as_long(values)...};
  return real(number, all[0], all[1], all[2], all[3], all[4], all[5]);
}

struct Undo {
  std::string synced_by;  // The file, or for what is done to a folder the folder.
  std::function<void()> run;
};

struct State {
  std::recursive_mutex mutex;
  std::string root, part;
  std::atomic<bool> watching{false};  // Also read without the mutex, by what is not watched.
  bool full = false;
  int64_t room = 0;  // While it is full.
  Fault fault = Fault::none;
  int at = 0, operations = 0;
  std::string failed;
  std::vector<Undo> unsynced;
  int saved = 0;                        // Files that were removed or replaced.
  std::map<uint64_t, int64_t> results;  // Of io_submit: by what the caller knows it.
};

State& state();

// What is to become of an operation.
enum class Fate { good, bad, half };

struct Verdict {
  Fate fate = Fate::good;
  int error = 0;
};

constexpr int64_t kNameBytes = 1;  // Of a new file, in its folder.
// One more operation, on a file that is watched and grows by so many bytes.
Verdict judge(const char* what, const std::string& path, bool is_write = false, int64_t grows = 0);

std::string path_of(int fd);
std::string folder_of(const std::string& path);
bool is_watched(const std::string& path);

void note(const std::string& synced_by, std::function<void()> undo);
void note_synced(const std::string& path);
// Before bytes of a file are changed: how to take that back.
void note_change(int fd, const std::string& path, int64_t offset, size_t size);
// A second name for a file that is about to lose its own.
std::optional<std::string> save(const std::string& path);
void put_back(const std::string& kept, const std::string& path);

}  // namespace orch::faults
