// proxy_target: where a request to pods/proxy, services/proxy or nodes/proxy goes. PURE.
//
// Only to what the cluster itself has: a port of a pod, an endpoint of a service, a node. Nothing
// that a caller writes is ever taken as an address.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/json.h"
#include "base/result.h"

namespace orch::apiserver {

// "name", "name:port" or "scheme:name:port" in the place of an object's name.
struct ProxyName {
  std::string scheme = "http";  // Or "https".
  std::string name;
  std::string port;  // "" = none was said; of a service it may be a name.
};
// 400 for other forms.
Result<ProxyName> parse_proxy_name(std::string_view text);

// The port of a pod: the one that is wanted, else the first that it declares, else the scheme's.
Result<uint16_t> choose_pod_port(const api::Value& pod, const ProxyName& wanted);

struct ProxyEndpoint {
  std::string ip;
  uint16_t port = 0;
  std::string pod;  // Its name, in the service's namespace; "" = the endpoint is no pod.
};
// One of a service's ready endpoints; `turn` says which, so that callers go round. 503 when there
// is none, in the words of Kubernetes.
Result<ProxyEndpoint> choose_endpoint(const api::Value& service, const api::Value& endpoints,
                                      const ProxyName& wanted, uint64_t turn);

// Whether an address may be connected to for a caller: not the server itself, nor what only it can
// reach on its link (metadata services live there).
bool is_proxyable(std::string_view ip);

}  // namespace orch::apiserver
