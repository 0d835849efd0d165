#include "server/apiserver/service_allocator.h"

#include <algorithm>

namespace orch::apiserver {
namespace {

constexpr std::string_view kTaken = "provided port is already allocated";

bool has_ports(const api::Value& spec) {
  const std::string& type = spec["type"].as_string();
  if (type == "LoadBalancer") return spec["allocateLoadBalancerNodePorts"].as_bool(true);
  return type == "NodePort";
}

bool is_headless(const api::Value& spec) { return spec["clusterIP"].as_string() == "None"; }

bool is_external(const api::Value& spec) { return spec["type"].as_string() == "ExternalName"; }

std::set<uint32_t> addresses_of(const api::Value& service) {
  std::set<uint32_t> all;
  if (const auto ip = parse_ipv4(service.at("spec.clusterIP").as_string())) all.insert(ip->value);
  return all;
}

std::set<uint16_t> ports_of(const api::Value& service) {
  std::set<uint16_t> all;
  for (const api::Value& port : service.at("spec.ports").items()) {
    if (const int64_t n = port["nodePort"].as_int()) all.insert(static_cast<uint16_t>(n));
  }
  return all;
}

// How much of a range is left to those who choose by hand.
uint32_t static_band(uint32_t size, uint32_t share, uint32_t most) {
  return std::min(std::max(16u, size / share), most);
}

StatusCause bad_address(std::string_view ip, const std::string& why) {
  return {"FieldValueInvalid",
          "Invalid value: []string{\"" + std::string(ip) + "\"}: failed to allocate IP " +
              std::string(ip) + ": " + why,
          "spec.clusterIPs"};
}

StatusCause bad_port(size_t index, int64_t port, std::string_view why) {
  return {"FieldValueInvalid", "Invalid value: " + std::to_string(port) + ": " + std::string(why),
          "spec.ports[" + std::to_string(index) + "].nodePort"};
}

// Fields that only some types have leave with the type that brought them, unless set anew.
void drop_with_type(api::Value* spec, const api::Value& old_spec) {
  const std::string type = (*spec)["type"].as_string();
  const bool balancer = type == "LoadBalancer";
  const bool outside = balancer || type == "NodePort";
  const auto drop = [&](const char* field) {
    if (std::as_const(*spec)[field] == old_spec[field]) spec->remove(field);
  };
  if (!outside) drop("externalTrafficPolicy");
  if (balancer) return;
  drop("healthCheckNodePort");
  drop("allocateLoadBalancerNodePorts");
  drop("loadBalancerClass");
}

// IPv4 and one family, which is all that this cluster has.
void fill_families(api::Value* spec) {
  const std::string ip = (*spec)["clusterIP"].as_string();
  if ((*spec)["clusterIPs"].empty()) spec->set("clusterIPs", api::Value::array({ip}));
  if ((*spec)["ipFamilies"].empty()) spec->set("ipFamilies", api::Value::array({"IPv4"}));
  if ((*spec)["ipFamilyPolicy"].empty()) spec->set("ipFamilyPolicy", "SingleStack");
}

}  // namespace

ServiceAllocator::ServiceAllocator(ServiceRanges ranges, Random& random)
    : ranges_(ranges), random_(random) {}

ServiceAllocator::Reservation::~Reservation() {
  const std::lock_guard lock(from_.mutex_);
  for (const uint32_t address : addresses_) from_.reserved_addresses_.erase(address);
  for (const uint16_t port : ports_) from_.reserved_ports_.erase(port);
}

bool ServiceAllocator::is_free(Ipv4 address) const {
  return !addresses_.contains(address.value) && !reserved_addresses_.contains(address.value);
}

bool ServiceAllocator::is_free(uint16_t port) const {
  return !ports_.contains(port) && !reserved_ports_.contains(port);
}

Result<std::unique_ptr<ServiceAllocator::Reservation>> ServiceAllocator::allocate(
    api::Value* service, const api::Value& old) {
  auto reservation = std::make_unique<Reservation>(*this);
  api::Value& spec = (*service)["spec"];
  if (is_external(spec)) return reservation;

  std::vector<StatusCause> causes;
  Result<void> taken;
  {
    const std::lock_guard lock(mutex_);
    taken = take_address(&spec, old, reservation.get(), &causes);
    if (taken && has_ports(spec)) taken = take_ports(&spec, old, reservation.get(), &causes);
  }
  ORCH_TRY(std::move(taken));
  if (!causes.empty()) {
    return invalid("", "Service", service->at("metadata.name").as_string(), std::move(causes));
  }
  fill_families(&spec);
  return reservation;
}

Result<void> ServiceAllocator::take_address(api::Value* spec, const api::Value& old,
                                            Reservation* reservation,
                                            std::vector<StatusCause>* causes) {
  if (is_headless(*spec)) return {};
  const std::string text = (*spec)["clusterIP"].as_string();
  Ipv4 ip;
  if (text.empty()) {
    ip = ORCH_TRY(any_address());
    spec->set("clusterIP", ip.text());
    spec->remove("clusterIPs");
  } else {
    const auto parsed = parse_ipv4(text);
    const Cidr& range = ranges_.addresses;
    if (!parsed || !range.contains(*parsed) || *parsed == range.base || *parsed == range.last()) {
      causes->push_back(bad_address(text, "the provided IP (" + text +
                                              ") is not in the valid range. The range of valid "
                                              "IPs is " +
                                              range.text()));
      return {};
    }
    ip = *parsed;
    if (addresses_of(old).contains(ip.value)) return {};
    if (!is_free(ip)) {
      causes->push_back(bad_address(text, "provided IP is already allocated"));
      return {};
    }
  }
  reserved_addresses_.insert(ip.value);
  reservation->addresses_.push_back(ip.value);
  return {};
}

// One number may serve several protocols of the same Service, and only of the same.
Result<void> ServiceAllocator::take_ports(api::Value* spec, const api::Value& old,
                                          Reservation* reservation,
                                          std::vector<StatusCause>* causes) {
  api::Value* ports = spec->find("ports");
  if (!ports || !ports->is_array()) return {};
  std::set<uint16_t> mine = ports_of(old);
  size_t index = 0;
  for (api::Value& port : ports->array_items()) {
    int64_t wanted = port["nodePort"].as_int();
    if (wanted == 0) {
      wanted = ORCH_TRY(any_port());
      port.set("nodePort", wanted);
    } else if (mine.contains(static_cast<uint16_t>(wanted))) {
      ++index;
      continue;
    } else if (wanted < ranges_.first_port || wanted > ranges_.last_port) {
      causes->push_back(bad_port(
          index, wanted,
          "provided port is not in the valid range. The range of valid ports is " +
              std::to_string(ranges_.first_port) + "-" + std::to_string(ranges_.last_port)));
      return {};
    } else if (!is_free(static_cast<uint16_t>(wanted))) {
      causes->push_back(bad_port(index, wanted, kTaken));
      return {};
    }
    const auto number = static_cast<uint16_t>(wanted);
    reserved_ports_.insert(number);
    mine.insert(number);
    reservation->ports_.push_back(number);
    ++index;
  }
  return {};
}

Result<Ipv4> ServiceAllocator::any_address() {
  const Cidr& range = ranges_.addresses;
  const auto hosts = static_cast<uint32_t>(range.size() - 2);
  const uint32_t band = std::min(static_band(hosts, 16, 256), hosts);
  const auto search = [&](uint32_t first, uint32_t count) -> Ipv4 {
    if (count == 0) return {};
    const auto start = static_cast<uint32_t>(random_.below(count));
    for (uint32_t i = 0; i < count; ++i) {
      const Ipv4 ip = range.at(1 + first + (start + i) % count);
      if (is_free(ip)) return ip;
    }
    return {};
  };
  Ipv4 ip = search(band, hosts - band);
  if (!ip.is_set()) ip = search(0, band);
  if (!ip.is_set()) return internal_error("failed to allocate a serviceIP: range is full");
  return ip;
}

Result<uint16_t> ServiceAllocator::any_port() {
  const uint32_t size = ranges_.last_port - ranges_.first_port + 1u;
  const uint32_t band = size < 2 * 16 ? 0 : static_band(size, 32, 128);
  for (const bool upper : {true, false}) {
    const uint32_t first = upper ? band : 0, count = upper ? size - band : band;
    if (count == 0) continue;
    const auto start = static_cast<uint32_t>(random_.below(count));
    for (uint32_t i = 0; i < count; ++i) {
      const auto port = static_cast<uint16_t>(ranges_.first_port + first + (start + i) % count);
      if (is_free(port)) return port;
    }
  }
  return internal_error("failed to allocate a nodePort: range is full");
}

void ServiceAllocator::settle(const api::Value& before, const api::Value& after) {
  const auto new_addresses = addresses_of(after);
  const auto new_ports = ports_of(after);
  const std::lock_guard lock(mutex_);
  for (const uint32_t address : addresses_of(before)) {
    if (!new_addresses.contains(address)) addresses_.erase(address);
  }
  for (const uint16_t port : ports_of(before)) {
    if (!new_ports.contains(port)) ports_.erase(port);
  }
  addresses_.insert(new_addresses.begin(), new_addresses.end());
  ports_.insert(new_ports.begin(), new_ports.end());
}

std::vector<std::string> service_claims(const api::Value& service) {
  std::vector<std::string> claims;
  for (const uint32_t address : addresses_of(service)) {
    claims.push_back("address " + Ipv4{address}.text());
  }
  for (const uint16_t port : ports_of(service)) {
    claims.push_back("node port " + std::to_string(port));
  }
  return claims;
}

void keep_allocations(api::Value* service, const api::Value& old) {
  api::Value& spec = (*service)["spec"];
  const api::Value& old_spec = old["spec"];
  if (!spec.is_object()) return;
  for (const char* field : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) {
    const api::Value& before = old_spec[field];
    const api::Value& now = std::as_const(spec)[field];
    if (is_external(spec)) {
      // What came with the old type goes with it.
      if (now == before) spec.remove(field);
    } else if (!is_external(old_spec) && now.empty() && !before.empty()) {
      spec.set(field, before);
    }
  }
  drop_with_type(&spec, old_spec);
  api::Value* ports = spec.find("ports");
  if (!ports || !ports->is_array()) return;
  const bool needs = has_ports(spec), needed = has_ports(old_spec);
  for (api::Value& port : ports->array_items()) {
    for (const api::Value& before : old_spec["ports"].items()) {
      if (before["port"] != std::as_const(port)["port"]) continue;
      if (before["protocol"] != std::as_const(port)["protocol"]) continue;
      const int64_t old_number = before["nodePort"].as_int();
      const int64_t number = std::as_const(port)["nodePort"].as_int();
      if (needs && needed && number == 0 && old_number) port.set("nodePort", old_number);
      if (!needs && needed && number == old_number) port.remove("nodePort");
    }
  }
}

}  // namespace orch::apiserver
