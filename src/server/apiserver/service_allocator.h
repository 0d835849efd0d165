// service_allocator: which cluster addresses and node ports are taken. In memory only, fed with
// every change of a Service (indexes.h). An allocation is reserved while its Service is being
// written, so that this server doesn't choose the same twice; that two servers don't is the store's
// to see, by the Services' claims. Thread-safe.
//
// Dynamic addresses come from the upper band of the range first, so that those chosen by hand,
// which people take from below, seldom collide. Follows: KEP-3070, KEP-3668.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/clock.h"
#include "base/net_address.h"
#include "base/result.h"

namespace orch::apiserver {

struct ServiceRanges {
  Cidr addresses;  // At least a /30. The first host address is the API server's own Service.
  uint16_t first_port = 30000, last_port = 32767;
};

class ServiceAllocator {
 public:
  ServiceAllocator(ServiceRanges ranges, Random& random);

  // What was chosen for one write, until that is settled.
  class Reservation {
   public:
    explicit Reservation(ServiceAllocator& from) : from_(from) {}
    ~Reservation();

   private:
    friend class ServiceAllocator;
    ServiceAllocator& from_;
    std::vector<uint32_t> addresses_;
    std::vector<uint16_t> ports_;
  };

  // Completes spec.clusterIP(s), ipFamilies, ipFamilyPolicy and nodePorts. `old` is the Service
  // that stands there, null for a new one. 422 for what is taken or out of range.
  Result<std::unique_ptr<Reservation>> allocate(api::Value* service, const api::Value& old);

  // A Service changed: `before` or `after` are null for none. Frees what only `before` held.
  void settle(const api::Value& before, const api::Value& after);

 private:
  Result<void> take_address(api::Value* spec, const api::Value& old, Reservation* reservation,
                            std::vector<StatusCause>* causes);
  Result<void> take_ports(api::Value* spec, const api::Value& old, Reservation* reservation,
                          std::vector<StatusCause>* causes);
  Result<Ipv4> any_address();
  Result<uint16_t> any_port();
  bool is_free(Ipv4 address) const;
  bool is_free(uint16_t port) const;

  const ServiceRanges ranges_;
  Random& random_;
  std::mutex mutex_;
  std::set<uint32_t> addresses_, reserved_addresses_;  // Of Services; of writes under way.
  std::set<uint16_t> ports_, reserved_ports_;
};

// What no two Services may have, as the store's claims (PURE).
std::vector<std::string> service_claims(const api::Value& service);

// Before validation: an update that leaves out what was allocated keeps it (PURE).
void keep_allocations(api::Value* service, const api::Value& old);

}  // namespace orch::apiserver
