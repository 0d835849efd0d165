// log_stream: one `kubectl logs`, from the file to the caller. Blocks until the log ends, the
// caller goes, or (with follow) the container ends; on a thread of its own. A log that can't be
// read to its end is broken off, so that it does not look whole.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "agent/pods/container_log.h"
#include "base/fd.h"
#include "http/http.h"

namespace orch::pods {

// How much may wait in a stream before its reader counts as gone.
inline constexpr size_t kLogBacklogBytes = 4 << 20;

// One who reads a log. The I/O thread ends it when he goes away, or when the node's endpoint stops:
// he must not take what he has for the whole log then.
class LogReader {
 public:
  // Answers the exchange with a stream of text.
  static std::shared_ptr<LogReader> begin(http::Exchange& exchange);

  const std::shared_ptr<http::Stream>& out() const { return stream_; }
  int closed_fd() const { return closed_.get(); }  // Readable once it has ended.

 private:
  LogReader();
  void end();

  const UniqueFd closed_;
  std::mutex mutex_;
  std::shared_ptr<http::Stream> stream_;
  bool ended_ = false;
};

struct LogStream {
  std::string path;
  LogOptions options;
  std::function<bool()> still_running;  // Whether the container may write more.
  std::shared_ptr<http::Stream> out;
  int closed_fd = -1;  // Becomes readable when the caller is gone, or when he says something:
  std::function<bool()> gone = [] { return true; };  // which of the two.
};
void run_log_stream(const LogStream& stream);

// The file's first `size` bytes, as many as it had when it was opened: it may grow meanwhile.
// Blocks until they are sent or the caller goes.
void send_log_file(http::Exchange& exchange, int fd, int64_t size);

}  // namespace orch::pods
