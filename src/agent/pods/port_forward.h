// port_forward: carries TCP connections into a pod over SPDY/3.1 streams, as kubectl port-forward
// speaks it: for each connection an error stream and a data stream, which belong together by their
// header requestID. The SPDY bytes travel in the messages of a WebSocket (kubectl 1.31 and later,
// KEP-4006) or on the bare connection (older ones).
//
// One thread, with poll(2): the connection's own. A pod that does not read holds up the connection,
// and a caller that does not read holds up the pod; there are no windows (see http/spdy.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "http/http.h"

namespace orch::pods {

inline constexpr const char* kPortForward = "portforward.k8s.io";
inline constexpr const char* kPortForwardTunnel = "SPDY/3.1+portforward.k8s.io";
inline constexpr const char* kSpdy = "SPDY/3.1";

// A non-blocking socket that connects, or is connected, to that port of the pod.
using DialPod = std::function<Result<UniqueFd>(uint16_t port)>;
// To 127.0.0.1 inside the network namespace at `netns_path`; "" is the node's own.
Result<UniqueFd> dial_in_netns(const std::string& netns_path, uint16_t port);

enum class Carriage { web_socket, bare };
// Blocks until the caller is gone.
void run_port_forward(std::unique_ptr<http::Duplex> duplex, Carriage carriage, const DialPod& dial);

}  // namespace orch::pods
