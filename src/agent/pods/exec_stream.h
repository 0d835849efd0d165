// exec_stream: carries the streams of a process to and from a caller, as kubectl exec and attach
// speak it, on whichever wire it came (exec_wire.h). Blocks until both ends are done; on the
// connection's own thread.
//
// A process that does not read holds up the caller, and a caller who does not read holds up the
// process, each at a bound. A connection on which nothing moves for kStreamIdleMs is cut off.
#pragma once

#include <memory>
#include <string>

#include "agent/pods/exec_wire.h"
#include "agent/runtime/runtime.h"

namespace orch::pods {

inline constexpr int kStreamIdleMs = 4 * 60 * 60 * 1000;  // As kubelet's.
// How long a caller may take to open his streams; as kubelet's.
inline constexpr int kStreamCreationMs = 30'000;

struct ExecStreams {
  bool in = false, out = true, err = true, tty = false;
  bool attach = false;           // Its end says nothing about an exit code.
  bool status_documents = true;  // v4 and later: how it ended is told as a Status, before as text.
  int idle_ms = kStreamIdleMs;
};
void run_exec_stream(ExecWire& wire, runtime::ExecSession session, const ExecStreams& streams);
// Tells that there was no process to begin with.
void refuse_exec_stream(ExecWire& wire, const Status& why, const ExecStreams& streams);

// What the error channel says at the end. Pure.
std::string render_exit_status(int exit_code);
std::string render_failure_status(const Status& why);

}  // namespace orch::pods
