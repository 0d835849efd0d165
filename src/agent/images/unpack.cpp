#include "agent/images/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "agent/images/archive_reader.h"
#include "base/files.h"
#include "base/strings.h"

namespace orch::images {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr size_t kMaxXattrBytes = 64 << 10;

// A name inside the layer: its folder and its last part, both clean.
struct Name {
  std::string folder;  // "" = the root.
  std::string last;    // "" = the root itself.
};

Result<Name> clean_name(std::string_view raw, size_t limit) {
  if (raw.size() > limit) return bad_request("a path in the layer is too long");
  if (raw.find('\0') != raw.npos) return bad_request("a path in the layer holds a NUL");
  std::vector<std::string> parts;
  for (const std::string_view part : split(raw, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..")
      return bad_request("the layer holds a path with '..': " + std::string(raw.substr(0, 200)));
    parts.emplace_back(part);
  }
  Name name;
  if (parts.empty()) return name;
  name.last = parts.back();
  parts.pop_back();
  name.folder = join(parts, "/");
  return name;
}

// Extracts one archive beneath one root.
class Unpacker {
 public:
  Unpacker(archive* source, UniqueFd root, const UnpackLimits& limits)
      : archive_(source), root_(std::move(root)), limits_(limits) {}

  Result<int64_t> run() {
    for (int64_t entries = 0;; ++entries) {
      archive_entry* entry = nullptr;
      const int code = ::archive_read_next_header(archive_, &entry);
      if (code == ARCHIVE_EOF) break;
      if (code < ARCHIVE_WARN) return unreadable();
      if (entries >= limits_.max_entries) return bad_request("the layer has too many entries");
      ORCH_TRY(extract(entry));
    }
    ORCH_TRY(restore_folder_times());
    return bytes_;
  }

 private:
  Status unreadable() const {
    const char* why = ::archive_error_string(archive_);
    return bad_request(std::string("the layer can't be read: ") + (why != nullptr ? why : "?"));
  }

  Result<void> extract(archive_entry* entry) {
    const char* raw = ::archive_entry_pathname(entry);
    if (raw == nullptr) return bad_request("the layer holds an entry without a name");
    const Name name = ORCH_TRY(clean_name(raw, limits_.max_path_bytes));
    const UniqueFd folder = ORCH_TRY(open_folder(name.folder));
    if (name.last == kOpaque) return make_opaque(folder.get());
    if (name.last.starts_with(kWhiteout))
      return make_whiteout(folder.get(), name.last.substr(kWhiteout.size()));
    if (name.last.empty()) return apply_attributes(entry, root_.get(), root_.get());
    return extract_named(entry, folder.get(), name);
  }

  Result<void> extract_named(archive_entry* entry, int folder, const Name& name) {
    const char* file = name.last.c_str();
    if (const char* target = ::archive_entry_hardlink(entry)) return link(folder, file, target);
    const mode_t type = ::archive_entry_filetype(entry);
    if (type != AE_IFDIR) ORCH_TRY(clear_way(folder, file));
    if (type == AE_IFLNK) {
      const char* target = ::archive_entry_symlink(entry);
      if (target == nullptr || ::symlinkat(target, folder, file) != 0)
        return system_error("symlink " + name.last, errno);
      return own_link(entry, folder, file);
    }
    if (type == AE_IFDIR) return make_folder(entry, folder, name);
    if (type == AE_IFREG) return write_file(entry, folder, file);
    if (type == AE_IFIFO) {
      if (::mkfifoat(folder, file, 0600) != 0) return system_error("mkfifo " + name.last, errno);
      return own_link(entry, folder, file);
    }
    return {};  // Devices and sockets.
  }

  // Opens a folder of the layer, making what is missing on the way.
  Result<UniqueFd> open_folder(const std::string& path) {
    const std::string wanted = path.empty() ? "." : path;
    auto opened = open_in_root(root_.get(), wanted, O_RDONLY | O_DIRECTORY);
    if (opened || !opened.status().not_found()) return opened;
    const size_t slash = path.rfind('/');
    const bool top = slash == std::string::npos;
    const UniqueFd above = ORCH_TRY(open_folder(top ? "" : path.substr(0, slash)));
    const std::string last = top ? path : path.substr(slash + 1);
    if (::mkdirat(above.get(), last.c_str(), 0755) != 0 && errno != EEXIST)
      return system_error("mkdir " + path, errno);
    return open_in_root(root_.get(), wanted, O_RDONLY | O_DIRECTORY);
  }

  // A later entry replaces an earlier one of the same name.
  Result<void> clear_way(int folder, const char* file) {
    if (::unlinkat(folder, file, 0) == 0 || errno == ENOENT) return {};
    if (errno == EISDIR || errno == EPERM) {
      if (::unlinkat(folder, file, AT_REMOVEDIR) == 0) return {};
      if (errno == ENOTEMPTY)
        return bad_request(std::string("the layer replaces a folder by a file: ") + file);
    }
    return system_error(std::string("unlink ") + file, errno);
  }

  Result<void> make_folder(archive_entry* entry, int folder, const Name& name) {
    const char* file = name.last.c_str();
    if (::mkdirat(folder, file, 0700) != 0) {
      if (errno != EEXIST) return system_error("mkdir " + name.last, errno);
      struct stat have {};
      if (::fstatat(folder, file, &have, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(have.st_mode)) {
        ORCH_TRY(clear_way(folder, file));
        if (::mkdirat(folder, file, 0700) != 0) return system_error("mkdir " + name.last, errno);
      }
    }
    const UniqueFd fd(::openat(folder, file, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return system_error("open " + name.last, errno);
    ORCH_TRY(apply_attributes(entry, fd.get(), fd.get()));
    const std::string path = name.folder.empty() ? name.last : name.folder + "/" + name.last;
    folder_times_.push_back(
        {path, ::archive_entry_mtime(entry), ::archive_entry_mtime_nsec(entry)});
    return {};
  }

  Result<void> write_file(archive_entry* entry, int folder, const char* file) {
    const UniqueFd fd(
        ::openat(folder, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return system_error(std::string("create ") + file, errno);
    const void* block = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    for (;;) {
      const int code = ::archive_read_data_block(archive_, &block, &size, &offset);
      if (code == ARCHIVE_EOF) break;
      if (code < ARCHIVE_WARN) return unreadable();
      bytes_ += static_cast<int64_t>(size);
      if (bytes_ > limits_.max_bytes || offset > limits_.max_bytes)
        return bad_request("the layer unpacks to more than " + std::to_string(limits_.max_bytes) +
                           " bytes");
      if (::lseek(fd.get(), offset, SEEK_SET) < 0) return system_error("seek", errno);
      ORCH_TRY(write_all(fd.get(), {static_cast<const char*>(block), size}));
    }
    const la_int64_t whole = ::archive_entry_size(entry);
    if (whole > limits_.max_bytes) return bad_request("a file in the layer is too large");
    if (::ftruncate(fd.get(), whole) != 0) return system_error("truncate", errno);
    ORCH_TRY(apply_attributes(entry, fd.get(), fd.get()));
    const timespec times[2] = {{0, UTIME_OMIT},
                               {::archive_entry_mtime(entry), ::archive_entry_mtime_nsec(entry)}};
    ::futimens(fd.get(), times);
    return {};
  }

  Result<void> link(int folder, const char* file, const char* raw_target) {
    const Name target = ORCH_TRY(clean_name(raw_target, limits_.max_path_bytes));
    const UniqueFd from = ORCH_TRY(open_in_root(
        root_.get(), target.folder.empty() ? "." : target.folder, O_PATH | O_DIRECTORY));
    struct stat info {};
    if (::fstatat(from.get(), target.last.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      return bad_request(std::string("the layer links to what it does not hold: ") + raw_target);
    ORCH_TRY(clear_way(folder, file));
    if (::linkat(from.get(), target.last.c_str(), folder, file, 0) != 0)
      return system_error(std::string("link ") + file, errno);
    return {};
  }

  Result<void> own_link(archive_entry* entry, int folder, const char* file) {
    if (::fchownat(folder, file, static_cast<uid_t>(::archive_entry_uid(entry)),
                   static_cast<gid_t>(::archive_entry_gid(entry)), AT_SYMLINK_NOFOLLOW) != 0)
      return system_error(std::string("chown ") + file, errno);
    return {};
  }

  // Owner first: chown clears set-id bits and capabilities.
  Result<void> apply_attributes(archive_entry* entry, int fd, int xattr_fd) {
    if (::fchown(fd, static_cast<uid_t>(::archive_entry_uid(entry)),
                 static_cast<gid_t>(::archive_entry_gid(entry))) != 0)
      return system_error("chown", errno);
    if (::fchmod(fd, ::archive_entry_perm(entry) & 07777) != 0) return system_error("chmod", errno);
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    ::archive_entry_xattr_reset(entry);
    while (::archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      const std::string_view key = name;
      // trusted.* would speak to overlayfs itself.
      const bool allowed = key == "security.capability" || key.starts_with("user.");
      if (allowed && size <= kMaxXattrBytes && ::fsetxattr(xattr_fd, name, value, size, 0) != 0 &&
          errno != ENOTSUP)
        return system_error("setxattr " + std::string(key), errno);
    }
    return {};
  }

  Result<void> make_opaque(int folder) {
    if (::fsetxattr(folder, "trusted.overlay.opaque", "y", 1, 0) != 0)
      return system_error("mark a folder opaque", errno);
    return {};
  }

  Result<void> make_whiteout(int folder, const std::string& name) {
    if (name.empty() || name == "." || name == "..")
      return bad_request("the layer holds a broken whiteout");
    if (::faccessat(folder, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return {};
    if (::mknodat(folder, name.c_str(), S_IFCHR | 0600, ::makedev(0, 0)) != 0 && errno != EEXIST)
      return system_error("whiteout " + name, errno);
    return {};
  }

  // Last, because writing into a folder changes its time.
  Result<void> restore_folder_times() {
    for (const FolderTime& folder : folder_times_) {
      const auto fd = open_in_root(root_.get(), folder.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (!fd) continue;  // Replaced by a later entry.
      const timespec times[2] = {{0, UTIME_OMIT}, {folder.seconds, folder.nanos}};
      ::futimens(fd->get(), times);
    }
    return {};
  }

  struct FolderTime {
    std::string path;
    time_t seconds;
    long nanos;
  };
  archive* archive_;
  UniqueFd root_;
  const UnpackLimits& limits_;
  std::vector<FolderTime> folder_times_;
  int64_t bytes_ = 0;
};

}  // namespace

Result<int64_t> unpack_layer(const std::string& archive_path, const std::string& folder,
                             const UnpackLimits& limits) {
  const ArchiveReader source(::archive_read_new());
  ORCH_CHECK(source != nullptr);
  ::archive_read_support_filter_gzip(source.get());
  ::archive_read_support_filter_zstd(source.get());
  ::archive_read_support_format_tar(source.get());
  ::archive_read_support_format_empty(source.get());
  UniqueFd root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return system_error("open " + folder, errno);
  if (::archive_read_open_filename(source.get(), archive_path.c_str(), 128 << 10) != ARCHIVE_OK) {
    const char* why = ::archive_error_string(source.get());
    return bad_request(std::string("the layer can't be read: ") + (why != nullptr ? why : "?"));
  }
  return Unpacker(source.get(), std::move(root), limits).run();
}

}  // namespace orch::images
