#include "agent/pods/service_proxy.h"

#include "agent/network/network.h"
#include "agent/pods/service_view.h"
#include "api/resources.h"
#include "base/log.h"
#include "netfilter/commit.h"
#include "netfilter/conntrack.h"

namespace orch::pods {
namespace {

constexpr const char* kTimer = "services/write";
constexpr int kFirstSyncMs = 500;

}  // namespace

ServiceProxy::ServiceProxy(Parts parts) : parts_(std::move(parts)) {}

void ServiceProxy::start() {
  for (const api::Resource* resource :
       {&api::resource::services(), &api::resource::endpoint_slices()}) {
    subscriptions_.push_back(
        parts_.cache.subscribe(*resource, [this](const client::Change&) { touch(kGatherMs); }));
  }
  subscriptions_.push_back(
      parts_.cache.subscribe(api::resource::nodes(), [this](const client::Change& change) {
        // Nodes report often; only a new address or network of one means new routes.
        const auto facts = [](const api::Value& node) {
          return api::Value::array({node["spec"]["podCIDR"], node["status"]["addresses"]});
        };
        if (!change.previous.empty() && change.type == client::Change::Type::modified) {
          const auto before = api::parse_json(change.previous);
          if (before.ok() && facts(*before) == facts(change.object())) return;
        }
        touch(kGatherMs);
      }));
  {
    const std::lock_guard lock(mutex_);
    started_ = true;
  }
  subscriptions_.push_back(
      parts_.cache.subscribe(api::resource::pods(), [this](const client::Change& change) {
        if (change.bytes.find("\"hostPort\"") == change.bytes.npos) return;
        if (change.bytes.find("\"" + parts_.node_name + "\"") == change.bytes.npos) return;
        touch(kGatherMs);
      }));
  touch(0);
}

void ServiceProxy::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
  }
  subscriptions_.clear();
  parts_.timers.cancel(kTimer);
  pool_.stop();
}

void ServiceProxy::set_network(const netfilter::NodeNet& net) {
  {
    const std::lock_guard lock(mutex_);
    net_ = net;
  }
  touch(0);
}

void ServiceProxy::touch(int delay_ms) {
  const auto when = parts_.clock.monotonic() + std::chrono::milliseconds(delay_ms);
  parts_.timers.set_earliest(kTimer, when, [this] { pool_.run([this] { write(); }); });
}

void ServiceProxy::write() {
  {
    const std::lock_guard lock(mutex_);
    // Before all is subscribed, the cache is in step with nothing and lists nothing.
    if (!started_ || stopped_) return;
  }
  // Half of the services would tear down the rules of the other half.
  if (!synced_ && !parts_.cache.wait_synced(kFirstSyncMs)) return touch(0);
  synced_ = true;
  const bool services = write_services();
  const bool routes = write_routes();
  if (!services || !routes) touch(kRetryMs);
}

bool ServiceProxy::write_services() {
  const auto services = parts_.cache.list(api::resource::services());
  const auto slices = parts_.cache.list(api::resource::endpoint_slices());
  if (parts_.dns != nullptr) {
    parts_.dns->set_zone(
        std::make_shared<const dns::Zone>(zone_data(services, slices, parts_.domain)));
  }
  std::optional<netfilter::NodeNet> net;
  {
    const std::lock_guard lock(mutex_);
    net = net_;
  }
  if (!net || !parts_.write_rules) return true;
  auto table = service_table(services, slices, parts_.node_name);
  client::Filter ours;
  ours.field = "spec.nodeName";
  ours.value = parts_.node_name;
  for (const auto& pod : parts_.cache.list(api::resource::pods(), ours)) {
    for (auto& port : host_ports(pod)) table.host_ports.push_back(std::move(port));
  }
  if (written_ == table && written_net_ == net) return true;
  const auto committed = netfilter::commit_tables(netfilter::rules(table, *net));
  if (!committed.ok()) {
    log::error("services", committed.status().message);
    return false;
  }
  if (written_ && netfilter::udp_backends_changed(*written_, table)) {
    const auto forgotten = netfilter::forget_stale_flows(table, *net);
    if (!forgotten.ok()) log::warning("services", forgotten.status().message);
  }
  written_ = std::move(table);
  written_net_ = net;
  return true;
}

bool ServiceProxy::write_routes() {
  {
    const std::lock_guard lock(mutex_);
    if (!net_) return true;
  }
  const auto routes = pod_routes(parts_.cache.list(api::resource::nodes()), parts_.node_name);
  const auto synced = network::sync_routes(routes);
  if (!synced.ok()) log::error("services", "routes: " + synced.status().message);
  return synced.ok();
}

}  // namespace orch::pods
