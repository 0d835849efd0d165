// service_backends: which pods stand behind a service, and on which ports. What Endpoints and
// EndpointSlices have in common. Pure, but for ServiceSelectors, which both loops keep.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/json.h"
#include "api/selector.h"
#include "client/loop_runner.h"

namespace orch::controllers {

// One port of a service as one pod serves it.
struct BackendPort {
  std::string name, protocol, app_protocol;
  int64_t port = 0;
  auto operator<=>(const BackendPort&) const = default;
};

// One pod behind a service.
struct Backend {
  std::string ip, node, hostname;
  api::Value target;     // ObjectReference of the pod.
  bool ready = false;    // Takes new connections.
  bool serving = false;  // Its readiness alone.
  bool terminating = false;
  std::vector<BackendPort> ports;
};

// The pods of `pods` that have an address and have not ended, sorted by address. Terminating ones
// are among them.
std::vector<Backend> plan_backends(const api::Value& service, const std::vector<api::Value>& pods);

// True when the controllers fill the service's endpoints: it has a selector and is no alias.
bool has_managed_endpoints(const api::Value& service);
bool is_headless(const api::Value& service);
// The labels that a service's endpoints inherit.
api::Value inherited_labels(const api::Value& service);

// The selectors of all services, so that a changed pod names its services without a look-up.
// Used on the cache's thread only.
class ServiceSelectors {
 public:
  // A service changed: its own key.
  std::vector<client::ObjectKey> on_service(const client::ChangedObject& changed);
  // A pod changed: the services that select it now or did before. None when nothing that
  // backends are made of has changed.
  std::vector<client::ObjectKey> on_pod(const client::ChangedObject& changed) const;

 private:
  std::map<client::ObjectKey, api::LabelSelector> selectors_;
};

}  // namespace orch::controllers
