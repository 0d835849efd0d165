// bootstrap: the objects that every cluster has before anybody asks: four namespaces, and the
// Service "kubernetes" with the endpoints under which pods reach this server.
#pragma once

#include <cstdint>
#include <string>

#include "base/net_address.h"
#include "base/result.h"
#include "client/api.h"

namespace orch::apiserver {

struct ServerPlace {
  Ipv4 address;  // As nodes and pods reach the server.
  uint16_t port = 6443;
  Ipv4 service_address;  // The first of the service range.
};

// Makes what is missing and corrects what has moved; writes nothing else. Blocking.
Result<void> run_bootstrap(client::Api& api, const ServerPlace& place);

}  // namespace orch::apiserver
