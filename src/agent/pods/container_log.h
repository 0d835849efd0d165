// container_log: reads the log files that shims write: CRI lines, "<time> <stream> <F|P> <text>".
// The parts are pure but for log_tail(), which reads a file.
// Follows the CRI logging format (a kubelet design document) and `kubectl logs`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace orch::pods {

struct LogLine {
  std::string_view time;
  std::string_view stream;  // "stdout" or "stderr".
  bool partial = false;     // The line goes on in the next record.
  std::string_view text;
};
// Nothing when `line` (without its end) is no record.
std::optional<LogLine> parse_log_line(std::string_view line);

struct LogOptions {
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  std::optional<int64_t> tail_lines;
  std::optional<int64_t> limit_bytes;
  std::optional<WallTime> since;
};
// From the query of GET /containerLogs/... (tailLines, sinceSeconds, sinceTime, ...).
Result<LogOptions> parse_log_options(std::string_view query, WallTime now);

// Turns raw records, fed in pieces as they are read, into what the user sees.
class LogFilter {
 public:
  explicit LogFilter(const LogOptions& options)
      : timestamps_(options.timestamps), since_(options.since), left_(options.limit_bytes) {}

  // The output for `raw`; the beginning of a record that is not complete waits for the next call.
  std::string feed(std::string_view raw);
  bool full() const { return left_ && *left_ <= 0; }  // limit_bytes were given out.

 private:
  void add(const LogLine& line, std::string* out);

  const bool timestamps_;
  const std::optional<WallTime> since_;
  std::optional<int64_t> left_;
  std::string rest_;
  bool in_line_ = false;  // The last record given out was partial.
};

// Where the last `lines` lines of an open log file begin. Partial records count with their end.
int64_t tail_offset(int fd, int64_t lines);

// The text of the last lines of a log file, for termination messages. "" when there is none.
std::string log_tail(const std::string& path, int lines, size_t max_bytes);

}  // namespace orch::pods
