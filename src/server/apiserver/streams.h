// streams: what goes on behind the API server: pods/log, exec, attach, portforward, and the proxies
// of pods, services and nodes. All but one way leads through the agent of a node: the API server
// looks up which, dials it with its own client certificate, expects the certificate of that very
// node, and moves bytes; what they mean (CRI log lines, WebSocket channels, SPDY) is between the
// caller and the agent. A pod is named with its uid, so that no other of its name is entered.
//
// The one way is a service's endpoint that is no pod: that is connected to from here.
// Threads: see http/forwarder.h.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "api/json.h"
#include "base/result.h"
#include "http/client.h"
#include "http/forwarder.h"
#include "server/apiserver/proxy_target.h"
#include "server/apiserver/route.h"
#include "store/store.h"

namespace orch::apiserver {

inline constexpr size_t kMaxLogStreams = 64;
inline constexpr size_t kMaxDials = 8;  // Upgrades that wait for an agent's answer.
inline constexpr size_t kMaxProxied = 64;

class Streams {
 public:
  // How the server proves to agents who it is.
  struct Credentials {
    std::string ca, certificate, private_key;
  };
  Streams(const store::Store& store, Credentials credentials)
      : store_(store), credentials_(std::move(credentials)) {}
  ~Streams() { stop(); }

  // Answers the exchange, later. A Status means that it was not answered yet.
  Result<void> serve(const std::shared_ptr<http::Exchange>& exchange, const Target& target);
  // Ends the logs under way and waits for them.
  void stop();

 private:
  using ExchangePtr = std::shared_ptr<http::Exchange>;
  // Where a proxied request goes, and as what.
  struct Proxied {
    http::ClientOptions server;
    std::string target;
    std::string host;  // As the far end would call itself.
  };

  // For the agent of that node.
  Result<http::ClientOptions> agent_of(const std::string& node) const;
  Result<api::Value> object(const api::Resource& resource, const std::string& ns,
                            const std::string& name) const;
  Result<void> serve_proxy(const ExchangePtr& exchange, const Target& target);
  Result<Proxied> proxied(const Target& target);
  Result<Proxied> proxied_pod(const api::Value& pod, const std::string& scheme, uint16_t port,
                              const std::string& path) const;
  Result<Proxied> proxied_service(const Target& target, const ProxyName& name,
                                  const std::string& path);
  Result<Proxied> proxied_node(const ProxyName& name, const std::string& path) const;

  const store::Store& store_;
  const Credentials credentials_;
  std::atomic<uint64_t> turn_{0};  // Among a service's endpoints.
  http::Forwarder logs_{kMaxLogStreams};
  http::Forwarder dials_{kMaxDials};
  http::Forwarder proxied_{kMaxProxied};
};

}  // namespace orch::apiserver
