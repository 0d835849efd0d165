#include "agent/volumes/atomic_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <set>

#include "base/files.h"
#include "base/strings.h"

namespace orch::volumes {
namespace {

constexpr const char* kData = "..data";
constexpr const char* kDataNew = "..data_tmp";

std::string link_target(const std::string& path) {
  char buffer[256];
  const ssize_t n = ::readlink(path.c_str(), buffer, sizeof buffer);
  return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : "";
}

mode_t file_mode(const PayloadFile& file, const Owner& owner) {
  return owner.fs_group ? file.mode | 0440 : file.mode;
}

std::set<std::string> names_in(const std::string& dir) {
  std::set<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> handle(::opendir(dir.c_str()), ::closedir);
  if (!handle) return names;
  while (const dirent* entry = ::readdir(handle.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.insert(name);
  }
  return names;
}

size_t count_files(const std::string& dir) {
  size_t count = 0;
  for (const auto& name : names_in(dir)) {
    struct stat info {};
    const std::string path = dir + "/" + name;
    if (::lstat(path.c_str(), &info) != 0) continue;
    count += S_ISDIR(info.st_mode) ? count_files(path) : 1;
  }
  return count;
}

bool is_current(const std::string& data_dir, const Payload& payload, const Owner& owner) {
  if (count_files(data_dir) != payload.size()) return false;
  for (const auto& [path, file] : payload) {
    struct stat info {};
    const std::string full = data_dir + "/" + path;
    if (::lstat(full.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    if ((info.st_mode & 07777) != file_mode(file, owner)) return false;
    if (info.st_uid != owner.uid || info.st_gid != owner.gid) return false;
    const auto content = read_file(full, file.content.size() + 1);
    if (!content.ok() || *content != file.content) return false;
  }
  return true;
}

Result<void> write_one(const std::string& path, const PayloadFile& file, const Owner& owner) {
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return system_error("create " + path, errno);
  ORCH_TRY(write_all(fd.get(), file.content));
  if (::fchown(fd.get(), owner.uid, owner.gid) != 0) return system_error("chown " + path, errno);
  // After chown, which clears set-id bits; and past the umask.
  if (::fchmod(fd.get(), file_mode(file, owner)) != 0) return system_error("chmod " + path, errno);
  return {};
}

Result<void> write_files(const std::string& dir, const Payload& payload, const Owner& owner) {
  ORCH_TRY(make_dirs(dir));
  if (::chmod(dir.c_str(), 0755) != 0) return system_error("chmod " + dir, errno);
  for (const auto& [path, file] : payload) {
    const std::string full = dir + "/" + path;
    ORCH_TRY(make_dirs(full.substr(0, full.rfind('/'))));
    ORCH_TRY(write_one(full, file, owner));
  }
  return {};
}

// The links that users see, one for each first part of a path; links of parts that are gone go.
Result<void> link_names(const std::string& volume_dir, const Payload& payload) {
  std::set<std::string> wanted;
  for (const auto& [path, file] : payload) wanted.insert(path.substr(0, path.find('/')));
  for (const auto& name : wanted) {
    const std::string target = std::string(kData) + "/" + name, link = volume_dir + "/" + name;
    if (link_target(link) == target) continue;
    ::unlink(link.c_str());
    if (::symlink(target.c_str(), link.c_str()) != 0) return system_error("link " + link, errno);
  }
  for (const auto& name : names_in(volume_dir)) {
    if (name.starts_with("..") || wanted.contains(name)) continue;
    ::unlink((volume_dir + "/" + name).c_str());
  }
  return {};
}

}  // namespace

bool has_payload(const std::string& volume_dir) {
  return !link_target(volume_dir + "/" + kData).empty();
}

Result<bool> write_payload(const std::string& volume_dir, const Payload& payload,
                           const Owner& owner, Clock& clock) {
  const std::string data = volume_dir + "/" + kData, fresh_link = volume_dir + "/" + kDataNew;
  const std::string old = link_target(data);
  if (!old.empty() && is_current(volume_dir + "/" + old, payload, owner)) {
    ORCH_TRY(link_names(volume_dir, payload));  // A crash may have come before them.
    return false;
  }
  const std::string fresh = ".." + format_nano_time(clock.now());
  ORCH_TRY(write_files(volume_dir + "/" + fresh, payload, owner));
  ::unlink(fresh_link.c_str());
  if (::symlink(fresh.c_str(), fresh_link.c_str()) != 0) return system_error("link", errno);
  if (::rename(fresh_link.c_str(), data.c_str()) != 0) return system_error("rename ..data", errno);
  ORCH_TRY(link_names(volume_dir, payload));
  for (const auto& name : names_in(volume_dir)) {
    if (name.starts_with("..") && name != kData && name != fresh) {
      ORCH_TRY(remove_tree(volume_dir + "/" + name));
    }
  }
  return true;
}

}  // namespace orch::volumes
