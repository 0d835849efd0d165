#include "agent/pods/kubelet_request.h"

#include "base/strings.h"

namespace orch::pods {

http::Response json_response(int code, const api::Value& value) {
  http::Response response;
  response.status = code;
  response.headers.set("Content-Type", "application/json");
  response.body = http::Body(api::to_json(value));
  return response;
}

http::Response status_response(const Status& status) {
  return json_response(status.code, api::Value::object({{"kind", "Status"},
                                                        {"apiVersion", "v1"},
                                                        {"metadata", api::Value::object()},
                                                        {"status", "Failure"},
                                                        {"message", status.message},
                                                        {"reason", status.reason},
                                                        {"code", status.code}}));
}

http::Response text_response(std::string text) {
  http::Response response;
  response.headers.set("Content-Type", "text/plain; charset=utf-8");
  response.body = http::Body(std::move(text));
  return response;
}

std::optional<ContainerPath> parse_container_path(const std::string& rest) {
  std::vector<std::string> parts;
  for (const auto part : split(rest, '/')) {
    const auto decoded = percent_decode(part);
    if (!decoded || decoded->empty()) return std::nullopt;
    parts.push_back(*decoded);
  }
  if (parts.size() == 3) return ContainerPath{parts[0], parts[1], "", parts[2]};
  if (parts.size() == 4) return ContainerPath{parts[0], parts[1], parts[2], parts[3]};
  return std::nullopt;
}

bool is_set(std::string_view flag) { return flag != "0" && to_lower(flag) != "false"; }

Result<SessionQuery> parse_session_query(const std::string& query, bool attach) {
  SessionQuery parsed;
  parsed.streams.out = parsed.streams.err = false;
  parsed.streams.attach = attach;
  for (const auto pair : split(query, '&')) {
    const size_t equals = pair.find('=');
    const auto name = pair.substr(0, equals);
    const auto value =
        percent_decode(equals == pair.npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!value) return bad_request("malformed query");
    const bool yes = is_set(*value);
    // The API server's names for a node, and those of the API itself.
    if (name == "command") parsed.command.push_back(*value);
    if (name == "input" || name == "stdin") parsed.streams.in = yes;
    if (name == "output" || name == "stdout") parsed.streams.out = yes;
    if (name == "error" || name == "stderr") parsed.streams.err = yes;
    if (name == "tty") parsed.streams.tty = yes;
  }
  auto& streams = parsed.streams;
  if (!streams.in && !streams.out && !streams.err) {
    return bad_request("you must specify at least 1 of stdin, stdout, stderr");
  }
  if (streams.tty) streams.err = false;
  if (!attach && parsed.command.empty()) return bad_request("you must specify a command");
  return parsed;
}

}  // namespace orch::pods
