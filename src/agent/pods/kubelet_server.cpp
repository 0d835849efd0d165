#include "agent/pods/kubelet_server.h"

#include <sys/eventfd.h>

#include <algorithm>

#include "agent/pods/kubelet_request.h"
#include "agent/pods/log_stream.h"
#include "agent/pods/stream_protocol.h"
#include "agent/pods/websocket_log.h"
#include "base/log.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

constexpr size_t kMaxUpgrades = 256;
constexpr int kStopGraceMs = 200;

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
  std::unique_ptr<KubeletServer> server(new KubeletServer(options, pods, clock));
  http::ServerOptions http;
  http.bind_address = options.bind_address;
  http.port = options.port;
  http.tls = {options.certificate, options.private_key, options.client_ca};
  http.threads = 1;
  http.max_upgrades = kMaxUpgrades;
  http.streams_body = [](const http::Request& head) {
    return head.target.starts_with("/podProxy/");
  };
  server->server_ = ORCH_TRY(http::Server::start(
      http,
      [self = server.get()](std::shared_ptr<http::Exchange> exchange) { self->handle(exchange); }));
  return server;
}

void KubeletServer::stop() {
  if (server_) server_->stop(kStopGraceMs);
  logs_.stop();
  proxied_.stop();
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
  if (handle_page(exchange, path)) return;
  if (path.starts_with("/containerLogs/")) {
    return handle_logs(exchange, below("/containerLogs/"), query);
  }
  if (path.starts_with("/podProxy/")) return handle_pod_proxy(exchange, below("/podProxy/"), query);
  if (path.starts_with("/exec/")) return handle_session(exchange, below("/exec/"), query, false);
  if (path.starts_with("/attach/")) return handle_session(exchange, below("/attach/"), query, true);
  if (path.starts_with("/portForward/"))
    return handle_port_forward(exchange, below("/portForward/"), query);
  exchange->send(status_response(not_found("the node has no " + path)));
}

// A pod made anew under the same name is not the one that the caller was allowed to enter.
Result<std::shared_ptr<PodWorker>> KubeletServer::find_pod(const std::string& ns,
                                                           const std::string& name,
                                                           const std::string& uid) const {
  auto worker = pods_.find(ns, name);
  const bool same = worker && (uid.empty() || uid == pod_uid(worker->pod()));
  if (!same) return not_found("pod \"" + name + "\" not found");
  return worker;
}

void KubeletServer::handle_logs(const std::shared_ptr<http::Exchange>& exchange,
                                const std::string& rest, const std::string& query) {
  const auto prepare = [&]() -> Result<LogStream> {
    const auto path = parse_container_path(rest);
    if (!path) return bad_request("malformed path");
    const auto worker = ORCH_TRY(find_pod(path->ns, path->pod, path->uid));
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
  if (exchange->request().headers.has("Upgrade")) {
    auto protocol = negotiate_stream(exchange->request(), log_web_socket_protocols(), {});
    if (!protocol.ok()) return exchange->send(status_response(protocol.status()));
    http::Response head = protocol->head;
    return exchange->upgrade(std::move(head), [name = protocol->name, log = *std::move(stream)](
                                                  std::unique_ptr<http::Duplex> duplex) {
      run_websocket_log(std::move(duplex), name, log);
    });
  }
  const bool taken = logs_.run([exchange, stream = std::move(*stream)]() mutable {
    const auto reader = LogReader::begin(*exchange);
    stream.closed_fd = reader->closed_fd();
    stream.out = reader->out();
    run_log_stream(stream);
  });
  if (!taken) exchange->send(status_response(too_many_requests("too many log streams", 1)));
}

}  // namespace orch::pods
