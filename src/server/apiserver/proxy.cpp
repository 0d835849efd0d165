// Streams' proxies: pods/proxy, services/proxy and nodes/proxy. As kube-apiserver's, with its words
// for what fails; what the far end says comes back as it is, but for its own addresses.
#include "api/resources.h"
#include "base/strings.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/proxy_rewrite.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/stream_target.h"
#include "server/apiserver/streams.h"

namespace orch::apiserver {
namespace {

constexpr int kConnectMs = 10'000;
constexpr int kAnswerMs = 5 * 60'000;  // A page may take its time (a profile, a long poll).

http::Response unreachable(const Status& why) {
  return status_response(service_unavailable("error trying to reach service: " + why.message));
}

// The way to the proxy itself: "/api/v1/namespaces/x/pods/y/proxy".
std::string proxy_prefix(const http::Request& request, const Target& target) {
  const std::string_view path =
      std::string_view(request.target).substr(0, request.target.find('?'));
  return std::string(path.substr(0, path.size() - target.proxy_path.size()));
}

bool is_html(const http::Response& head) {
  const std::string_view type = head.headers.get("Content-Type");
  return to_lower(trim(type.substr(0, type.find(';')))) == "text/html" &&
         !head.headers.has("Content-Encoding");
}

http::Forward::Rewrite edit_answer(http::Response* head, const ProxyOrigin& origin) {
  if (const std::string location(head->headers.get("Location")); !location.empty()) {
    head->headers.set("Location", rewrite_url(location, origin));
    return nullptr;
  }
  if (!is_html(*head)) return nullptr;
  return [origin](std::string_view page) { return rewrite_html(page, origin); };
}

void tell_origin(http::Request* onward, const http::Request& request, const std::string& prefix,
                 const Target& target) {
  onward->headers.set("X-Forwarded-Uri",
                      prefix + (target.proxy_path.empty() ? "/" : target.proxy_path));
  std::string callers(request.headers.get("X-Forwarded-For"));
  if (!callers.empty()) callers += ", ";
  const std::string& address = request.peer.address;
  onward->headers.set("X-Forwarded-For", callers + address.substr(0, address.rfind(':')));
}

// A server that is not an agent; it has no certificate that could be expected of it.
Result<http::ClientOptions> plain_server(const std::string& scheme, const std::string& ip,
                                         const std::string& port) {
  if (!is_proxyable(ip)) return bad_request("address not allowed");
  http::ClientOptions options;
  options.url = scheme + "://" + ip + ":" + port;
  options.insecure_skip_verify = true;
  return options;
}

}  // namespace

Result<void> Streams::serve_proxy(const ExchangePtr& exchange, const Target& target) {
  const http::Request& request = exchange->request();
  const std::string prefix = proxy_prefix(request, target);
  const bool upgrades = request.headers.has("Upgrade");
  Proxied proxied = ORCH_TRY(this->proxied(target));
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (reads && target.proxy_path.empty() && !upgrades) {
    // What the page calls "x" is only behind the slash.
    http::Response moved = text_response(301, "");
    moved.headers.set("Location",
                      prefix + "/" + (target.raw_query.empty() ? "" : "?" + target.raw_query));
    exchange->send(std::move(moved));
    return {};
  }
  http::Forward forward;
  forward.exchange = exchange;
  forward.request = http::onward_request(request, std::move(proxied.target));
  tell_origin(&forward.request, request, prefix, target);
  proxied.server.connect_timeout_ms = kConnectMs;
  proxied.server.response_timeout_ms = kAnswerMs;
  proxied.server.keep_alive = false;
  forward.server = std::move(proxied.server);
  forward.fail = unreachable;
  forward.edit = [origin =
                      ProxyOrigin{prefix, proxied.host, std::string(request.headers.get("Host"))}](
                     http::Response* head) { return edit_answer(head, origin); };
  if (!proxied_.run(std::move(forward))) {
    return service_unavailable("the server is shutting down or overloaded");
  }
  return {};
}

Result<Streams::Proxied> Streams::proxied(const Target& target) {
  const ProxyName name = ORCH_TRY(parse_proxy_name(target.name));
  std::string path = target.proxy_path.empty() ? "/" : target.proxy_path;
  if (!target.raw_query.empty()) path += "?" + target.raw_query;
  const std::string& kind = target.resource->kind;
  if (kind == "Node") return proxied_node(name, path);
  if (kind == "Service") return proxied_service(target, name, path);
  const api::Value pod = ORCH_TRY(object(api::resource::pods(), target.ns, name.name));
  return proxied_pod(pod, name.scheme, ORCH_TRY(choose_pod_port(pod, name)), path);
}

Result<Streams::Proxied> Streams::proxied_pod(const api::Value& pod, const std::string& scheme,
                                              uint16_t port, const std::string& path) const {
  const std::string& ip = pod.at("status.podIP").as_string();
  if (ip.empty()) return service_unavailable("the pod has no address yet");
  if (!is_proxyable(ip)) return bad_request("address not allowed");
  const std::string number = std::to_string(port);
  Proxied proxied;
  proxied.server = ORCH_TRY(agent_of(pod.at("spec.nodeName").as_string()));
  proxied.target = "/podProxy/" + percent_encode(pod.at("metadata.namespace").as_string()) + "/" +
                   percent_encode(pod.at("metadata.name").as_string()) + "/" +
                   percent_encode(pod.at("metadata.uid").as_string()) + "/" + scheme + "/" +
                   number + path;
  proxied.host = ip + ":" + number;
  return proxied;
}

Result<Streams::Proxied> Streams::proxied_service(const Target& target, const ProxyName& name,
                                                  const std::string& path) {
  const api::Value service = ORCH_TRY(object(api::resource::services(), target.ns, name.name));
  const auto endpoints = object(api::resource::endpoints(), target.ns, name.name);
  const ProxyEndpoint endpoint = ORCH_TRY(choose_endpoint(
      service, endpoints ? *endpoints : api::Value::object(), name, turn_.fetch_add(1)));
  if (!endpoint.pod.empty()) {
    const auto pod = object(api::resource::pods(), target.ns, endpoint.pod);
    if (pod && pod->at("status.podIP").as_string() == endpoint.ip) {
      return proxied_pod(*pod, name.scheme, endpoint.port, path);
    }
  }
  Proxied proxied;
  const std::string port = std::to_string(endpoint.port);
  proxied.server = ORCH_TRY(plain_server(name.scheme, endpoint.ip, port));
  proxied.target = path;
  proxied.host = endpoint.ip + ":" + port;
  return proxied;
}

Result<Streams::Proxied> Streams::proxied_node(const ProxyName& name,
                                               const std::string& path) const {
  const api::Value node = ORCH_TRY(object(api::resource::nodes(), "", name.name));
  const std::string url = ORCH_TRY(agent_url(node));
  const std::string host = url.substr(url.rfind('/') + 1);
  const size_t colon = host.rfind(':');
  Proxied proxied;
  proxied.target = path;
  proxied.host = host;
  if (name.port.empty() || name.port == host.substr(colon + 1)) {
    proxied.server = ORCH_TRY(agent_of(name.name));
    return proxied;
  }
  const uint16_t port = ORCH_TRY(choose_pod_port(api::Value::object(), name));
  proxied.host = host.substr(0, colon + 1) + std::to_string(port);
  proxied.server = ORCH_TRY(plain_server(name.scheme, host.substr(0, colon), std::to_string(port)));
  return proxied;
}

}  // namespace orch::apiserver
