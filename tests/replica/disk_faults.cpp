#include "disk_faults.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>

#include "disk_state.h"

namespace orch::faults {

State& state() {
  static auto* const it = new State();
  return *it;
}

std::string path_of(int fd) {
  char path[4096];
  const ssize_t size =
      ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "";
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool is_watched(const std::string& path) {
  State& s = state();
  return s.watching && path.starts_with(s.root) && !path.ends_with("-shm");
}

namespace {

// Of so many bytes, while the disk is full.
bool has_room(int64_t bytes) {
  State& s = state();
  if (!s.full || bytes == 0) return true;
  if (bytes > s.room) return false;
  s.room -= bytes;
  return true;
}

}  // namespace

Verdict judge(const char* what, const std::string& path, bool is_write, int64_t grows) {
  State& s = state();
  if (path.find(s.part) == std::string::npos) {
    // Power is lost for all files at once.
    const bool dead =
        (s.fault == Fault::for_ever || s.fault == Fault::torn) && s.at > 0 && s.operations >= s.at;
    return dead ? Verdict{Fate::bad, EIO} : Verdict();
  }
  if (!has_room(grows)) return {Fate::bad, ENOSPC};
  const int number = ++s.operations;
  if (s.fault == Fault::none || number < s.at) return {};
  if (number == s.at) s.failed = std::string(what) + " " + path;
  switch (s.fault) {
    case Fault::full:
      return number == s.at ? Verdict{Fate::bad, ENOSPC} : Verdict();
    case Fault::quota:
      return number == s.at ? Verdict{Fate::bad, EDQUOT} : Verdict();
    case Fault::once:
    case Fault::at_once:
      return number == s.at ? Verdict{Fate::bad, EIO} : Verdict();
    case Fault::torn:
      if (number == s.at && is_write) return {Fate::half, EIO};
      return {Fate::bad, EIO};
    default:
      return {Fate::bad, EIO};
  }
}

void note(const std::string& synced_by, std::function<void()> undo) {
  state().unsynced.push_back({synced_by, std::move(undo)});
}

void note_synced(const std::string& path) {
  std::erase_if(state().unsynced, [&](const Undo& undo) { return undo.synced_by == path; });
}

void note_change(int fd, const std::string& path, int64_t offset, size_t size) {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || info.st_nlink == 0) return;
  std::string before(size, '\0');
  const int reader = static_cast<int>(raw(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY, 0));
  ssize_t had = 0;
  if (reader >= 0) {
    had = ::pread(reader, before.data(), size, offset);
    ::close(reader);
  }
  before.resize(static_cast<size_t>(std::max<ssize_t>(had, 0)));
  note(path, [path, offset, before, old_size = info.st_size] {
    const int file = static_cast<int>(raw(SYS_openat, AT_FDCWD, path.c_str(), O_WRONLY, 0));
    if (file < 0) return;
    if (!before.empty()) {
      (void)!raw(SYS_pwrite64, file, before.data(), before.size(), offset);
    }
    struct stat now {};
    if (::fstat(file, &now) == 0 && now.st_size != old_size) {
      (void)!raw(SYS_ftruncate, file, old_size);
    }
    ::close(file);
  });
}

std::optional<std::string> save(const std::string& path) {
  State& s = state();
  const std::string kept = s.root + "/../" + s.root.substr(s.root.rfind('/') + 1) + ".saved-" +
                           std::to_string(++s.saved);
  if (raw(SYS_linkat, AT_FDCWD, path.c_str(), AT_FDCWD, kept.c_str(), 0) != 0) {
    return std::nullopt;
  }
  return kept;
}

void put_back(const std::string& kept, const std::string& path) {
  raw(SYS_renameat, AT_FDCWD, kept.c_str(), AT_FDCWD, path.c_str());
}

void watch(const std::string& root, const std::string& part) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.root = root;
  s.part = part;
  s.unsynced.clear();
  s.watching = true;
  s.full = false;
  s.fault = Fault::none;
}

void unwatch() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.watching = false;
  for (int i = 1; i <= s.saved; ++i) {
    raw(SYS_unlinkat, AT_FDCWD, (s.root + ".saved-" + std::to_string(i)).c_str(), 0);
  }
  s.saved = 0;
}

void arm(Fault fault, int at) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.fault = fault;
  s.at = at;
  s.operations = 0;
  s.failed.clear();
}

int operations() {
  const std::lock_guard lock(state().mutex);
  return state().operations;
}

std::string failed_operation() {
  const std::lock_guard lock(state().mutex);
  return state().failed;
}

void lose_power(int eighths) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  size_t left = s.unsynced.size() * static_cast<size_t>(eighths) / 8;
  for (; left > 0; --left) {
    s.unsynced.back().run();
    s.unsynced.pop_back();
  }
  s.unsynced.clear();
}

void set_full(bool full) {
  const std::lock_guard lock(state().mutex);
  state().full = full;
  state().room = 0;
}

}  // namespace orch::faults
