// CriLog: a container's log file in the format that kubelet and every log collector read:
//   2026-01-02T03:04:05.123456789Z stdout F a whole line
//   2026-01-02T03:04:05.123456789Z stderr P the first 16 KiB of a longer one
// The shim's single thread is the only writer. When the file has grown past its limit it is renamed
// to <path>.<time> and a new one begun; the oldest are removed. A full disk loses lines, never
// stops the container. Follows: Kubernetes CRI logging format (kuberuntime/logs), kubelet
// containerLogMaxSize/-Files.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace orch::runtime {

enum class Stream { out = 0, err = 1 };

inline constexpr size_t kMaxLogLineBytes = 16u << 10;

// Pure: cuts `bytes`, continuing `rest`, into log lines stamped `stamp`; what has no end yet stays
// in `rest` (shorter than kMaxLogLineBytes).
std::string render_log_lines(std::string_view bytes, Stream stream, std::string_view stamp,
                             std::string* rest);

class CriLog {
 public:
  // `path` "" = drop everything. max_files counts the current one too.
  CriLog(std::string path, int64_t max_bytes, int max_files, const Clock& clock);

  Result<void> open();  // Makes its folder (0755) if missing; appends.
  void append(Stream stream, std::string_view bytes);
  // End of a stream: an unfinished line is written as a partial one.
  void finish(Stream stream);

 private:
  void write(std::string_view lines);
  void rotate();

  std::string path_;
  int64_t max_bytes_;
  int max_files_;
  const Clock& clock_;
  UniqueFd fd_;
  int64_t size_ = 0;
  std::array<std::string, 2> rest_;
};

}  // namespace orch::runtime
