#include "agent/pods/kubelet_server.h"

#include <sys/eventfd.h>

#include <algorithm>

#include "agent/pods/exec_stream.h"
#include "agent/pods/log_stream.h"
#include "agent/pods/port_forward.h"
#include "base/log.h"
#include "base/strings.h"
#include "http/websocket.h"

namespace orch::pods {
namespace {

constexpr size_t kMaxUpgrades = 256;
constexpr int kStopGraceMs = 200;

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

// "ns/pod/container", or "ns/pod/uid/container" as older callers write it.
struct ContainerPath {
  std::string ns, pod, container;
};
std::optional<ContainerPath> parse_container_path(const std::string& rest) {
  std::vector<std::string> parts;
  for (const auto part : split(rest, '/')) {
    const auto decoded = percent_decode(part);
    if (!decoded || decoded->empty()) return std::nullopt;
    parts.push_back(*decoded);
  }
  if (parts.size() == 4) parts.erase(parts.begin() + 2);
  if (parts.size() != 3) return std::nullopt;
  return ContainerPath{parts[0], parts[1], parts[2]};
}

struct SessionQuery {
  std::vector<std::string> command;
  ExecStreams streams;
};
Result<SessionQuery> parse_session_query(const std::string& query, bool attach) {
  SessionQuery parsed;
  parsed.streams = {false, false, false, false, attach};
  for (const auto pair : split(query, '&')) {
    const size_t equals = pair.find('=');
    const auto name = pair.substr(0, equals);
    const auto value =
        percent_decode(equals == pair.npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!value) return bad_request("malformed query");
    const bool yes = *value == "1" || *value == "true";
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

// An eventfd that the I/O thread signals when the caller goes away.
class CloseSignal {
 public:
  CloseSignal() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  void signal() const { ::eventfd_write(fd_.get(), 1); }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

}  // namespace

bool may_call_node(const http::Peer& peer) {
  if (!peer.has_certificate) return false;
  const auto& groups = peer.organizations;
  if (std::find(groups.begin(), groups.end(), "system:masters") != groups.end()) return true;
  return peer.common_name == "kube-apiserver" ||
         peer.common_name == "kube-apiserver-kubelet-client";
}

Result<std::unique_ptr<KubeletServer>> KubeletServer::start(const KubeletServerOptions& options,
                                                            Pods& pods, Clock& clock) {
  std::unique_ptr<KubeletServer> server(new KubeletServer(pods, clock));
  http::ServerOptions http;
  http.bind_address = options.bind_address;
  http.port = options.port;
  http.tls = {options.certificate, options.private_key, options.client_ca};
  http.threads = 1;
  http.max_upgrades = kMaxUpgrades;
  server->server_ = ORCH_TRY(http::Server::start(
      http,
      [self = server.get()](std::shared_ptr<http::Exchange> exchange) { self->handle(exchange); }));
  return server;
}

void KubeletServer::stop() {
  if (server_) server_->stop(kStopGraceMs);
  logs_.stop();
}

void KubeletServer::handle(const std::shared_ptr<http::Exchange>& exchange) {
  const auto& request = exchange->request();
  if (!may_call_node(request.peer)) {
    return exchange->send(status_response(unauthorized()));
  }
  const size_t mark = request.target.find('?');
  const std::string path = request.target.substr(0, mark);
  const std::string query = mark == path.npos ? "" : request.target.substr(mark + 1);
  const auto below = [&](std::string_view prefix) { return path.substr(prefix.size()); };
  if (path == "/healthz") return exchange->send(text_response("ok"));
  if (path == "/pods") {
    auto items = api::Value::array();
    for (auto& pod : pods_.list()) items.push_back(std::move(pod));
    return exchange->send(json_response(200, api::Value::object({{"kind", "PodList"},
                                                                 {"apiVersion", "v1"},
                                                                 {"metadata", api::Value::object()},
                                                                 {"items", std::move(items)}})));
  }
  if (path.starts_with("/containerLogs/")) {
    return handle_logs(exchange, below("/containerLogs/"), query);
  }
  if (path.starts_with("/exec/")) return handle_session(exchange, below("/exec/"), query, false);
  if (path.starts_with("/attach/")) return handle_session(exchange, below("/attach/"), query, true);
  if (path.starts_with("/portForward/"))
    return handle_port_forward(exchange, below("/portForward/"));
  exchange->send(status_response(not_found("the node has no " + path)));
}

void KubeletServer::handle_logs(const std::shared_ptr<http::Exchange>& exchange,
                                const std::string& rest, const std::string& query) {
  const auto prepare = [&]() -> Result<LogStream> {
    const auto path = parse_container_path(rest);
    if (!path) return bad_request("malformed path");
    const auto worker = pods_.find(path->ns, path->pod);
    if (!worker) return not_found("pod \"" + path->pod + "\" not found");
    LogStream stream;
    stream.options = ORCH_TRY(parse_log_options(query, clock_.now()));
    const auto file = ORCH_TRY(worker->log_file(path->container, stream.options.previous));
    stream.path = file.path;
    auto& runtime = pods_.runtime();
    stream.still_running = [&runtime, id = file.container_id] {
      const auto state = runtime.container(id);
      return state.ok() && state->status != runtime::ContainerStatus::exited;
    };
    return stream;
  };
  auto stream = prepare();
  if (!stream.ok()) return exchange->send(status_response(stream.status()));
  const bool taken = logs_.run([exchange, stream = std::move(*stream)]() mutable {
    const auto closed = std::make_shared<CloseSignal>();
    http::Response head = text_response("");
    stream.closed_fd = closed->fd();
    stream.out =
        exchange->start_stream(std::move(head), kLogBacklogBytes, [closed] { closed->signal(); });
    run_log_stream(stream);
  });
  if (!taken) exchange->send(status_response(too_many_requests("too many log streams", 1)));
}

void KubeletServer::handle_session(const std::shared_ptr<http::Exchange>& exchange,
                                   const std::string& rest, const std::string& query, bool attach) {
  struct Prepared {
    std::string container_id, protocol;
    SessionQuery query;
  };
  const auto prepare = [&]() -> Result<Prepared> {
    Prepared prepared;
    const auto path = parse_container_path(rest);
    if (!path) return bad_request("malformed path");
    const auto worker = pods_.find(path->ns, path->pod);
    if (!worker) return not_found("pod \"" + path->pod + "\" not found");
    prepared.query = ORCH_TRY(parse_session_query(query, attach));
    prepared.container_id = ORCH_TRY(worker->running_container(path->container));
    if (!http::is_websocket_request(exchange->request())) {
      return bad_request("exec and attach need a WebSocket");
    }
    prepared.protocol = http::choose_protocol(exchange->request(), {kChannelV5, kChannelV4});
    if (prepared.protocol.empty()) return bad_request("no common channel protocol");
    if (attach) {
      const api::Value pod = worker->pod();  // What is found lies in it.
      const auto spec = find_container(pod, path->container);
      prepared.query.streams.tty = spec && (*spec->spec)["tty"].as_bool();
    }
    return prepared;
  };
  auto prepared = prepare();
  if (!prepared.ok()) return exchange->send(status_response(prepared.status()));
  auto head = http::websocket_response(exchange->request(), prepared->protocol);
  auto& runtime = pods_.runtime();
  exchange->upgrade(std::move(head), [&runtime, attach, prepared = std::move(*prepared)](
                                         std::unique_ptr<http::Duplex> duplex) {
    const ExecStreams& streams = prepared.query.streams;
    runtime::ExecRequest request{prepared.query.command, streams.tty, streams.in, streams.out,
                                 streams.err};
    auto session = attach ? runtime.attach(prepared.container_id)
                          : runtime.exec(prepared.container_id, request);
    if (!session.ok()) return refuse_exec_stream(std::move(duplex), session.status());
    if (!streams.in) session->in.reset();
    run_exec_stream(std::move(duplex), std::move(*session), streams);
  });
}

// "ns/pod", with kubectl's tunnel or with SPDY alone.
void KubeletServer::handle_port_forward(const std::shared_ptr<http::Exchange>& exchange,
                                        const std::string& rest) {
  struct Prepared {
    Carriage carriage = Carriage::web_socket;
    http::Response head;
    std::string netns_path;
  };
  const auto prepare = [&]() -> Result<Prepared> {
    // The path of a container, less the container.
    const auto path = parse_container_path(rest + "/-");
    if (!path) return bad_request("malformed path");
    const auto worker = pods_.find(path->ns, path->pod);
    if (!worker) return not_found("pod \"" + path->pod + "\" not found");
    Prepared prepared;
    prepared.netns_path = ORCH_TRY(pods_.runtime().netns_path(pod_uid(worker->pod())));
    const auto& request = exchange->request();
    if (http::is_websocket_request(request)) {
      if (http::choose_protocol(request, {kPortForwardTunnel}).empty()) {
        return bad_request("port-forward needs the WebSocket protocol " +
                           std::string(kPortForwardTunnel));
      }
      prepared.head = http::websocket_response(request, kPortForwardTunnel);
      return prepared;
    }
    if (to_lower(request.headers.get("Upgrade")) != to_lower(kSpdy)) {
      return bad_request("port-forward needs a WebSocket or SPDY/3.1");
    }
    prepared.carriage = Carriage::bare;
    prepared.head.status = 101;
    prepared.head.headers.set("Connection", "Upgrade");
    prepared.head.headers.set("Upgrade", kSpdy);
    prepared.head.headers.set("X-Stream-Protocol-Version", kPortForward);
    return prepared;
  };
  auto prepared = prepare();
  if (!prepared.ok()) return exchange->send(status_response(prepared.status()));
  exchange->upgrade(
      std::move(prepared->head), [netns = prepared->netns_path, carriage = prepared->carriage](
                                     std::unique_ptr<http::Duplex> duplex) {
        run_port_forward(std::move(duplex), carriage,
                         [&netns](uint16_t port) { return dial_in_netns(netns, port); });
      });
}

}  // namespace orch::pods
