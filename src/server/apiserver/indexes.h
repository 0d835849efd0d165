// Indexes: what the API server keeps in memory beside the store, because a request has no time to
// work it out: who may do what, which node has business with which object, which addresses are
// taken. All of it is fed from one place, the changes that the store applies, so it is right on
// every server, whichever of them a write went through, and before anybody hears of the write.
#pragma once

#include <span>

#include "server/apiserver/node_graph.h"
#include "server/apiserver/service_allocator.h"
#include "server/rbac/policy.h"
#include "store/store.h"

namespace orch::apiserver {

struct Indexes {
  Indexes(ServiceRanges ranges, Random& random) : services(ranges, random) {}

  // store::Options::follow: on the store's writer thread.
  void follow(std::span<const store::Event> events);

  rbac::Policy policy;
  NodeGraph nodes;
  ServiceAllocator services;
};

}  // namespace orch::apiserver
