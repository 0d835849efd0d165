#include "server/apiserver/server_list.h"

#include <algorithm>

#include "api/resources.h"
#include "base/log.h"
#include "base/strings.h"

namespace orch::apiserver {
namespace {

using api::Value;

const client::ObjectKey kKey{"default", "kubernetes"};

// Nodes and pods can't reach a server that advertises none.
bool is_reachable(const SeenServer& server) {
  return server.address.is_set() && !server.address.is_loopback();
}

Value metadata(Value labels) {
  return Value::object(
      {{"name", kKey.name}, {"namespace", kKey.ns}, {"labels", std::move(labels)}});
}

Value https_port(uint16_t port) {
  return Value::object({{"name", "https"}, {"port", int{port}}, {"protocol", "TCP"}});
}

// Servers of one port go together; where all have the same, as is usual, there is one subset.
Value endpoints_of(const std::vector<SeenServer>& servers) {
  std::map<uint16_t, Value> by_port;
  for (const SeenServer& server : servers) {
    Value& addresses = by_port.try_emplace(server.port, Value::array()).first->second;
    addresses.push_back(Value::object({{"ip", server.address.text()}}));
  }
  Value subsets = Value::array();
  for (auto& [port, addresses] : by_port) {
    subsets.push_back(Value::object(
        {{"addresses", std::move(addresses)}, {"ports", Value::array({https_port(port)})}}));
  }
  return Value::object(
      {{"metadata", metadata(Value::object({{"endpointslice.kubernetes.io/skip-mirror", "true"}}))},
       {"subsets", std::move(subsets)}});
}

// A slice has one port for all: that of the first server. Servers on others are left out of it.
Value slice_of(const std::vector<SeenServer>& servers) {
  Value endpoints = Value::array();
  for (const SeenServer& server : servers) {
    if (server.port != servers.front().port) continue;
    endpoints.push_back(Value::object({{"addresses", Value::array({server.address.text()})},
                                       {"conditions", Value::object({{"ready", true}})}}));
  }
  return Value::object(
      {{"metadata", metadata(Value::object({{"kubernetes.io/service-name", "kubernetes"}}))},
       {"addressType", "IPv4"},
       {"endpoints", std::move(endpoints)},
       {"ports", Value::array({https_port(servers.front().port)})}});
}

// Creates the object, or gives the one that stands there these parts.
Result<void> put_parts(client::Api& api, const api::Resource& resource, Value wanted,
                       std::initializer_list<const char*> parts) {
  wanted.set("kind", resource.kind);
  wanted.set("apiVersion", resource.api_version());
  auto stored = api.get(resource, kKey);
  if (!stored && !stored.status().not_found()) return std::move(stored).status();
  if (!stored) {
    ORCH_TRY(api.create(resource, wanted));
    return {};
  }
  const auto stands = [&](const char* part) {
    return std::as_const(*stored)[part] == std::as_const(wanted)[part];
  };
  if (std::ranges::all_of(parts, stands)) return {};
  Value changed = *std::move(stored);
  for (const char* part : parts) changed.set(part, std::as_const(wanted)[part]);
  ORCH_TRY(api.update(resource, changed));
  return {};
}

}  // namespace

std::vector<SeenServer> plan_list(std::vector<SeenServer> seen, const std::vector<Ipv4>& listed,
                                  std::map<Ipv4, int>* missed) {
  std::map<Ipv4, int> still;
  std::erase_if(seen, [&](const SeenServer& server) {
    if (!is_reachable(server)) return true;
    if (server.ready) return false;
    const auto before = missed->find(server.address);
    const int misses = still[server.address] = (before == missed->end() ? 0 : before->second) + 1;
    return misses >= kMaxMissedLooks || std::ranges::find(listed, server.address) == listed.end();
  });
  *missed = std::move(still);
  std::ranges::sort(seen);
  return seen;
}

std::vector<SeenServer> look_at_servers(const cluster::Cluster& cluster,
                                        const store::Store& store) {
  std::vector<SeenServer> seen;
  for (const cluster::Server& server : cluster.inspected(store)) {
    const size_t colon = server.address.rfind(':');
    if (colon == std::string::npos) continue;
    const auto address = parse_ipv4(server.address.substr(0, colon));
    const auto port = parse_int(server.address.substr(colon + 1));
    if (!address || !port || *port < 1 || *port > 65535) continue;
    seen.push_back({*address, static_cast<uint16_t>(*port), server.state == cluster::State::ready});
  }
  return seen;
}

Result<void> publish_servers(client::Api& api, const std::vector<SeenServer>& servers) {
  if (servers.empty()) return {};
  ORCH_TRY(put_parts(api, api::resource::endpoints(), endpoints_of(servers), {"subsets"}));
  return put_parts(api, api::resource::endpoint_slices(), slice_of(servers),
                   {"endpoints", "ports"});
}

Result<std::vector<Ipv4>> listed_servers(client::Api& api) {
  std::vector<Ipv4> listed;
  const auto endpoints = api.get(api::resource::endpoints(), kKey);
  if (!endpoints && endpoints.status().not_found()) return listed;
  if (!endpoints) return endpoints.status();
  for (const Value& subset : (*endpoints)["subsets"].items()) {
    for (const Value& address : subset["addresses"].items()) {
      if (const auto ip = parse_ipv4(address["ip"].as_string())) listed.push_back(*ip);
    }
  }
  return listed;
}

ServerList::ServerList(std::unique_ptr<client::Api> api, SeenServer self, Look look)
    : api_(std::move(api)), self_(self), look_(std::move(look)), thread_([this] { run(); }) {}

ServerList::~ServerList() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    ending_.notify_all();
  }
  thread_.join();
}

Result<void> keep_list(client::Api& api, const SeenServer& self, std::vector<SeenServer> seen,
                       std::map<Ipv4, int>* missed) {
  std::erase_if(seen, [&](const SeenServer& each) { return each.address == self.address; });
  seen.push_back(self);
  const std::vector<Ipv4> listed = ORCH_TRY(listed_servers(api));
  return publish_servers(api, plan_list(std::move(seen), listed, missed));
}

void ServerList::run() {
  std::map<Ipv4, int> missed;
  std::unique_lock lock(mutex_);
  while (!ended_) {
    lock.unlock();
    const Result<void> looked = keep_list(*api_, self_, look_(), &missed);
    lock.lock();
    // When this server leads no longer that is how it learns of it here.
    if (!looked && !ended_) log::warning("apiserver", "servers: " + looked.status().message);
    ending_.wait_for(lock, kLookEvery, [this] { return ended_; });
  }
}

}  // namespace orch::apiserver
