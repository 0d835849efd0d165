#include "agent/probes/run_probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

#include "base/fd.h"
#include "base/net_address.h"
#include "base/strings.h"
#include "http/client.h"

namespace orch::probes {
namespace {

constexpr size_t kMaxBodyBytes = 10 << 10;    // Of an answer; the rest is not looked at.
constexpr size_t kMaxMessageBytes = 1 << 10;  // Of a command's output in messages.
constexpr uint64_t kMaxPort = 65535;

Outcome failed(std::string message) { return {false, std::move(message)}; }

Outcome run_exec(const ProbeTarget& target, const api::Value& action, int64_t timeout_ms,
                 const Exec& exec) {
  std::vector<std::string> argv;
  for (const auto& word : action["command"].items()) argv.push_back(word.as_string());
  const auto result = exec(target.container_id, argv, timeout_ms);
  if (!result.ok()) return failed(result.status().message);
  if (result->timed_out) {
    return failed("command timed out: \"" + join(argv, " ") + "\" timed out after " +
                  std::to_string(timeout_ms / 1000) + "s");
  }
  if (result->exit_code == 0) return {true, ""};
  return failed(result->output.substr(0, kMaxMessageBytes));
}

Outcome run_http(const ProbeTarget& target, const api::Value& action, int64_t timeout_ms) {
  const uint16_t port = resolve_port(target.container, action["port"]);
  if (port == 0) return failed("couldn't find port: " + action["port"].as_string());
  const std::string host = action["host"].empty() ? target.host : action["host"].as_string();
  const std::string scheme = action["scheme"].as_string() == "HTTPS" ? "https" : "http";
  const std::string authority = host + ":" + std::to_string(port);
  http::Request request;
  request.target = action["path"].empty() ? "/" : action["path"].as_string();
  if (!request.target.starts_with('/')) request.target = "/" + request.target;
  request.headers.set("Host", authority);
  request.headers.set("User-Agent", "kube-probe/1.32");
  request.headers.set("Accept", "*/*");
  request.headers.set("Connection", "close");
  for (const auto& header : action["httpHeaders"].items()) {
    request.headers.set(header["name"].as_string(), header["value"].as_string());
  }
  http::ClientOptions options;
  options.url = scheme + "://" + authority;
  options.insecure_skip_verify = true;
  options.connect_timeout_ms = options.response_timeout_ms = static_cast<int>(timeout_ms);
  options.max_body_bytes = kMaxBodyBytes;
  options.keep_alive = false;
  options.cancel_fd = target.cancel_fd;
  const std::string what = "Get \"" + options.url + request.target + "\": ";
  auto client = http::Client::create(std::move(options));
  if (!client.ok()) return failed(what + client.status().message);
  // Only the head counts; a body of any size is left alone.
  const auto answer = (*client)->open(request);
  if (!answer.ok()) return failed(what + answer.status().message);
  const int status = (*answer)->head().status;
  if (status >= 200 && status < 400) return {true, ""};
  return failed("HTTP probe failed with statuscode: " + std::to_string(status));
}

Outcome run_tcp(const ProbeTarget& target, const api::Value& action, int64_t timeout_ms) {
  const uint16_t port = resolve_port(target.container, action["port"]);
  if (port == 0) return failed("couldn't find port: " + action["port"].as_string());
  const std::string host = action["host"].empty() ? target.host : action["host"].as_string();
  const std::string what = "dial tcp " + host + ":" + std::to_string(port) + ": ";
  const auto ip = parse_ipv4(host);
  if (!ip) return failed(what + "no IPv4 address");
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return failed(what + std::strerror(errno));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(ip->value);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    return {true, ""};
  }
  if (errno != EINPROGRESS) return failed(what + "connect: " + std::strerror(errno));
  pollfd waited[] = {{fd.get(), POLLOUT, 0}, {target.cancel_fd, POLLIN, 0}};
  if (::poll(waited, 2, static_cast<int>(timeout_ms)) <= 0) return failed(what + "i/o timeout");
  if (waited[0].revents == 0) return failed(what + "cancelled");
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) return {true, ""};
  return failed(what + "connect: " + to_lower(std::strerror(error)));
}

}  // namespace

uint16_t resolve_port(const api::Value& container, const api::Value& port) {
  const auto checked = [](int64_t number) {
    return number > 0 && number <= static_cast<int64_t>(kMaxPort) ? static_cast<uint16_t>(number)
                                                                  : uint16_t{0};
  };
  if (port.is_int()) return checked(port.as_int());
  for (const auto& known : container["ports"].items()) {
    if (!port.empty() && known["name"].as_string() == port.as_string()) {
      return checked(known["containerPort"].as_int());
    }
  }
  return checked(parse_int(port.as_string()).value_or(0));
}

Outcome run_probe(const ProbeTarget& target, const api::Value& handler, int64_t timeout_ms,
                  const Exec& exec) {
  if (const auto* action = handler.find("exec")) {
    return run_exec(target, *action, timeout_ms, exec);
  }
  if (const auto* action = handler.find("httpGet")) return run_http(target, *action, timeout_ms);
  if (const auto* action = handler.find("tcpSocket")) return run_tcp(target, *action, timeout_ms);
  if (handler.has("grpc")) return failed("gRPC probes are not supported by this node");
  return failed("the probe has no handler");
}

}  // namespace orch::probes
