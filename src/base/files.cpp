#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace orch {

namespace {

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status failed(std::string_view call, const std::string& path) {
  const int error_number = errno;
  Status status = system_error(std::string(call) + " " + path, error_number);
  if (error_number == ENOENT) {
    status.code = 404;
    status.reason = "NotFound";
  }
  return status;
}

// Removes what is below the open folder; stays on `device`.
Result<void> remove_below(UniqueFd folder, dev_t device, const std::string& path) {
  DIR* dir = ::fdopendir(folder.get());
  if (dir == nullptr) return failed("open", path);
  const int fd = folder.release();  // Owned by `dir` from here.
  Result<void> result;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat info {};
    if (::fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    const std::string child = path + "/" + name;
    if (S_ISDIR(info.st_mode)) {
      if (info.st_dev != device) {
        result = internal_error("remove " + child + ": another file system is mounted there");
        break;
      }
      UniqueFd sub(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!sub) {
        result = failed("open", child);
        break;
      }
      result = remove_below(std::move(sub), device, child);
      if (!result) break;
      if (::unlinkat(fd, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
        result = failed("rmdir", child);
        break;
      }
    } else if (::unlinkat(fd, name.c_str(), 0) != 0 && errno != ENOENT) {
      result = failed("unlink", child);
      break;
    }
  }
  ::closedir(dir);
  return result;
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t limit_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return failed("open", path);
  std::string content;
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("read", path);
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
    if (content.size() > limit_bytes)
      return internal_error("read " + path + ": larger than " + std::to_string(limit_bytes) +
                            " bytes");
  }
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write", errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

namespace {

enum class Flush { yes, no };

Result<void> replace_file(const std::string& path, std::string_view content, mode_t mode,
                          Flush flush) {
  std::string temporary = path + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return failed("create", path);
  Result<void> written = write_all(fd.get(), content);
  if (written && ::fchmod(fd.get(), mode) != 0) written = failed("chmod", temporary);
  if (written && flush == Flush::yes && ::fsync(fd.get()) != 0)
    written = failed("fsync", temporary);
  fd.reset();
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = failed("rename", path);
  if (!written) {
    ::unlink(temporary.c_str());
    return std::move(written).status().in(path);
  }
  return {};
}

}  // namespace

Result<void> write_file_whole(const std::string& path, std::string_view content, mode_t mode) {
  return replace_file(path, content, mode, Flush::no);
}

Result<void> write_file_atomic(const std::string& path, std::string_view content, mode_t mode) {
  ORCH_TRY(replace_file(path, content, mode, Flush::yes));
  const UniqueFd folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return failed("fsync folder of", path);
  return {};
}

Result<void> make_dirs(const std::string& path, mode_t mode) {
  if (path.empty() || path == "/") return {};
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
    errno = ENOTDIR;
    return failed("mkdir", path);
  }
  if (errno != ENOENT) return failed("mkdir", path);
  ORCH_TRY(make_dirs(folder_of(path), mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return failed("mkdir", path);
  return {};
}

Result<void> remove_tree(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return failed("stat", path);
  }
  if (!S_ISDIR(info.st_mode)) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("unlink", path);
    return {};
  }
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return failed("open", path);
  ORCH_TRY(remove_below(std::move(folder), info.st_dev, path));
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return failed("rmdir", path);
  return {};
}

bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<UniqueFd> open_in_root(int root_fd, const std::string& path, int flags, mode_t mode) {
  struct open_how how {};
  how.flags = static_cast<uint64_t>(flags) | O_CLOEXEC;
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root_fd, path.c_str(), &how, sizeof how);
  if (fd < 0) return failed("open in root", path);
  return UniqueFd(static_cast<int>(fd));
}

}  // namespace orch
