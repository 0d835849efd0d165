#include "agent/runtime/cri_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/files.h"

namespace orch::runtime {

namespace {

void append_line(std::string* out, std::string_view stamp, Stream stream, char tag,
                 std::string_view text) {
  *out += stamp;
  *out += stream == Stream::out ? " stdout " : " stderr ";
  *out += tag;
  *out += ' ';
  *out += text;
  *out += '\n';
}

}  // namespace

std::string render_log_lines(std::string_view bytes, Stream stream, std::string_view stamp,
                             std::string* rest) {
  std::string out;
  while (!bytes.empty()) {
    const size_t room = kMaxLogLineBytes - rest->size();
    const std::string_view window = bytes.substr(0, room + 1);
    const size_t end = window.find('\n');
    if (end == std::string_view::npos && bytes.size() < room) {
      *rest += bytes;
      break;
    }
    const bool full = end != std::string_view::npos;
    const size_t length = full ? end : room;
    *rest += bytes.substr(0, length);
    append_line(&out, stamp, stream, full ? 'F' : 'P', *rest);
    rest->clear();
    bytes.remove_prefix(full ? length + 1 : length);
  }
  return out;
}

CriLog::CriLog(std::string path, int64_t max_bytes, int max_files, const Clock& clock)
    : path_(std::move(path)), max_bytes_(max_bytes), max_files_(max_files), clock_(clock) {}

Result<void> CriLog::open() {
  if (path_.empty()) return {};
  ORCH_TRY(make_dirs(path_.substr(0, path_.rfind('/'))));
  UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd) return system_error("open log " + path_, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return system_error("stat log " + path_, errno);
  fd_ = std::move(fd);
  size_ = info.st_size;
  return {};
}

void CriLog::append(Stream stream, std::string_view bytes) {
  if (!fd_) return;
  std::string& rest = rest_[static_cast<size_t>(stream)];
  write(render_log_lines(bytes, stream, format_nano_time(clock_.now()), &rest));
}

void CriLog::finish(Stream stream) {
  std::string& rest = rest_[static_cast<size_t>(stream)];
  if (!fd_ || rest.empty()) return;
  std::string line;
  append_line(&line, format_nano_time(clock_.now()), stream, 'P', rest);
  rest.clear();
  write(line);
}

void CriLog::write(std::string_view lines) {
  if (lines.empty()) return;
  if (size_ > 0 && size_ + static_cast<int64_t>(lines.size()) > max_bytes_) rotate();
  if (write_all(fd_.get(), lines)) size_ += static_cast<int64_t>(lines.size());
}

// The names sort by time; nanoseconds keep two within one second apart.
void CriLog::rotate() {
  std::string stamp = format_nano_time(clock_.now());
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':' || c == 'Z'; });
  std::replace(stamp.begin(), stamp.end(), 'T', '-');
  if (::rename(path_.c_str(), (path_ + "." + stamp).c_str()) != 0) return;
  if (!open()) return;  // The old descriptor goes on: the renamed file grows, nothing is lost.

  const size_t slash = path_.rfind('/');
  const std::string folder = path_.substr(0, slash);
  const std::string prefix = path_.substr(slash + 1) + ".";
  std::vector<std::string> rotated;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = ::readdir(dir))
    if (std::string_view(entry->d_name).starts_with(prefix)) rotated.emplace_back(entry->d_name);
  ::closedir(dir);
  std::sort(rotated.begin(), rotated.end());
  const size_t kept = static_cast<size_t>(std::max(max_files_ - 1, 0));
  for (size_t i = 0; i + kept < rotated.size(); ++i) ::unlink((folder + "/" + rotated[i]).c_str());
}

}  // namespace orch::runtime
