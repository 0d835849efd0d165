#include "agent/pods/stream_protocol.h"

#include <algorithm>

#include "base/strings.h"
#include "http/websocket.h"

namespace orch::pods {
namespace {

constexpr const char* kSpdyUpgrade = "SPDY/3.1";
constexpr const char* kSpdyProtocol = "X-Stream-Protocol-Version";

bool contains(const std::vector<std::string>& all, std::string_view name) {
  return std::find(all.begin(), all.end(), name) != all.end();
}

bool names_token(std::string_view list, std::string_view token) {
  for (const std::string_view part : split(list, ',')) {
    if (to_lower(trim(part)) == to_lower(token)) return true;
  }
  return false;
}

Status nothing_common(const std::vector<std::string>& wanted,
                      const std::vector<std::string>& known) {
  return forbidden("unable to upgrade: unable to negotiate protocol: client supports [" +
                   join(wanted, " ") + "], server accepts [" + join(known, " ") + "]");
}

// What stands in the lists of all fields of that name.
std::vector<std::string> listed(const http::Request& request, std::string_view field) {
  std::vector<std::string> names;
  for (const std::string_view line : request.headers.all(field)) {
    for (const std::string_view part : split(line, ',')) {
      if (!trim(part).empty()) names.emplace_back(trim(part));
    }
  }
  return names;
}

}  // namespace

Result<StreamProtocol> negotiate_stream(const http::Request& request,
                                        const std::vector<std::string>& web_socket,
                                        const std::vector<std::string>& spdy) {
  StreamProtocol chosen;
  if (http::is_websocket_request(request)) {
    const auto wanted = listed(request, "Sec-WebSocket-Protocol");
    chosen.name = http::choose_protocol(request, web_socket);
    if (chosen.name.empty() && !(wanted.empty() && contains(web_socket, ""))) {
      return nothing_common(wanted, web_socket);
    }
    chosen.head = http::websocket_response(request, chosen.name);
    return chosen;
  }
  if (!names_token(request.headers.get("Connection"), "upgrade") ||
      !names_token(request.headers.get("Upgrade"), kSpdyUpgrade) || spdy.empty()) {
    return bad_request("unable to upgrade: missing upgrade headers in request");
  }
  const auto wanted = listed(request, kSpdyProtocol);
  if (wanted.empty()) {
    return bad_request(std::string("unable to upgrade: ") + kSpdyProtocol + " is required");
  }
  const auto common = std::find_if(wanted.begin(), wanted.end(),
                                   [&](const std::string& name) { return contains(spdy, name); });
  if (common == wanted.end()) return nothing_common(wanted, spdy);
  chosen.wire = StreamProtocol::Wire::spdy;
  chosen.name = *common;
  chosen.head.status = 101;
  chosen.head.headers.set("Connection", "Upgrade");
  chosen.head.headers.set("Upgrade", kSpdyUpgrade);
  chosen.head.headers.set(kSpdyProtocol, chosen.name);
  return chosen;
}

const std::vector<std::string>& exec_web_socket_protocols() {
  static const std::vector<std::string> kNames = {"v5.channel.k8s.io",        "v4.channel.k8s.io",
                                                  "v4.base64.channel.k8s.io", "channel.k8s.io",
                                                  "base64.channel.k8s.io",    ""};
  return kNames;
}

const std::vector<std::string>& exec_spdy_protocols() {
  static const std::vector<std::string> kNames = {"v4.channel.k8s.io", "v3.channel.k8s.io",
                                                  "v2.channel.k8s.io", "channel.k8s.io"};
  return kNames;
}

int protocol_version(std::string_view name) {
  const bool numbered = name.size() > 2 && name[0] == 'v' && name[2] == '.';
  return numbered && name[1] >= '1' && name[1] <= '9' ? name[1] - '0' : 1;
}

bool is_base64_protocol(std::string_view name) { return name.find("base64.") != name.npos; }

}  // namespace orch::pods
