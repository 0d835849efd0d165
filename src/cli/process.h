// What every long-running verb of orch needs of the process around it: names, secrets, readiness,
// and the wait for the signal that ends it.
#pragma once

#include <string>

#include "agent/pods/agent.h"
#include "base/fd.h"
#include "base/net_address.h"
#include "base/result.h"
#include "cli/options.h"

namespace orch::cli {

// Sets the log level, ignores SIGPIPE, and blocks SIGTERM and SIGINT in this and all threads to
// come, for wait_for_end(). First thing in a verb; 400 for an unknown level.
Result<void> prepare_process(const NodeOptions& options);

// Tells systemd that the process is ready (sd_notify(3)), when it was started so.
void notify_ready();

// Blocks until SIGTERM or SIGINT. From then on the process has kStopSeconds to end in good order;
// whatever hangs longer (a mount, runc, a disk) is left as a crash would leave it, which every room
// can take.
inline constexpr unsigned kStopSeconds = 3;
void wait_for_end();
// The same, or until `fd` is readable.
void wait_for_end_or(int fd);
// The same for a while; false when none came.
bool wait_for_end(int timeout_ms);

// The same, or until `fd` (-1: none) is readable; `timeout_ms` -1: for any time. The signal goes on
// waiting for the next of these.
bool wait_for_end(int fd, int timeout_ms);

// Readable once one of these signals has come, and until somebody waits for it.
UniqueFd ending_fd();

// The flag, or the host's name in lower case.
Result<std::string> node_name(const NodeOptions& options);
// The flag, or the address of the default route.
Result<Ipv4> node_ip(const NodeOptions& options);
inline constexpr size_t kMaxTokenBytes = 1024;
// --token, or the content of --token-file; "" when neither is given.
Result<std::string> given_token(const NodeOptions& options);
// "a=b" → {"a", "b"}.
Result<std::vector<std::pair<std::string, std::string>>> node_labels(const NodeOptions& options);
// "30000-32767"
struct PortRange {
  uint16_t first = 0, last = 0;
};
Result<PortRange> parse_port_range(const std::string& text);
// A network that must be one: the message names the flag.
Result<Cidr> cidr_flag(const char* flag, const std::string& text);

// Where images and layers lie; archives to import lie beside it, in agent/images.
std::string images_dir(const std::string& data_dir);
// The part of an agent's options that follows from the flags alone.
pods::AgentOptions agent_options(const NodeOptions& options);

// Says on stderr why it failed; gives the exit code.
int fail(const Status& status);

}  // namespace orch::cli
