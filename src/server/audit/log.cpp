#include "server/audit/log.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <vector>

#include "base/files.h"
#include "base/log.h"

namespace orch::audit {
namespace {

constexpr size_t kMaxLinesAtOnce = 1u << 20;  // Bytes that go into one write(2).

// "/var/log/audit.log" → "/var/log/audit-" and ".log"
struct Naming {
  std::filesystem::path folder;
  std::string stem, extension;

  explicit Naming(const std::filesystem::path& path)
      : folder(path.parent_path()),
        stem(path.stem().string() + "-"),
        extension(path.extension().string()) {}
  // Only what rotate() could have made: a neighbour such as audit-policy.yaml is not ours.
  bool is_backup(std::string_view name) const {
    constexpr std::string_view kShape = "0000-00-00T00-00-00.000";
    if (name.size() != stem.size() + kShape.size() + extension.size()) return false;
    if (!name.starts_with(stem) || !name.ends_with(extension)) return false;
    return std::ranges::equal(name.substr(stem.size(), kShape.size()), kShape, [](char c, char s) {
      return s == '0' ? std::isdigit(static_cast<unsigned char>(c)) != 0 : c == s;
    });
  }
};

// The time as names have it: it sorts, and has no colon.
std::string time_name(WallTime now) {
  std::string text = format_nano_time(now).substr(0, 23);
  std::ranges::replace(text, ':', '-');
  return text;
}

Result<UniqueFd> open_file(const std::string& path) {
  if (path == "-") return UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file) return system_error("open " + path, errno);
  return file;
}

size_t size_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? static_cast<size_t>(info.st_size) : 0;
}

}  // namespace

Result<std::unique_ptr<Log>> Log::open(LogOptions options) {
  UniqueFd file = ORCH_TRY(open_file(options.path));
  const size_t size = size_of(file.get());
  return std::unique_ptr<Log>(new Log(std::move(options), std::move(file), size));
}

Log::Log(LogOptions options, UniqueFd file, size_t size)
    : options_(std::move(options)),
      file_(std::move(file)),
      size_(size),
      thread_([this] { run(); }) {}

void Log::write(std::string line) {
  line += '\n';
  const size_t bytes = line.size();
  const bool fits = queued_bytes_.fetch_add(bytes) + bytes <= kMaxQueuedBytes;
  if (fits && queue_.try_push(std::move(line))) {
    ++written_;
    return;
  }
  queued_bytes_ -= bytes;
  if (dropped_++ % 1000 == 0) {
    log::warning("audit", "events are lost: the disk under " + options_.path +
                              " takes them slower than they come");
  }
}

void Log::close() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

void Log::run() {
  bool failing = false;
  for (auto lines = queue_.pop_all(); !lines.empty(); lines = queue_.pop_all()) {
    while (!lines.empty()) {
      std::string together;
      do {
        together += lines.front();
        lines.pop_front();
      } while (!lines.empty() && together.size() + lines.front().size() <= kMaxLinesAtOnce);
      const Result<void> done = append(together);
      queued_bytes_ -= together.size();
      if (!done && !failing) log::error("audit", done.status().message);
      failing = !done;
    }
  }
}

Result<void> Log::append(std::string_view lines) {
  const size_t limit = static_cast<size_t>(options_.max_size_mb) << 20;
  Result<void> rotated;
  if (options_.path != "-" && size_ > 0 && size_ + lines.size() > limit) rotated = rotate();
  // A file that can't be rotated is still a file.
  ORCH_TRY(write_all(file_.get(), lines));
  size_ += lines.size();
  return rotated;
}

Result<void> Log::rotate() {
  const Naming naming(options_.path);
  const auto backup =
      naming.folder / (naming.stem + time_name(options_.clock->now()) + naming.extension);
  if (::rename(options_.path.c_str(), backup.c_str()) != 0) {
    return system_error("rename " + options_.path, errno);
  }
  UniqueFd fresh = ORCH_TRY(open_file(options_.path));
  file_ = std::move(fresh);
  size_ = size_of(file_.get());
  remove_old();
  return {};
}

void Log::remove_old() const {
  const Naming naming(options_.path);
  std::vector<std::string> names;
  std::error_code error;
  const auto folder = naming.folder.empty() ? std::filesystem::path(".") : naming.folder;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (naming.is_backup(name)) names.push_back(name);
  }
  std::ranges::sort(names, std::greater<>());  // The newest first.
  const auto oldest = options_.clock->now() - std::chrono::days(options_.max_age_days);
  for (size_t i = 0; i < names.size(); ++i) {
    const bool many = options_.max_backups > 0 && i >= static_cast<size_t>(options_.max_backups);
    const bool old =
        options_.max_age_days > 0 && names[i] < naming.stem + time_name(oldest) + naming.extension;
    if (many || old) std::filesystem::remove(folder / names[i], error);
  }
}

}  // namespace orch::audit
