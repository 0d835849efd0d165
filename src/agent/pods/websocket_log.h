// websocket_log: a log in the messages of a WebSocket, as browsers and Kubernetes' own tests read
// it: "binary.k8s.io" and "base64.binary.k8s.io". What the reader says is ignored.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/pods/log_stream.h"

namespace orch::pods {

const std::vector<std::string>& log_web_socket_protocols();
// Blocks until the log ends or the reader is gone; on the connection's own thread.
void run_websocket_log(std::unique_ptr<http::Duplex> duplex, std::string_view protocol,
                       LogStream stream);

}  // namespace orch::pods
