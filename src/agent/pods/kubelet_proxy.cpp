// KubeletServer's way into a pod for pods/proxy and services/proxy: the API server may have no
// route to the pods of another node, and the node knows best what address its pod has. Only
// addresses of this node's own pods are ever connected to.
#include "agent/pods/kubelet_request.h"
#include "agent/pods/kubelet_server.h"
#include "base/net_address.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

constexpr int kConnectMs = 10'000;
constexpr int kAnswerMs = 5 * 60'000;  // As the API server's patience.

http::Response unreachable(const Status& why) {
  return status_response(service_unavailable("error trying to reach service: " + why.message));
}

}  // namespace

std::optional<PodProxyPath> parse_pod_proxy_path(std::string_view rest) {
  std::string parts[5];
  for (std::string& part : parts) {
    const size_t slash = rest.find('/');
    if (slash == rest.npos) return std::nullopt;
    const auto decoded = percent_decode(rest.substr(0, slash));
    if (!decoded || decoded->empty()) return std::nullopt;
    part = *decoded;
    rest.remove_prefix(slash + 1);
  }
  const auto port = parse_int(parts[4]);
  const bool known = parts[3] == "http" || parts[3] == "https";
  if (!known || !port || *port <= 0 || *port > UINT16_MAX) return std::nullopt;
  return PodProxyPath{parts[0],
                      parts[1],
                      parts[2],
                      parts[3],
                      static_cast<uint16_t>(*port),
                      "/" + std::string(rest)};
}

void KubeletServer::handle_pod_proxy(const std::shared_ptr<http::Exchange>& exchange,
                                     const std::string& rest, const std::string& query) {
  const auto prepare = [&]() -> Result<http::Forward> {
    const auto path = parse_pod_proxy_path(rest);
    if (!path) return bad_request("malformed path");
    const auto worker = ORCH_TRY(find_pod(path->ns, path->pod, path->uid));
    const std::string ip = worker->pod().at("status.podIP").as_string();
    const auto address = parse_ipv4(ip);
    if (!address || !address->is_set() || address->is_loopback()) {
      return service_unavailable("the pod has no address");
    }
    http::Forward forward;
    http::ClientOptions& options = forward.server;
    options.url = path->scheme + "://" + ip + ":" + std::to_string(path->port);
    options.insecure_skip_verify = true;  // Kubernetes expects no certificate of a pod.
    options.connect_timeout_ms = kConnectMs;
    options.response_timeout_ms = kAnswerMs;
    options.keep_alive = false;
    forward.exchange = exchange;
    forward.request = http::onward_request(exchange->request(),
                                           query.empty() ? path->path : path->path + "?" + query);
    forward.fail = unreachable;
    return forward;
  };
  auto forward = prepare();
  if (!forward.ok()) return exchange->send(status_response(forward.status()));
  if (!proxied_.run(*std::move(forward))) {
    exchange->send(status_response(too_many_requests("too many proxied requests", 1)));
  }
}

}  // namespace orch::pods
