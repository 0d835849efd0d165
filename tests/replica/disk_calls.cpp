// What takes the place of libc's own calls (see disk_faults.h).
#include <errno.h>
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>

#include "disk_state.h"

namespace orch::faults {

namespace {

// One write at a place, or at the file's own.
template <class Write>
ssize_t guarded_write(int fd, size_t size, std::optional<int64_t> offset, Write write) {
  State& s = state();
  if (!s.watching) return write(size);
  const std::string path = path_of(fd);
  const std::lock_guard lock(s.mutex);
  if (!is_watched(path)) return write(size);
  const int64_t at = offset ? *offset : ::lseek(fd, 0, SEEK_CUR);
  struct stat info {};
  const int64_t end = at + static_cast<int64_t>(size);
  const int64_t grows = ::fstat(fd, &info) == 0 ? std::max<int64_t>(end - info.st_size, 0) : 0;
  const Verdict verdict = judge("write", path, true, grows);
  const size_t wanted = verdict.fate == Fate::half ? size / 2 : size;
  if (verdict.fate != Fate::bad) {
    note_change(fd, path, at, wanted);
    const ssize_t written = write(wanted);
    if (verdict.fate == Fate::good) return written;
  }
  errno = verdict.error;
  return -1;
}

int guarded_sync(int fd) {
  State& s = state();
  if (!s.watching) return static_cast<int>(raw(SYS_fsync, fd));
  const std::string path = path_of(fd);
  const std::lock_guard lock(s.mutex);
  if (!is_watched(path)) return 0;
  const Verdict verdict = judge("fsync", path);
  if (verdict.fate == Fate::good) {  // Bookkeeping only: no power is lost for real.
    note_synced(path);
    return 0;
  }
  errno = verdict.error;
  return -1;
}

int guarded_open(int folder, const char* name, int flags, mode_t mode) {
  State& s = state();
  const auto go = [&] { return static_cast<int>(raw(SYS_openat, folder, name, flags, mode)); };
  const bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  if (!s.watching || name[0] != '/' || !makes) return go();
  const std::lock_guard lock(s.mutex);
  const std::string path = name;
  const bool is_new = ::access(name, F_OK) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  if (!is_watched(path) || !is_new) return go();
  const Verdict verdict = judge("open", path, false, kNameBytes);
  if (verdict.fate != Fate::good) {
    errno = verdict.error;
    return -1;
  }
  const int fd = go();
  if (fd >= 0 && (flags & O_TMPFILE) != O_TMPFILE) {
    note(folder_of(path), [path] { raw(SYS_unlinkat, AT_FDCWD, path.c_str(), 0); });
  }
  return fd;
}

int guarded_truncate(int fd, off_t size) {
  State& s = state();
  const auto go = [&] { return static_cast<int>(raw(SYS_ftruncate, fd, size)); };
  if (!s.watching) return go();
  const std::string path = path_of(fd);
  const std::lock_guard lock(s.mutex);
  if (!is_watched(path)) return go();
  if (const Verdict verdict = judge("truncate", path); verdict.fate != Fate::good) {
    errno = verdict.error;
    return -1;
  }
  struct stat info {};
  if (::fstat(fd, &info) == 0 && info.st_size > size) {
    note_change(fd, path, size, static_cast<size_t>(info.st_size - size));
  }
  return go();
}

int guarded_allocate(int fd, off_t offset, off_t size) {
  State& s = state();
  const auto go = [&] { return raw(SYS_fallocate, fd, 0, offset, size) == 0 ? 0 : errno; };
  if (!s.watching) return go();
  const std::string path = path_of(fd);
  const std::lock_guard lock(s.mutex);
  if (!is_watched(path)) return go();
  if (const Verdict verdict = judge("fallocate", path, false, size); verdict.fate != Fate::good) {
    return verdict.error;
  }
  note_change(fd, path, 0, 0);
  return go();
}

// Of the descriptors' folder entries: what changes names.
template <class Go>
int guarded_name(const char* what, const std::string& path, Go go, std::function<void()> undo) {
  const int64_t grows = what == std::string_view("link") ? kNameBytes : 0;
  if (const Verdict verdict = judge(what, path, false, grows); verdict.fate != Fate::good) {
    errno = verdict.error;
    return -1;
  }
  const int code = go();
  if (code == 0) note(folder_of(path), std::move(undo));
  return code;
}

int guarded_unlink(const char* name) {
  State& s = state();
  const auto go = [&] { return static_cast<int>(raw(SYS_unlinkat, AT_FDCWD, name, 0)); };
  const std::lock_guard lock(s.mutex);
  const std::string path = name;
  if (!is_watched(path) || ::access(name, F_OK) != 0) return go();
  struct stat info {};
  const int64_t size = ::stat(name, &info) == 0 ? info.st_size : 0;
  const auto kept = save(path);
  const int code = guarded_name("unlink", path, go, [kept, path] {
    if (kept) put_back(*kept, path);
  });
  if (code == 0 && path.find(s.part) != std::string::npos) s.room += size;
  return code;
}

int guarded_rename(const char* from, const char* to) {
  State& s = state();
  const auto go = [&] { return static_cast<int>(raw(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to)); };
  const std::lock_guard lock(s.mutex);
  const std::string old_path = from, path = to;
  if (!is_watched(path)) return go();
  const auto kept = ::access(to, F_OK) == 0 ? save(path) : std::nullopt;
  return guarded_name("rename", path, go, [kept, old_path, path] {
    put_back(path, old_path);
    if (kept) put_back(*kept, path);
  });
}

int guarded_link(int folder, const char* from, int to_folder, const char* to, int flags) {
  State& s = state();
  const auto go = [&] {
    return static_cast<int>(raw(SYS_linkat, folder, from, to_folder, to, flags));
  };
  const std::lock_guard lock(s.mutex);
  const std::string path = to;
  if (!is_watched(path)) return go();
  return guarded_name("link", path, go, [path] { raw(SYS_unlinkat, AT_FDCWD, path.c_str(), 0); });
}

// libraft writes with RWF_DSYNC: what was written is synced.
long guarded_submit(unsigned long context, long count, iocb** blocks) {
  State& s = state();
  const auto go = [&] { return raw(SYS_io_submit, context, count, blocks); };
  const std::lock_guard lock(s.mutex);
  for (long i = 0; s.watching && i < count; ++i) {
    iocb& block = *blocks[i];
    const std::string path = path_of(static_cast<int>(block.aio_fildes));
    if (!is_watched(path)) continue;
    const Verdict verdict = judge("submit", path, true);
    if (verdict.fate == Fate::good) {
      note_synced(path);
      continue;
    }
    if (s.fault == Fault::at_once) {
      errno = verdict.error;
      return -1;
    }
    if (verdict.fate == Fate::half && block.aio_lio_opcode == IOCB_CMD_PWRITEV) {
      const auto* const parts = reinterpret_cast<const iovec*>(block.aio_buf);
      const int file = static_cast<int>(raw(SYS_openat, AT_FDCWD, path.c_str(), O_WRONLY, 0));
      (void)!raw(SYS_pwrite64, file, parts[0].iov_base, parts[0].iov_len / 2, block.aio_offset);
      ::close(file);
    }
    s.results[block.aio_data] = -verdict.error;
    block.aio_lio_opcode = IOCB_CMD_FDSYNC;
    block.aio_buf = block.aio_nbytes = 0;
    block.aio_offset = 0;
    block.aio_rw_flags = 0;
  }
  return go();
}

// To several places at once; a torn one ends after half of the pieces.
long guarded_pwritev(int fd, const iovec* pieces, int count, off_t offset) {
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += pieces[i].iov_len;
  return guarded_write(fd, size, offset, [&](size_t wanted) {
    const int some = wanted == size ? count : count / 2;
    return static_cast<ssize_t>(raw(SYS_pwritev, fd, pieces, some, offset, 0));
  });
}

long guarded_events(unsigned long context, long least, long most, io_event* events,
                    timespec* timeout) {
  const long count = raw(SYS_io_getevents, context, least, most, events, timeout);
  State& s = state();
  const std::lock_guard lock(s.mutex);
  for (long i = 0; i < count; ++i) {
    const auto found = s.results.find(events[i].data);
    if (found == s.results.end()) continue;
    events[i].res = found->second;
    s.results.erase(found);
  }
  return count;
}

}  // namespace

}  // namespace orch::faults

// --- What takes libc's place.

namespace faults = orch::faults;

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = va_arg(rest, mode_t);
  va_end(rest);
  return faults::guarded_open(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = va_arg(rest, mode_t);
  va_end(rest);
  return faults::guarded_open(AT_FDCWD, path, flags, mode);
}
ssize_t write(int fd, const void* data, size_t size) {
  return faults::guarded_write(fd, size, std::nullopt, [&](size_t wanted) {
    return static_cast<ssize_t>(faults::raw(SYS_write, fd, data, wanted));
  });
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return faults::guarded_write(fd, size, offset, [&](size_t wanted) {
    return static_cast<ssize_t>(faults::raw(SYS_pwrite64, fd, data, wanted, offset));
  });
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  return pwrite(fd, data, size, offset);
}
int fsync(int fd) { return faults::guarded_sync(fd); }
int fdatasync(int fd) { return faults::guarded_sync(fd); }
int ftruncate(int fd, off_t size) noexcept { return faults::guarded_truncate(fd, size); }
int ftruncate64(int fd, off64_t size) noexcept { return faults::guarded_truncate(fd, size); }
int posix_fallocate(int fd, off_t offset, off_t size) {
  return faults::guarded_allocate(fd, offset, size);
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) {
  return faults::guarded_allocate(fd, offset, size);
}
int unlink(const char* path) noexcept { return faults::guarded_unlink(path); }
int rename(const char* from, const char* to) noexcept { return faults::guarded_rename(from, to); }
long syscall(long number, ...) noexcept {
  va_list rest;
  va_start(rest, number);
  long all[6];
  for (long& each : all) each = va_arg(rest, long);
  va_end(rest);
  const auto context = static_cast<unsigned long>(all[0]);
  if (number == SYS_io_submit) {
    return faults::guarded_submit(context, all[1], reinterpret_cast<iocb**>(all[2]));
  }
  if (number == SYS_io_getevents) {
    return faults::guarded_events(context, all[1], all[2], reinterpret_cast<io_event*>(all[3]),
                                  reinterpret_cast<timespec*>(all[4]));
  }
  if (number == SYS_pwritev) {
    return faults::guarded_pwritev(static_cast<int>(all[0]), reinterpret_cast<iovec*>(all[1]),
                                   static_cast<int>(all[2]), all[3]);
  }
  if (number == SYS_close) return ::close(static_cast<int>(all[0]));  // See store/uv_close.cpp.
  return faults::raw(number, all[0], all[1], all[2], all[3], all[4], all[5]);
}
int linkat(int folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  return faults::guarded_link(folder, from, to_folder, to, flags);
}
}
