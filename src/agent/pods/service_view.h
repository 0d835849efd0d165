// service_view: the cluster's Services, EndpointSlices, Pods and Nodes as the plain values that the
// packet filter, the DNS zone and the routes are made from. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/dns/zone.h"
#include "api/json.h"
#include "base/net_address.h"
#include "netfilter/rules.h"

namespace orch::pods {

// Endpoints that may get traffic: those that are ready, or, when none of a port is, those that
// still serve while they terminate (KEP-1669).
netfilter::ServiceTable service_table(const std::vector<api::Value>& services,
                                      const std::vector<api::Value>& slices,
                                      const std::string& node_name);

// Those of a pod that runs, or will, and has an address of its own.
std::vector<netfilter::HostPort> host_ports(const api::Value& pod);

dns::ZoneData zone_data(const std::vector<api::Value>& services,
                        const std::vector<api::Value>& slices, const std::string& domain);

// Other nodes' pod networks and the addresses to reach them by.
std::map<Cidr, Ipv4> pod_routes(const std::vector<api::Value>& nodes, const std::string& node_name);

}  // namespace orch::pods
