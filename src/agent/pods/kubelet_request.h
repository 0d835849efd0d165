// kubelet_request: what the requests to a node ask for, and the simple answers. PURE.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/pods/exec_stream.h"
#include "api/json.h"
#include "base/result.h"
#include "http/http.h"

namespace orch::pods {

http::Response json_response(int code, const api::Value& value);
http::Response status_response(const Status& status);
http::Response text_response(std::string text);

// "ns/pod/uid/container"; callers who don't care which pod of that name it is leave the uid away.
struct ContainerPath {
  std::string ns, pod, uid, container;  // uid "" = whichever pod has the name now.
};
// A flag of a query as the API reads it: only "false", in any case, and "0" are not set; clients
// write "True", too.
bool is_set(std::string_view flag);

std::optional<ContainerPath> parse_container_path(const std::string& rest);

// What exec and attach ask for, in the API's words or in those of a node's older callers.
struct SessionQuery {
  std::vector<std::string> command;
  ExecStreams streams;
};
Result<SessionQuery> parse_session_query(const std::string& query, bool attach);

// "ns/pod/uid/scheme/port/path..."; the path as it is encoded.
struct PodProxyPath {
  std::string ns, pod, uid, scheme;
  uint16_t port = 0;
  std::string path;
};
std::optional<PodProxyPath> parse_pod_proxy_path(std::string_view rest);

}  // namespace orch::pods
