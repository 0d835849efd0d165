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
  std::vector<ZoneService> services;
};

class Zone {
 public:
  explicit Zone(ZoneData data);

  // The answer to `question` when its name is ours: below the domain, or the reverse name of an
  // address that we know. Otherwise `ours` is false and the caller forwards it. A sets come in
  // random order. CNAME targets outside are for the caller to chase.
  struct Answer {
    bool ours = false;
    Rcode rcode = Rcode::no_error;
    std::vector<Record> answers;
    std::vector<Record> additional;  // A records of SRV targets.
    std::vector<Record> authority;   // The SOA of negative answers.
  };
  Answer answer(const Question& question, Random& random) const;

  const std::string& domain() const { return data_.domain; }

 private:
  struct Owner {  // What a reverse name stands for.
    size_t service = 0;
    size_t endpoint = 0;
    bool is_endpoint = false;
  };

  Answer forward_answer(std::string_view below_domain, const Question& question,
                        Random& random) const;
  Answer service_answer(const ZoneService& service, const Question& question, Random& random) const;
  Answer endpoint_answer(const ZoneService& service, std::string_view hostname,
                         const Question& question) const;
  Answer srv_answer(const ZoneService& service, std::string_view port, std::string_view protocol,
                    const Question& question, Random& random) const;
  Answer pod_answer(std::string_view dashed, const Question& question) const;
  Answer reverse_answer(Ipv4 ip, const Question& question) const;
  Answer negative(Rcode rcode) const;
  const ZoneService* find(std::string_view ns, std::string_view name) const;
  std::string service_name(const ZoneService& service) const;

  ZoneData data_;
  std::unordered_map<std::string, size_t> by_name_;  // "namespace/name" → index in services.
  std::unordered_map<std::string, bool> namespaces_;
  std::unordered_map<Ipv4, Owner> by_ip_;
};

}  // namespace orch::dns
