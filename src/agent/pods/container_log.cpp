#include "agent/pods/container_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/pods/kubelet_request.h"
#include "base/fd.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

constexpr size_t kBlock = 64 << 10;
constexpr size_t kMaxLogRecordBytes = 1 << 20;  // Longer ones are broken files; they are dropped.

std::string_view cut_word(std::string_view* text) {
  const size_t blank = text->find(' ');
  const auto word = text->substr(0, blank);
  *text = blank == text->npos ? std::string_view() : text->substr(blank + 1);
  return word;
}

Result<std::optional<int64_t>> number_of(std::string_view value, std::string_view name) {
  const auto number = parse_int(value);
  if (!number || *number < 0) return bad_request("invalid " + std::string(name));
  return number;
}

}  // namespace

std::optional<LogLine> parse_log_line(std::string_view line) {
  LogLine parsed;
  parsed.time = cut_word(&line);
  parsed.stream = cut_word(&line);
  const auto tag = cut_word(&line);
  if (parsed.stream != "stdout" && parsed.stream != "stderr") return std::nullopt;
  if (tag.empty() || (tag[0] != 'F' && tag[0] != 'P')) return std::nullopt;
  parsed.partial = tag[0] == 'P';
  parsed.text = line;
  return parsed;
}

Result<LogOptions> parse_log_options(std::string_view query, WallTime now) {
  LogOptions options;
  for (const auto pair : split(query, '&')) {
    const size_t equals = pair.find('=');
    const auto name = pair.substr(0, equals);
    const auto raw = equals == pair.npos ? std::string_view() : pair.substr(equals + 1);
    const auto value = percent_decode(raw, true);
    if (!value) return bad_request("malformed query");
    const bool yes = is_set(*value);
    if (name == "follow") options.follow = yes;
    if (name == "previous") options.previous = yes;
    if (name == "timestamps") options.timestamps = yes;
    if (name == "tailLines") options.tail_lines = ORCH_TRY(number_of(*value, "tailLines"));
    if (name == "limitBytes") options.limit_bytes = ORCH_TRY(number_of(*value, "limitBytes"));
    if (name == "sinceSeconds") {
      const auto seconds = ORCH_TRY(number_of(*value, "sinceSeconds"));
      // Longer ago than WallTime can say is all of it.
      constexpr int64_t kLongest = 100 * 365 * 86'400ll;
      if (*seconds < kLongest) options.since = now - std::chrono::seconds(*seconds);
    }
    if (name == "sinceTime") {
      WallTime time;
      if (!parse_time(*value, &time)) return bad_request("invalid sinceTime");
      options.since = time;
    }
  }
  return options;
}

void LogFilter::add(const LogLine& line, std::string* out) {
  WallTime time;
  if (since_ && parse_time(line.time, &time) && time < *since_) return;
  std::string text;
  if (timestamps_ && !in_line_) text = std::string(line.time) + " ";
  text += line.text;
  if (!line.partial) text += '\n';
  in_line_ = line.partial;
  if (left_) {
    if (static_cast<int64_t>(text.size()) > *left_) text.resize(static_cast<size_t>(*left_));
    *left_ -= static_cast<int64_t>(text.size());
  }
  *out += text;
}

std::string LogFilter::feed(std::string_view raw) {
  rest_ += raw;
  std::string out;
  size_t begin = 0;
  for (size_t end; !full() && (end = rest_.find('\n', begin)) != rest_.npos; begin = end + 1) {
    const auto line = parse_log_line(std::string_view(rest_).substr(begin, end - begin));
    if (line) add(*line, &out);
  }
  rest_.erase(0, begin);
  if (rest_.size() > kMaxLogRecordBytes) rest_.clear();
  return out;
}

int64_t tail_offset(int fd, int64_t lines) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return 0;
  if (lines == 0) return info.st_size;
  // Backwards by blocks: a record that ends a line is one more; the tag stands near its beginning,
  // so records are looked at whole.
  int64_t offset = info.st_size, seen = 0;
  std::string carried;  // The end of a record whose beginning lies before `offset`.
  std::string block(kBlock, '\0');
  while (offset > 0) {
    const auto size = static_cast<size_t>(std::min<int64_t>(offset, kBlock));
    const ssize_t n = ::pread(fd, block.data(), size, offset - static_cast<int64_t>(size));
    if (n != static_cast<ssize_t>(size)) return 0;
    offset -= n;
    const std::string text = block.substr(0, size) + carried;
    size_t end = text.size();
    while (end > 0) {
      const size_t newline = end >= 2 ? text.rfind('\n', end - 2) : text.npos;
      if (newline == text.npos) break;
      const auto line =
          parse_log_line(std::string_view(text).substr(newline + 1, end - newline - 2));
      if (line && !line->partial && ++seen > lines) return offset + static_cast<int64_t>(end);
      end = newline + 1;
    }
    carried = text.substr(0, end);
    if (carried.size() > kMaxLogRecordBytes) return offset;
  }
  const auto first = parse_log_line(std::string_view(carried).substr(0, carried.find('\n')));
  if (first && !first->partial && ++seen > lines) return static_cast<int64_t>(carried.size());
  return 0;
}

std::string log_tail(const std::string& path, int lines, size_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return "";
  LogFilter filter({});
  std::string out, block(kBlock, '\0');
  for (int64_t offset = tail_offset(fd.get(), lines);;) {
    const ssize_t n = ::pread(fd.get(), block.data(), block.size(), offset);
    if (n <= 0) break;
    out += filter.feed(std::string_view(block).substr(0, static_cast<size_t>(n)));
    if (out.size() > max_bytes) out.erase(0, out.size() - max_bytes);
    offset += n;
  }
  return out;
}

}  // namespace orch::pods
