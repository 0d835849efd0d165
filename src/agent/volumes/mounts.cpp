#include "agent/volumes/mounts.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "base/files.h"
#include "base/strings.h"

namespace orch::volumes {
namespace {

constexpr int kMaxDepth = 100;  // Of folders walked for fsGroup.
constexpr const char* kMountInfo = "/proc/self/mountinfo";

// mountinfo writes blanks and backslashes as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_missing(const Status& status) { return status.code == 404 || status.not_found(); }

// sub_path opened beneath root; missing folders are made one by one, each in the one before it.
Result<UniqueFd> open_sub_path(int root_fd, const std::string& sub_path) {
  auto found = open_in_root(root_fd, sub_path, O_PATH);
  if (found.ok() || !is_missing(found.status())) return found;
  std::string sofar;
  for (const auto part : split(sub_path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return bad_request("subPath must not contain \"..\"");
    const UniqueFd parent =
        ORCH_TRY(open_in_root(root_fd, sofar.empty() ? "." : sofar, O_PATH | O_DIRECTORY));
    if (::mkdirat(parent.get(), std::string(part).c_str(), 0750) != 0 && errno != EEXIST) {
      return system_error("mkdir of subPath " + sub_path, errno);
    }
    sofar += (sofar.empty() ? "" : "/") + std::string(part);
  }
  return open_in_root(root_fd, sub_path, O_PATH);
}

Result<void> make_target(const std::string& target, bool folder) {
  if (folder) return make_dirs(target, 0750);
  ORCH_TRY(make_dirs(target.substr(0, target.rfind('/')), 0750));
  const UniqueFd fd(::open(target.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640));
  if (!fd) return system_error("create " + target, errno);
  return {};
}

Result<void> give_one(int fd, gid_t gid, const std::string& what) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return system_error("stat " + what, errno);
  if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) return {};
  if (::fchown(fd, static_cast<uid_t>(-1), gid) != 0) return system_error("chown " + what, errno);
  mode_t mode = (info.st_mode & 07777) | 0660;
  if (S_ISDIR(info.st_mode)) mode |= S_ISGID | 0110;
  if (::fchmod(fd, mode) != 0) return system_error("chmod " + what, errno);
  return {};
}

Result<void> give_below(UniqueFd folder, gid_t gid, const std::string& what, int depth) {
  if (depth > kMaxDepth) return bad_request(what + ": folders nest too deep");
  ORCH_TRY(give_one(folder.get(), gid, what));
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(folder.get()), ::closedir);
  if (!dir) return system_error("opendir " + what, errno);
  const int dir_fd = folder.release();
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entry->d_type != DT_DIR && entry->d_type != DT_REG) continue;
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC |
                      (entry->d_type == DT_DIR ? O_DIRECTORY : 0);
    UniqueFd child(::openat(dir_fd, name.c_str(), flags));
    if (!child) continue;  // Gone or swapped meanwhile.
    const std::string path = what + "/" + name;
    if (entry->d_type == DT_DIR) {
      ORCH_TRY(give_below(std::move(child), gid, path, depth + 1));
    } else {
      ORCH_TRY(give_one(child.get(), gid, path));
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> mount_points_beneath(const std::string& mountinfo,
                                              const std::string& dir) {
  std::vector<std::string> points;
  for (const auto line : split(mountinfo, '\n')) {
    const auto fields = split(line, ' ');
    if (fields.size() < 5) continue;
    std::string point = unescape(fields[4]);
    if (point == dir || point.starts_with(dir + "/")) points.push_back(std::move(point));
  }
  // The newest last in the file: reversed, what lies on top goes first; deeper ones before.
  std::reverse(points.begin(), points.end());
  std::stable_sort(points.begin(), points.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return points;
}

Result<void> mount_tmpfs(const std::string& dir, int64_t size_bytes) {
  ORCH_TRY(make_dirs(dir, 0750));
  const auto points = mount_points_beneath(ORCH_TRY(read_file(kMountInfo)), dir);
  if (std::find(points.begin(), points.end(), dir) != points.end()) return {};
  std::string options = "mode=0777";
  if (size_bytes > 0) options += ",size=" + std::to_string(size_bytes);
  if (::mount("tmpfs", dir.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return system_error("mount tmpfs on " + dir, errno);
  }
  return {};
}

Result<void> bind_sub_path(const std::string& root, const std::string& sub_path,
                           const std::string& target) {
  ORCH_TRY(unmount_beneath(target));
  const UniqueFd root_fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root_fd) return system_error("open " + root, errno);
  const UniqueFd source = ORCH_TRY(open_sub_path(root_fd.get(), sub_path));
  struct stat info {};
  if (::fstat(source.get(), &info) != 0) return system_error("stat " + sub_path, errno);
  ORCH_TRY(make_target(target, S_ISDIR(info.st_mode)));
  const UniqueFd tree(::open_tree(
      source.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (!tree) return system_error("open_tree " + sub_path, errno);
  if (::move_mount(tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return system_error("move_mount to " + target, errno);
  }
  return {};
}

Result<void> unmount_beneath(const std::string& dir) {
  for (const auto& point : mount_points_beneath(ORCH_TRY(read_file(kMountInfo)), dir)) {
    if (::umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
        errno != ENOENT) {
      return system_error("umount " + point, errno);
    }
  }
  const auto left = mount_points_beneath(ORCH_TRY(read_file(kMountInfo)), dir);
  if (!left.empty()) return internal_error("still mounted: " + left.front());
  return {};
}

Result<void> check_host_path(const std::string& path, const std::string& type) {
  if (type.empty()) return {};
  struct stat info {};
  bool there = ::stat(path.c_str(), &info) == 0;
  if (!there && type == "DirectoryOrCreate") {
    ORCH_TRY(make_dirs(path, 0755));
    there = ::stat(path.c_str(), &info) == 0;
  }
  if (!there && type == "FileOrCreate") {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) return system_error("create " + path, errno);
    there = ::stat(path.c_str(), &info) == 0;
  }
  const auto fail = [&](const char* what) {
    return bad_request("hostPath type check failed: " + path + " is not " + what);
  };
  const mode_t kind = there ? info.st_mode & S_IFMT : 0;
  if (type.starts_with("Directory") && kind != S_IFDIR) return fail("a directory");
  if (type.starts_with("File") && kind != S_IFREG) return fail("a file");
  if (type == "Socket" && kind != S_IFSOCK) return fail("a socket");
  if (type == "CharDevice" && kind != S_IFCHR) return fail("a character device");
  if (type == "BlockDevice" && kind != S_IFBLK) return fail("a block device");
  return {};
}

Result<void> give_to_group(const std::string& dir, gid_t gid, bool only_root_mismatch) {
  UniqueFd folder(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return system_error("open " + dir, errno);
  struct stat info {};
  if (::fstat(folder.get(), &info) != 0) return system_error("stat " + dir, errno);
  const bool fits = info.st_gid == gid && (info.st_mode & S_ISGID) != 0;
  if (fits && only_root_mismatch) return {};
  return give_below(std::move(folder), gid, dir, 0);
}

}  // namespace orch::volumes
