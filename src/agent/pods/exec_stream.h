// exec_stream: carries the streams of a process over a WebSocket, as kubectl exec and attach speak
// it: each message begins with its channel. Protocols v5.channel.k8s.io and v4.channel.k8s.io
// (KEP-4006). Blocks until both ends are done; on the connection's own thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/runtime/runtime.h"
#include "http/http.h"

namespace orch::pods {

inline constexpr const char* kChannelV5 = "v5.channel.k8s.io";
inline constexpr const char* kChannelV4 = "v4.channel.k8s.io";

enum Channel : uint8_t { kStdin = 0, kStdout = 1, kStderr = 2, kError = 3, kResize = 4 };
inline constexpr uint8_t kCloseChannel = 255;  // v5: the next byte is the channel that ended.

struct ExecStreams {
  bool in = false, out = true, err = true, tty = false;
  bool attach = false;  // Its end says nothing about an exit code.
};
void run_exec_stream(std::unique_ptr<http::Duplex> duplex, runtime::ExecSession session,
                     const ExecStreams& streams);
// Tells that there was no process to begin with.
void refuse_exec_stream(std::unique_ptr<http::Duplex> duplex, const Status& why);

// What channel 3 says at the end. Pure.
std::string render_exit_status(int exit_code);
std::string render_failure_status(const Status& why);

}  // namespace orch::pods
