#include "agent/pods/agent.h"

#include <sys/utsname.h>

#include "agent/dns/server.h"
#include "agent/network/network.h"
#include "agent/pods/kubelet_server.h"
#include "agent/pods/node_reporter.h"
#include "agent/pods/pods.h"
#include "agent/pods/service_proxy.h"
#include "agent/runtime/runtime.h"
#include "agent/volumes/volumes.h"
#include "base/files.h"
#include "base/log.h"
#include "base/timers.h"
#include "client/event_recorder.h"

namespace orch::pods {
namespace {

constexpr size_t kMaxSmallFile = 64 << 10;
constexpr int kDefaultMtu = 1500;

std::string host_name() {
  struct utsname name {};
  return ::uname(&name) == 0 ? name.nodename : "";
}

// The cgroups above the pods', with the weights of their classes.
Result<void> make_cgroups(runtime::Runtime& runtime) {
  constexpr int64_t kLeastShares = 2;
  ORCH_TRY(runtime.set_cgroup_limits("kubepods", {}));
  ORCH_TRY(runtime.set_cgroup_limits("kubepods/burstable", {}));
  runtime::CgroupLimits least;
  least.cpu_shares = kLeastShares;
  return runtime.set_cgroup_limits("kubepods/besteffort", least);
}

}  // namespace

struct Agent::State {
  State(AgentOptions the_options, client::Api& the_api, client::Cache& the_cache, Clock& the_clock,
        Random& random)
      : options(std::move(the_options)),
        api(the_api),
        cache(the_cache),
        clock(the_clock),
        timers(the_clock),
        volumes(the_api, the_cache, the_clock),
        events(the_api, the_clock, random, {"kubelet", options.node_name}) {}

  Result<void> start(Random& random);
  Result<void> start_dns(Random& random);
  Result<void> set_pod_cidr(const std::string& text);
  void take_pod_cidr(const std::string& text);
  NodeFacts node_facts() const;
  NodeInput node_input(const runtime::RuntimeVersion& version) const;
  std::string cidr_path() const { return options.data_dir + "/agent/pod_cidr"; }

  AgentOptions options;
  client::Api& api;
  client::Cache& cache;
  Clock& clock;
  Timers timers;
  volumes::Volumes volumes;
  client::EventRecorder events;
  PodNetwork network;
  std::unique_ptr<runtime::Runtime> runtime;
  std::unique_ptr<images::Images> images;
  std::unique_ptr<dns::Server> dns;
  std::unique_ptr<ServiceProxy> proxy;
  std::unique_ptr<Pods> pods;
  std::unique_ptr<KubeletServer> server;
  std::unique_ptr<NodeReporter> reporter;
};

NodeFacts Agent::State::node_facts() const {
  const Machine machine = read_machine(options.data_dir);
  NodeFacts facts;
  facts.node_name = options.node_name;
  facts.node_ip = options.node_ip;
  facts.cluster_domain = options.cluster.domain;
  if (options.cluster.dns_ip.is_set()) facts.cluster_dns = options.cluster.dns_ip.text();
  facts.resolv_conf_path = options.resolv_conf_path;
  facts.data_dir = options.data_dir + "/agent";
  facts.log_dir = options.log_dir;
  facts.cpu_milli = machine.cpus * 1000;
  facts.memory_bytes = machine.memory_bytes;
  return facts;
}

NodeInput Agent::State::node_input(const runtime::RuntimeVersion& version) const {
  NodeInput input;
  input.node_name = options.node_name;
  input.node_ip = options.node_ip;
  input.kubelet_port = server->port();
  input.kubelet_version = options.version;
  input.runtime_version = "runc://" + version.runc.substr(0, version.runc.find('+'));
  input.host_name = host_name();
  input.extra_labels = options.labels;
  input.taints = options.taints;
  input.network_ready = network.is_set_up();
  input.not_ready_reason = "the cluster has not given this node a pod CIDR yet";
  return input;
}

Result<void> Agent::State::start_dns(Random& random) {
  if (!options.serve_dns || !options.cluster.dns_ip.is_set()) return {};
  dns::ServerOptions server_options;
  server_options.addresses = {options.cluster.dns_ip};
  const auto conf = read_file(options.resolv_conf_path, kMaxSmallFile).value_or("");
  server_options.upstreams = dns::parse_resolv_conf(conf);
  dns = ORCH_TRY(dns::Server::start(server_options, clock, random));
  return {};
}

// The order matters: what is started first is what later ones call.
Result<void> Agent::State::start(Random& random) {
  ORCH_TRY(make_dirs(options.data_dir + "/agent", 0700));
  if (options.node_ip.empty()) options.node_ip = ORCH_TRY(network::default_node_ip()).text();
  runtime::Options runtime_options;
  runtime_options.state_dir = options.state_dir;
  runtime_options.runc = options.runc;
  if (!options.shim_command.empty()) runtime_options.shim_command = options.shim_command;
  runtime = ORCH_TRY(runtime::Runtime::open(runtime_options, clock));
  const auto version = ORCH_TRY(runtime->version());
  ORCH_TRY(make_cgroups(*runtime));
  if (options.images.dir.empty()) options.images.dir = options.data_dir + "/images";
  images = ORCH_TRY(images::Images::open(options.images, clock, random));
  ORCH_TRY(start_dns(random));
  proxy = std::make_unique<ServiceProxy>(
      ServiceProxy::Parts{cache, dns.get(), clock, timers, options.node_name,
                          options.cluster.domain, options.write_rules});
  // The CIDR of last time, so that pods go on with no server in sight.
  if (const auto known = read_file(cidr_path(), kMaxSmallFile); known.ok()) {
    const auto set = set_pod_cidr(*known);
    if (!set.ok()) log::warning("agent", set.status().message);
  }
  pods = std::make_unique<Pods>(Pods::Parts{*runtime, *images, volumes, network, api, cache, events,
                                            clock, timers, node_facts()});
  server = ORCH_TRY(
      KubeletServer::start({options.bind_address, options.kubelet_port, options.serving_certificate,
                            options.serving_key, options.client_ca},
                           *pods, clock));
  reporter = std::make_unique<NodeReporter>(
      NodeReporter::Parts{api, cache, *images, clock, timers, options.data_dir},
      node_input(version), [this](const std::string& cidr) { take_pod_cidr(cidr); });
  proxy->start();
  ORCH_TRY(pods->start());
  reporter->start();
  return {};
}

Result<void> Agent::State::set_pod_cidr(const std::string& text) {
  const auto cidr = parse_cidr(text);
  if (!cidr) return bad_request("\"" + text + "\" is no pod CIDR");
  network::NodeConfig config;
  config.pod_cidr = *cidr;
  config.service_cidr = options.cluster.service_cidr;
  const auto interface = network::default_interface();
  config.mtu = interface.ok() && interface->mtu > 0 ? interface->mtu : kDefaultMtu;
  ORCH_TRY(network.set_up(config));
  if (dns) ORCH_TRY(network::add_local_address(options.cluster.dns_ip));
  netfilter::NodeNet net;
  net.pod_cidr = *cidr;
  net.cluster_cidr = options.cluster.pod_cidr;
  net.service_cidr = options.cluster.service_cidr;
  net.bridge = network::kBridge;
  net.node_port_first = options.cluster.node_port_first;
  net.node_port_last = options.cluster.node_port_last;
  proxy->set_network(net);
  return {};
}

// On the reporter's thread.
void Agent::State::take_pod_cidr(const std::string& text) {
  auto set = set_pod_cidr(text);
  if (set.ok()) set = write_file_atomic(cidr_path(), text, 0644);
  if (!set.ok()) log::error("agent", set.status().message);
  reporter->set_network(set.ok(), set.ok() ? "" : set.status().message);
  pods->wake_all();
}

Agent::Agent(std::unique_ptr<State> state) : state_(std::move(state)) {}
Agent::~Agent() { stop(); }

Result<std::unique_ptr<Agent>> Agent::start(AgentOptions options, client::Api& api,
                                            client::Cache& cache, Clock& clock, Random& random) {
  std::unique_ptr<Agent> agent(
      new Agent(std::make_unique<State>(std::move(options), api, cache, clock, random)));
  ORCH_TRY(agent->state_->start(random));
  return agent;
}

// Backwards: whoever calls stops before whom it calls.
void Agent::stop() {
  if (state_->reporter) state_->reporter->stop();
  if (state_->server) state_->server->stop();
  if (state_->proxy) state_->proxy->stop();
  if (state_->pods) state_->pods->stop();
  state_->timers.stop();
}

uint16_t Agent::kubelet_port() const { return state_->server->port(); }
images::Images& Agent::images() { return *state_->images; }

}  // namespace orch::pods
