// stream_protocol: which of the wires and protocols that Kubernetes' clients speak a request asks
// for: a WebSocket with a subprotocol, or SPDY/3.1 with X-Stream-Protocol-Version. PURE.
//
// The node is where all of them end: the API server carries bytes and need not know what they mean.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/http.h"

namespace orch::pods {

struct StreamProtocol {
  enum class Wire { web_socket, spdy };
  Wire wire = Wire::web_socket;
  std::string name;     // "v4.channel.k8s.io"; "" = a WebSocket that named none.
  http::Response head;  // The 101.
};

// The first that the caller names and we know. `web_socket` may hold "": one without a name.
// 400 when the request is no upgrade, 403 when nothing is common, in the words of Kubernetes.
Result<StreamProtocol> negotiate_stream(const http::Request& request,
                                        const std::vector<std::string>& web_socket,
                                        const std::vector<std::string>& spdy);

// What exec and attach speak, on either wire.
const std::vector<std::string>& exec_web_socket_protocols();
const std::vector<std::string>& exec_spdy_protocols();
// The 4 of "v4.channel.k8s.io"; names without a number are 1.
int protocol_version(std::string_view name);
// Whether messages are text in base64: "v4.base64.channel.k8s.io".
bool is_base64_protocol(std::string_view name);

}  // namespace orch::pods
