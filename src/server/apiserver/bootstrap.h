// bootstrap: the objects that every cluster has before anybody asks: four namespaces, two priority
// classes, and the Service "kubernetes", behind which server_list.h puts the servers.
#pragma once

#include <cstdint>
#include <string>

#include "base/net_address.h"
#include "base/result.h"
#include "client/api.h"

namespace orch::apiserver {

struct ServerPlace {
  uint16_t port = 6443;
  Ipv4 service_address;  // The first of the service range.
};

// Makes what is missing; writes nothing else. Several servers may do it at the same time. Blocking.
Result<void> run_bootstrap(client::Api& api, const ServerPlace& place);

}  // namespace orch::apiserver
