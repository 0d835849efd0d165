// `orch server`: the recipe of a whole cluster in one process. What is built first is torn down
// last; pods run on when it ends.
#include "server/apiserver/server.h"

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "agent/pods/agent.h"
#include "api/duration.h"
#include "base/files.h"
#include "base/log.h"
#include "cli/cluster.h"
#include "cli/damage.h"
#include "cli/identity.h"
#include "cli/join_token.h"
#include "cli/leader_loops.h"
#include "cli/process.h"
#include "cli/shared_keys.h"
#include "cli/verbs.h"
#include "server/etcd/datastore.h"
#include "server/snapshots/schedule.h"

namespace orch::cli {

namespace {

// What the flags say, checked and completed.
struct ServerSetup {
  std::string node_name;
  Ipv4 node_ip;
  Cidr cluster_cidr, service_cidr;
  Ipv4 cluster_dns;
  PortRange node_ports;
  std::string join_secret;
  mode_t kubeconfig_mode = 0600;
  std::chrono::milliseconds snapshot_interval{0};  // 0: none.
};

Result<mode_t> parse_mode(const std::string& text) {
  char* end = nullptr;
  const unsigned long mode = std::strtoul(text.c_str(), &end, 8);
  if (text.empty() || *end != '\0' || mode > 0777)
    return bad_request("--write-kubeconfig-mode \"" + text + "\": must be octal, like 600");
  return static_cast<mode_t>(mode);
}

Result<std::chrono::milliseconds> parse_interval(const std::string& text) {
  const auto ns = api::parse_duration_ns(text);
  if (!ns || *ns < 0 || (*ns > 0 && *ns < 1'000'000'000))
    return bad_request("--snapshot-interval \"" + text +
                       "\": must be a time like 12h or 30m, at least 1s, or 0");
  return std::chrono::milliseconds(*ns / 1'000'000);
}

std::string token_path(const NodeOptions& options) { return options.data_dir + "/server/token"; }

// The secret of the token that was given, or of the one that is kept, or a new one.
Result<std::string> settle_secret(const NodeOptions& options, Random& random) {
  std::string text = ORCH_TRY(given_token(options));
  if (text.empty() && file_exists(token_path(options)))
    text = ORCH_TRY(read_file(token_path(options), kMaxTokenBytes));
  if (!text.empty()) return ORCH_TRY(parse_join_token(text)).secret;
  return new_secret(random);
}

// The whole token, in a file that an administrator copies to new nodes.
Result<void> write_token(const ServerOptions& options, const std::string& secret,
                         const std::string& ca) {
  const std::string hash = ORCH_TRY(crypto::certificate_info(ca)).sha256;
  const std::string path = token_path(options.node);
  const std::string text = render_join_token({hash, secret}) + "\n";
  // As it is at every start but the first; a full disk is no reason not to start.
  if (read_file(path, kMaxTokenBytes).value_or("") == text) return {};
  return write_file_atomic(path, text, 0600);
}

Result<ServerSetup> check_options(const ServerOptions& options) {
  ServerSetup setup;
  setup.node_name = ORCH_TRY(node_name(options.node));
  setup.node_ip = ORCH_TRY(node_ip(options.node));
  setup.cluster_cidr = ORCH_TRY(cidr_flag("--cluster-cidr", options.cluster_cidr));
  setup.service_cidr = ORCH_TRY(cidr_flag("--service-cidr", options.service_cidr));
  if (setup.cluster_cidr.overlaps(setup.service_cidr))
    return bad_request("--cluster-cidr " + options.cluster_cidr + " and --service-cidr " +
                       options.service_cidr + " overlap");
  const auto dns = parse_ipv4(options.cluster_dns);
  if (!dns || !setup.service_cidr.contains(*dns))
    return bad_request("--cluster-dns \"" + options.cluster_dns +
                       "\": must be an address in --service-cidr " + options.service_cidr);
  setup.cluster_dns = *dns;
  setup.node_ports = ORCH_TRY(parse_port_range(options.service_node_port_range));
  setup.kubeconfig_mode = ORCH_TRY(parse_mode(options.write_kubeconfig_mode));
  setup.snapshot_interval = ORCH_TRY(parse_interval(options.snapshot_interval));
  if (options.snapshot_retention < 1)
    return bad_request("--snapshot-retention must be at least 1; --snapshot-interval 0 makes none");
  if (options.audit_policy_file.empty() != options.audit_log_path.empty())
    return bad_request("--audit-policy-file and --audit-log-path go together");
  setup.join_secret = ORCH_TRY(settle_secret(options.node, system_random()));
  return setup;
}

std::string advertised(const ServerOptions& options, const ServerSetup& setup) {
  return options.advertise_address.empty() ? setup.node_ip.text() : options.advertise_address;
}

// Null: the server keeps its state itself.
Result<std::unique_ptr<etcd::Datastore>> open_datastore(const ServerOptions& options) {
  if (options.datastore_endpoint.empty()) return std::unique_ptr<etcd::Datastore>();
  if (options.cluster_init || !options.server.empty() ||
      ORCH_TRY(cluster::read_enrollment(options.node.data_dir)))
    return bad_request(
        "--datastore-endpoint: this is one of several servers that keep their state themselves; "
        "a server that keeps it in etcd needs a data directory of its own, and neither "
        "--cluster-init nor --server");
  return etcd::Datastore::create(
      {options.datastore_endpoint, options.datastore_cafile, options.datastore_certfile,
       options.datastore_keyfile, options.etcd_compaction_interval},
      system_random());
}

Result<std::unique_ptr<apiserver::ApiServer>> start_api_server(const ServerOptions& options,
                                                               const ServerSetup& setup,
                                                               store::Engine* engine,
                                                               cluster::Cluster* cluster,
                                                               Damage* damage) {
  apiserver::Options api;
  api.data_dir = options.node.data_dir;
  api.engine = engine;
  api.bind_address = options.bind_address;
  api.port = options.https_listen_port;
  api.advertise_address = advertised(options, setup);
  api.tls_sans = options.tls_sans;
  api.tls_sans.push_back(setup.node_name);
  api.tls_sans.push_back(setup.node_ip.text());
  if (cluster) api.tls_sans.push_back(cluster->serving_name());
  api.cluster = cluster;
  api.on_damage = [damage](const Status& failure) { damage->tell(failure); };
  api.facts.cluster_cidr = setup.cluster_cidr.text();
  api.facts.service_cidr = setup.service_cidr.text();
  api.facts.cluster_dns = setup.cluster_dns.text();
  api.facts.cluster_domain = options.cluster_domain;
  api.facts.node_ports = options.service_node_port_range;
  api.first_node_port = setup.node_ports.first;
  api.last_node_port = setup.node_ports.last;
  ORCH_TRY(read_identity(options.identity, &api));
  api.own_node = setup.node_name;
  api.join_token = setup.join_secret;
  if (!options.disable_controller_manager) api.components.emplace_back("controller-manager");
  if (!options.disable_scheduler) api.components.emplace_back("scheduler");
  api.encryption_config = options.encryption_config;
  api.max_requests_inflight = options.max_requests_inflight;
  api.max_mutating_requests_inflight = options.max_mutating_requests_inflight;
  api.audit_policy_file = options.audit_policy_file;
  api.audit_log.path = options.audit_log_path;
  api.audit_log.max_size_mb = options.audit_log_maxsize;
  api.audit_log.max_backups = options.audit_log_maxbackup;
  api.audit_log.max_age_days = options.audit_log_maxage;
  return apiserver::ApiServer::start(std::move(api));
}

Result<std::unique_ptr<pods::Agent>> start_agent(const ServerOptions& options,
                                                 const ServerSetup& setup,
                                                 apiserver::ApiServer& server, client::Api& api) {
  const crypto::Identity identity =
      ORCH_TRY(server.issue_node_identity(setup.node_name, {setup.node_ip.text(), "127.0.0.1"}));
  pods::AgentOptions agent = agent_options(options.node);
  agent.node_name = setup.node_name;
  agent.node_ip = setup.node_ip.text();
  agent.serving_certificate = identity.certificate;
  agent.serving_key = identity.private_key;
  agent.client_ca = server.ca_certificate();
  agent.cluster = {setup.cluster_cidr,     setup.service_cidr,     setup.cluster_dns,
                   options.cluster_domain, setup.node_ports.first, setup.node_ports.last};
  agent.labels = ORCH_TRY(node_labels(options.node));
  agent.labels.emplace_back("node-role.kubernetes.io/control-plane", "true");
  return pods::Agent::start(std::move(agent), api, server.cache(), system_clock(), system_random());
}

Result<void> write_kubeconfig(const ServerOptions& options, const ServerSetup& setup,
                              const apiserver::ApiServer& server) {
  const std::string& path = options.write_kubeconfig;
  const size_t slash = path.rfind('/');
  if (slash != path.npos && slash > 0) ORCH_TRY(make_dirs(path.substr(0, slash)));
  return write_file_atomic(path, server.admin_kubeconfig(server.url()), setup.kubeconfig_mode);
}

LoopSetup loop_setup(const ServerOptions& options, const ServerSetup& setup,
                     const apiserver::ApiServer& server) {
  LoopSetup loops;
  loops.run_controllers = !options.disable_controller_manager;
  loops.run_scheduler = !options.disable_scheduler;
  loops.controllers.ca = server.ca();
  loops.controllers.token_key = server.token_signing_key();
  loops.controllers.cluster_cidr = setup.cluster_cidr;
  loops.controllers.holder = setup.node_name;
  loops.controllers.leader_leases.emplace_back("kube-controller-manager");
  if (loops.run_scheduler) loops.controllers.leader_leases.emplace_back("kube-scheduler");
  return loops;
}

// The last is taken down first.
struct Running {
  std::unique_ptr<cluster::Cluster> cluster;  // None: the state lies elsewhere.
  std::unique_ptr<Damage> damage;
  std::unique_ptr<apiserver::ApiServer> server;
};

// After a repair, where one is due.
Result<Running> start_running(const ServerOptions& options, const ServerSetup& setup,
                              const std::optional<cluster::Enrollment>& enrollment,
                              store::Engine* engine) {
  const std::string port = std::to_string(options.https_listen_port);
  const ServerPlace place{setup.node_name, advertised(options, setup) + ":" + port};
  for (;;) {
    Running running;
    if (enrollment) ORCH_TRY(finish_repair(options, *enrollment, place));
    if (!engine) running.cluster = ORCH_TRY(open_cluster(options, enrollment, place));
    cluster::Cluster* const cluster = running.cluster.get();
    running.damage = std::make_unique<Damage>(options.node.data_dir, cluster);
    auto started = start_api_server(options, setup, engine, cluster, running.damage.get());
    if (started) {
      running.server = *std::move(started);
      return running;
    }
    ORCH_TRY(running.damage->answer(started.status()));
  }
}

Result<void> serve(ServerOptions options) {
  ORCH_TRY(prepare_process(options.node));
  const auto datastore = ORCH_TRY(open_datastore(options));
  if (datastore) ORCH_TRY(take_shared_keys(*datastore, &options));
  const auto enrollment = ORCH_TRY(settle_enrollment(&options));
  const ServerSetup setup = ORCH_TRY(check_options(options));

  const Running running = ORCH_TRY(start_running(options, setup, enrollment, datastore.get()));
  Damage& damage = *running.damage;
  const auto& server = running.server;
  const auto agent_api = server->api("system:node:" + setup.node_name);
  // Nodes can join and the administrator can reach the server from here on.
  ORCH_TRY(write_token(options, setup.join_secret, server->ca_certificate()));
  ORCH_TRY(write_kubeconfig(options, setup, *server));
  if (datastore) ORCH_TRY(share_keys(*datastore, options));

  server->leading().add([&server, loops = loop_setup(options, setup, *server)](uint64_t term) {
    return std::make_unique<LeaderLoops>(*server, loops, term);
  });

  std::unique_ptr<pods::Agent> agent;
  if (!options.disable_agent) agent = ORCH_TRY(start_agent(options, setup, *server, *agent_api));

  std::optional<snapshots::Schedule> schedule;  // Of an etcd cluster, whoever runs it sees to them.
  if (setup.snapshot_interval.count() > 0 && !datastore) {
    schedule.emplace(snapshots::place_of(options.node.data_dir, options.snapshot_dir),
                     setup.snapshot_interval, options.snapshot_retention,
                     [&damage](const Status& failure) { damage.tell(failure); });
  }

  log::info("server", "server: ready; kubeconfig in " + options.write_kubeconfig);
  notify_ready();
  wait_for_end_or(damage.told_fd());

  log::info("server", "stopping; pods run on");
  schedule.reset();
  if (agent) agent->stop();
  server->stop();
  if (const auto found = damage.found()) return *found;
  return {};
}

}  // namespace

int run_server(const ServerOptions& options) {
  if (options.cluster_reset || !options.cluster_reset_restore_path.empty())
    return run_cluster_reset(options);
  const auto served = serve(options);
  const bool ended = served || served.status().code == 0;  // Or told to, while it waited.
  return ended ? 0 : fail(served.status());
}

}  // namespace orch::cli
