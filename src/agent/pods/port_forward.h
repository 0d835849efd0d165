// port_forward: carries TCP connections into a pod, as kubectl port-forward asks for them, on
// whichever wire they came (forward_wire.h).
//
// One thread, with poll(2): the connection's own. A pod that does not read holds up the caller, and
// a caller that does not read holds up the pod, each at a bound. A connection on which nothing
// moves for `idle_ms` is cut off.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/pods/exec_stream.h"
#include "agent/pods/forward_wire.h"
#include "base/fd.h"
#include "base/result.h"

namespace orch::pods {

inline constexpr const char* kPortForward = "portforward.k8s.io";
inline constexpr const char* kPortForwardTunnel = "SPDY/3.1+portforward.k8s.io";
const std::vector<std::string>& forward_web_socket_protocols();

// A non-blocking socket that connects, or is connected, to that port of the pod.
using DialPod = std::function<Result<UniqueFd>(uint16_t port)>;
// To 127.0.0.1 inside the network namespace at `netns_path`; "" is the node's own.
Result<UniqueFd> dial_in_netns(const std::string& netns_path, uint16_t port);

// The ports that a WebSocket's query names: "ports=80&ports=81,82". 400 when it can't be read.
Result<std::vector<uint16_t>> parse_forward_ports(std::string_view query);

// Blocks until the caller is gone.
void run_port_forward(ForwardWire& wire, const DialPod& dial, int idle_ms = kStreamIdleMs);

}  // namespace orch::pods
