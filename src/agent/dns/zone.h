// Zone: the cluster's own names, as an immutable snapshot that the DNS server answers from.
//
// Follows "Kubernetes DNS-Based Service Discovery" 1.1.0: A and SRV of services, A sets of headless
// services, endpoint host names, reverse names, ExternalName as CNAME, pod names by address, and
// the version record. IPv4 only: AAAA of a name that exists is an empty answer, not an error.
// Pure: build it on any thread, share it as shared_ptr<const Zone>, read it from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/dns/wire.h"
#include "base/clock.h"
#include "base/net_address.h"

namespace orch::dns {

struct ServicePort {
  std::string name;      // "" for the only, unnamed port (it has no SRV name then).
  std::string protocol;  // "tcp", "udp", "sctp", lower case.
  uint16_t number = 0;   // The service's port, or of a headless endpoint the target port.
};

// A backend of a headless service.
struct ZoneEndpoint {
  std::string hostname;  // "" → its address with dashes ("10-42-0-7").
  Ipv4 ip;
  std::vector<ServicePort> ports;
  bool ready = true;  // Others are left out unless the service publishes not-ready addresses.
};

struct ZoneService {
  std::string name;
  std::string ns;
  Ipv4 cluster_ip;            // Not set: headless, answered from `endpoints`.
  std::string external_name;  // ExternalName services: the CNAME target; the rest is unused.
  std::vector<ServicePort> ports;
  std::vector<ZoneEndpoint> endpoints;  // Headless services only.
  bool publish_not_ready = false;
};

struct ZoneData {
  std::string domain = "cluster.local";
  uint32_t serial = 1;  // Of the SOA: the number of this snapshot.
  std::vector<ZoneService> services;
};

inline constexpr uint32_t kZoneTtl_s = 5;  // Endpoints come and go; clients should ask again soon.

// Immutable; points into itself, so it is neither copied nor moved.
class Zone {
 public:
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  // Services whose names can't be put on the wire are left out.
  explicit Zone(ZoneData data);

  struct Answer {
    bool ours = false;  // Otherwise the name is somebody else's: forward it.
    Rcode rcode = Rcode::no_error;
    std::vector<Record> answers = {};
    std::vector<Record> additional = {};  // A records of SRV targets.
    std::vector<Record> authority = {};   // The SOA of negative answers.
  };
  // The answer to `question` when its name is ours: below the domain, or the reverse name of an
  // address that we know. Address sets begin at a random place. A CNAME is not followed.
  Answer answer(const Question& question, Random& random) const;

  const std::string& domain() const { return data_.domain; }

 private:
  // What a reverse name stands for: a service, or the endpoint of a headless one.
  struct Owner {
    const ZoneService* service = nullptr;
    const ZoneEndpoint* endpoint = nullptr;
  };
  // One question on its way through the names.
  struct Asked {
    const Question& question;
    Random& random;
  };

  Answer below_domain(std::string_view name, const Asked& asked) const;
  Answer service_answer(const ZoneService& service, const Asked& asked) const;
  Answer endpoint_answer(const ZoneService& service, std::string_view host,
                         const Asked& asked) const;
  Answer srv_answer(const ZoneService& service, std::string_view port, std::string_view protocol,
                    const Asked& asked) const;
  Answer reverse_answer(const Owner& owner, const Asked& asked) const;
  Answer addresses(std::vector<Ipv4> ips, const Asked& asked) const;
  Answer positive(const Asked& asked, Type type, Data data) const;
  Answer negative(Rcode rcode) const;
  const ZoneService* find(std::string_view name, std::string_view ns) const;
  std::string name_of(const ZoneService& service) const;
  std::string name_of(const ZoneService& service, const ZoneEndpoint& endpoint) const;

  ZoneData data_;
  std::unordered_map<std::string, const ZoneService*> by_name_;  // "name.namespace"
  std::unordered_set<std::string> namespaces_;
  std::unordered_map<Ipv4, Owner> by_ip_;
};

}  // namespace orch::dns
