// Channel: the wire between agent and shim. One SOCK_SEQPACKET message = one Record plus up to
// kMaxMessageFds descriptors (SCM_RIGHTS). Message boundaries are the kernel's, so there is no
// framing to get wrong. Blocking unless the descriptor was made non-blocking. unix(7).
#pragma once

#include <string>
#include <vector>

#include "agent/runtime/record.h"
#include "base/fd.h"
#include "base/result.h"

namespace orch::runtime {

inline constexpr size_t kMaxMessageBytes = 160u << 10;  // Below the default socket buffer.
inline constexpr size_t kMaxMessageFds = 4;

struct Message {
  Record record;
  std::vector<UniqueFd> fds;
};

// 413 when too large; 503 when the peer is gone.
Result<void> send_message(int socket, const Record& record, const std::vector<int>& fds = {});
// 503 at the peer's end. One call takes one message.
Result<Message> receive_message(int socket);

// The one descriptor that comes with whatever bytes (runc's console socket).
Result<UniqueFd> receive_fd(int socket);

// A socket named `name` in `folder`; reached by the folder's descriptor, so that the path may be
// longer than sun_path's 108 bytes. A left-over socket is replaced.
Result<UniqueFd> listen_in(const std::string& folder, const std::string& name, int type);
Result<UniqueFd> connect_in(const std::string& folder, const std::string& name);

// A failure as a record and back: code, reason, message survive the wire.
Record success_record();  // Not empty: an empty message would look like the end.
Record failure_record(const Status& status);
Result<void> reply_status(const Record& reply);

}  // namespace orch::runtime
