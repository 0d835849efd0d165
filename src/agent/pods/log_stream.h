// log_stream: one `kubectl logs`, from the file to the caller. Blocks until the log ends, the
// caller goes, or (with follow) the container ends; on a thread of its own. A log that can't be
// read to its end is broken off, so that it does not look whole.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/pods/container_log.h"
#include "base/fd.h"
#include "http/http.h"

namespace orch::pods {

struct LogStream {
  std::string path;
  LogOptions options;
  std::function<bool()> still_running;  // Whether the container may write more.
  std::shared_ptr<http::Stream> out;
  int closed_fd = -1;  // Becomes readable when the caller is gone, or when he says something:
  std::function<bool()> gone = [] { return true; };  // which of the two.
};
void run_log_stream(const LogStream& stream);

// How much may wait in a stream before its reader counts as gone.
inline constexpr size_t kLogBacklogBytes = 4 << 20;

}  // namespace orch::pods
