// KubeletServer's exec, attach and port-forward. Each is made ready on the I/O thread, so that what
// can't be is refused in HTTP, and runs on its connection's own thread.
#include "agent/pods/exec_stream.h"
#include "agent/pods/kubelet_request.h"
#include "agent/pods/kubelet_server.h"
#include "agent/pods/port_forward.h"
#include "agent/pods/stream_protocol.h"
#include "base/log.h"
#include "http/carrier.h"

namespace orch::pods {
namespace {

using Wire = StreamProtocol::Wire;

// The channels that a caller of SPDY opens before anything begins.
std::set<Channel> expected_channels(const ExecStreams& streams, int version) {
  std::set<Channel> channels = {kError};
  if (streams.in) channels.insert(kStdin);
  if (streams.out) channels.insert(kStdout);
  if (streams.err) channels.insert(kStderr);
  if (streams.tty && version >= 3) channels.insert(kResize);
  return channels;
}

struct ExecCall {
  std::string container_id;
  StreamProtocol protocol;
  std::set<Channel> channels;
  SessionQuery query;

  void run(runtime::Runtime& runtime, std::unique_ptr<http::Duplex> duplex) const {
    const ExecStreams& streams = query.streams;
    std::unique_ptr<ExecWire> wire;
    if (protocol.wire == Wire::spdy) {
      auto opened = make_spdy_wire(std::move(duplex), channels, kStreamCreationMs);
      if (!opened.ok()) return log::info("exec", opened.status().message);
      wire = *std::move(opened);
    } else {
      const Channel first = streams.out ? kStdout : streams.err ? kStderr : kError;
      wire = make_websocket_wire(std::move(duplex), protocol.name, first);
    }
    runtime::ExecRequest request{query.command, streams.tty, streams.in, streams.out, streams.err};
    auto session =
        streams.attach ? runtime.attach(container_id) : runtime.exec(container_id, request);
    if (!session.ok()) return refuse_exec_stream(*wire, session.status(), streams);
    if (!streams.in) session->in.reset();
    run_exec_stream(*wire, std::move(*session), streams);
  }
};

struct ForwardCall {
  std::string netns_path;
  StreamProtocol protocol;
  std::vector<uint16_t> ports;  // That a WebSocket without a tunnel names.

  void run(std::unique_ptr<http::Duplex> duplex) const {
    std::unique_ptr<ForwardWire> wire;
    if (protocol.wire == Wire::spdy) {
      wire = make_spdy_forward(http::carry_bare(std::move(duplex)));
    } else if (protocol.name == kPortForwardTunnel) {
      wire = make_spdy_forward(http::carry_in_websocket(std::move(duplex)));
    } else {
      wire = make_websocket_forward(std::move(duplex), protocol.name, ports);
    }
    run_port_forward(*wire, [this](uint16_t port) { return dial_in_netns(netns_path, port); });
  }
};

}  // namespace

void KubeletServer::handle_session(const std::shared_ptr<http::Exchange>& exchange,
                                   const std::string& rest, const std::string& query, bool attach) {
  const auto prepare = [&]() -> Result<ExecCall> {
    ExecCall call;
    const auto path = parse_container_path(rest);
    if (!path) return bad_request("malformed path");
    const auto worker = ORCH_TRY(find_pod(path->ns, path->pod, path->uid));
    call.query = ORCH_TRY(parse_session_query(query, attach));
    call.container_id = ORCH_TRY(worker->running_container(path->container));
    call.protocol = ORCH_TRY(
        negotiate_stream(exchange->request(), exec_web_socket_protocols(), exec_spdy_protocols()));
    const int version = protocol_version(call.protocol.name);
    ExecStreams& streams = call.query.streams;
    call.channels = expected_channels(streams, version);
    streams.status_documents = version >= 4;
    if (attach) {
      const api::Value pod = worker->pod();  // What is found lies in it.
      const auto spec = find_container(pod, path->container);
      streams.tty = spec && (*spec->spec)["tty"].as_bool();
    }
    return call;
  };
  auto call = prepare();
  if (!call.ok()) return exchange->send(status_response(call.status()));
  http::Response head = call->protocol.head;
  auto& runtime = pods_.runtime();
  exchange->upgrade(std::move(head),
                    [&runtime, call = *std::move(call)](std::unique_ptr<http::Duplex> duplex) {
                      call.run(runtime, std::move(duplex));
                    });
}

void KubeletServer::handle_port_forward(const std::shared_ptr<http::Exchange>& exchange,
                                        const std::string& rest, const std::string& query) {
  const auto prepare = [&]() -> Result<ForwardCall> {
    ForwardCall call;
    // The path of a container, less the container.
    const auto path = parse_container_path(rest + "/-");
    if (!path) return bad_request("malformed path");
    const auto worker = ORCH_TRY(find_pod(path->ns, path->pod, path->uid));
    call.netns_path = ORCH_TRY(pods_.runtime().netns_path(pod_uid(worker->pod())));
    call.protocol = ORCH_TRY(
        negotiate_stream(exchange->request(), forward_web_socket_protocols(), {kPortForward}));
    const bool named =
        call.protocol.wire == Wire::web_socket && call.protocol.name != kPortForwardTunnel;
    if (named) call.ports = ORCH_TRY(parse_forward_ports(query));
    return call;
  };
  auto call = prepare();
  if (!call.ok()) return exchange->send(status_response(call.status()));
  http::Response head = call->protocol.head;
  exchange->upgrade(std::move(head),
                    [call = *std::move(call)](std::unique_ptr<http::Duplex> duplex) {
                      call.run(std::move(duplex));
                    });
}

}  // namespace orch::pods
