// `orch agent`: one more node of a cluster whose server is elsewhere. What it learns when it joins
// it keeps, so that every later start needs no server: its pods run on, and it finds back by
// itself. docs/nodes.md tells the user's side.
#include "agent/pods/agent.h"

#include <algorithm>

#include "api/resources.h"
#include "base/log.h"
#include "cli/membership.h"
#include "cli/process.h"
#include "cli/verbs.h"
#include "client/remote_api.h"
#include "client/remote_cache.h"
#include "server/apiserver/node_restriction.h"

namespace orch::cli {

namespace {

// A server that does not answer is asked again after 1, 2, 4 ... 30 s.
constexpr int kFirstRetryMs = 1'000;
constexpr int kLastRetryMs = 30'000;

// What the flags say, checked and completed.
struct AgentSetup {
  std::vector<std::string> servers;  // Those of the flags, then those that were learned.
  std::optional<JoinToken> token;
  std::string node_name;
  Ipv4 node_ip;
  std::string membership_path, password_path, servers_path;
  size_t learned = 0;  // Of the servers.
};

// Adds the servers that the cluster has named.
void learn_servers(AgentSetup* setup) {
  const auto learned = read_servers(setup->servers_path);
  if (!learned) return log::warning("agent", learned.status().message);
  for (const std::string& url : *learned) {
    if (std::ranges::find(setup->servers, url) != setup->servers.end()) continue;
    setup->servers.push_back(url);
  }
  setup->learned = learned->size();
}

Result<AgentSetup> check_options(const AgentOptions& options) {
  AgentSetup setup;
  setup.servers = options.servers;
  if (setup.servers.empty())
    return bad_request("--server must be given, like https://10.0.0.1:6443");
  for (const std::string& server : setup.servers) {
    if (!server.starts_with("https://"))
      return bad_request("--server \"" + server + "\": must be like https://10.0.0.1:6443");
  }
  setup.node_name = ORCH_TRY(node_name(options.node));
  setup.node_ip = ORCH_TRY(node_ip(options.node));
  for (const auto& [label, value] : ORCH_TRY(node_labels(options.node)))
    if (!apiserver::node_may_set_label(label))
      return bad_request("--node-label \"" + label +
                         "\": a node may not label itself so; kubectl label node can");
  setup.membership_path = options.node.data_dir + "/agent/tls/membership.json";
  setup.password_path = options.node.data_dir + "/agent/tls/node-password";
  setup.servers_path = options.node.data_dir + "/agent/tls/servers";
  learn_servers(&setup);
  const std::string text = ORCH_TRY(given_token(options.node));
  if (text.empty()) return setup;
  setup.token = ORCH_TRY(parse_join_token(text));
  if (setup.token->ca_sha256.empty())
    return bad_request(
        "--token is the secret alone, by which this node could not tell its server from an "
        "impostor; give the whole token (K10...::...), which stands on the server in "
        "<data-dir>/server/token");
  return setup;
}

Status explain(const Status& status, const std::string& server) {
  if (status.code == 401)
    return unauthorized("the server " + server +
                        " refuses the token; the right one stands there in "
                        "<data-dir>/server/token");
  if (status.code == 403) return forbidden(status.message);
  if (status.code == 502)
    return bad_request(status.message + " (" + server +
                       "); is the token of this server, and the address one of its certificate "
                       "(--tls-san)?");
  Status said = status;
  return std::move(said).in("join " + server);
}

// Asks one server after the other until one has answered; nothing when the process was told to end
// meanwhile.
Result<std::optional<Membership>> join_with_patience(JoinWish wish,
                                                     const std::vector<std::string>& servers) {
  for (int wait_ms = kFirstRetryMs;; wait_ms = std::min(2 * wait_ms, kLastRetryMs)) {
    for (const std::string& server : servers) {
      wish.server = server;
      auto joined = join_cluster(wish);
      if (joined) return std::optional<Membership>(std::move(*joined));
      if (!may_pass(joined.status())) return explain(joined.status(), server);
      log::warning("agent", "cannot join yet: " + joined.status().message);
    }
    log::warning("agent", "trying again in " + std::to_string(wait_ms / 1000) + " s");
    if (wait_for_end(wait_ms)) return std::optional<Membership>();
  }
}

// A membership that still serves is better than none, whatever the servers say of a new one.
Membership renew(JoinWish wish, const std::vector<std::string>& servers, Membership kept) {
  for (const std::string& server : servers) {
    wish.server = server;
    auto joined = join_cluster(wish);
    if (joined) return std::move(*joined);
    log::warning("agent", "the certificates could not be renewed: " +
                              explain(joined.status(), server).message);
  }
  return kept;
}

// The membership that is kept, renewed when need be, or a new one. Nothing: told to end.
Result<std::optional<Membership>> settle_membership(const AgentSetup& setup, const Clock& clock) {
  auto read = read_membership(setup.membership_path);
  if (!read) log::warning("agent", "joining anew: " + read.status().message);
  std::optional<Membership> kept = read ? std::move(*read) : std::nullopt;
  const std::string hash = setup.token ? setup.token->ca_sha256 : "";
  const std::string ip = setup.node_ip.text();
  const Standing standing =
      kept ? judge(*kept, setup.node_name, ip, hash, clock.now()) : Standing::useless;
  if (standing == Standing::good) return kept;
  if (standing == Standing::ageing && !setup.token) {
    log::warning("agent", "the certificates expire soon; start with the token to renew them");
    return kept;
  }
  if (!setup.token)
    return bad_request(
        "a node joins with --token or --token-file; the token stands on the server in "
        "<data-dir>/server/token");

  JoinWish wish{setup.servers.front(), *setup.token, setup.node_name, ip, {}, {}};
  wish.password = ORCH_TRY(keep_node_password(setup.password_path, system_random()));
  std::optional<Membership> joined;
  if (standing == Standing::ageing) wish.identity = kept->client;
  if (standing == Standing::ageing)
    joined = renew(wish, setup.servers, *kept);
  else
    joined = ORCH_TRY(join_with_patience(wish, setup.servers));
  if (!joined || joined == kept) return joined;
  ORCH_TRY(write_membership(setup.membership_path, *joined));
  log::info("agent", "joined the cluster at " + setup.servers.front() + " as " + setup.node_name);
  return joined;
}

Result<pods::ClusterFacts> cluster_facts(const Membership& membership) {
  pods::ClusterFacts facts;
  facts.pod_cidr = ORCH_TRY(cidr_flag("clusterCidr", membership.cluster_cidr));
  facts.service_cidr = ORCH_TRY(cidr_flag("serviceCidr", membership.service_cidr));
  const auto dns = parse_ipv4(membership.cluster_dns);
  if (!dns) return bad_request("clusterDns \"" + membership.cluster_dns + "\" is no IPv4 address");
  facts.dns_ip = *dns;
  facts.domain = membership.cluster_domain;
  const PortRange ports = ORCH_TRY(parse_port_range(membership.node_ports));
  facts.node_port_first = ports.first;
  facts.node_port_last = ports.last;
  return facts;
}

// Follows the list of the servers, and keeps it for the next start.
class ServerWatch {
 public:
  ServerWatch(const AgentSetup& setup, client::Connection& connection, client::Cache& cache)
      : path_(setup.servers_path),
        known_(setup.learned),
        connection_(connection),
        changes_(cache.subscribe(api::resource::endpoint_slices(),
                                 [this](const client::Change& change) { take(change); })) {}

 private:
  void take(const client::Change& change) {
    const bool gone = change.type == client::Change::Type::deleted;
    if (gone || change.key != client::ObjectKey{"default", "kubernetes"}) return;
    const std::vector<std::string> urls = servers_of(change.object());
    // The only server is reached as the flag says it: its own address may be none for this node.
    if (urls.empty() || (urls.size() < 2 && known_ < 2)) return;
    known_ = std::max(known_, urls.size());
    connection_.set_servers(urls);
    const auto written = write_servers(path_, urls);
    if (!written) log::warning("agent", written.status().message);
  }

  const std::string path_;
  size_t known_;
  client::Connection& connection_;
  const std::unique_ptr<client::Cache::Subscription> changes_;  // Last: it calls take().
};

Result<void> serve(const AgentOptions& options) {
  ORCH_TRY(prepare_process(options.node));
  const AgentSetup setup = ORCH_TRY(check_options(options));
  const auto membership = ORCH_TRY(settle_membership(setup, system_clock()));
  if (!membership) return {};

  client::ClusterAccess access;
  access.url = setup.servers.front();
  access.ca = membership->ca;
  access.certificate = membership->client.certificate;
  access.private_key = membership->client.private_key;
  const auto connection = ORCH_TRY(client::Connection::create(access, setup.servers));
  client::RemoteApi api(connection);
  client::RemoteCache cache(connection, system_random());
  cache.select(api::resource::pods(), {"", "", "spec.nodeName=" + setup.node_name});

  pods::AgentOptions agent_setup = agent_options(options.node);
  agent_setup.node_name = setup.node_name;
  agent_setup.node_ip = setup.node_ip.text();
  agent_setup.serving_certificate = membership->serving.certificate;
  agent_setup.serving_key = membership->serving.private_key;
  agent_setup.client_ca = membership->ca;
  agent_setup.cluster = ORCH_TRY(cluster_facts(*membership));
  agent_setup.labels = ORCH_TRY(node_labels(options.node));
  const auto agent = ORCH_TRY(
      pods::Agent::start(std::move(agent_setup), api, cache, system_clock(), system_random()));
  const ServerWatch servers(setup, *connection, cache);
  log::info("agent", "agent: ready; server " + connection->server());
  notify_ready();
  wait_for_end();

  log::info("agent", "stopping; pods run on");
  agent->stop();
  return {};
}

}  // namespace

int run_agent(const AgentOptions& options) {
  const auto served = serve(options);
  return served ? 0 : fail(served.status());
}

}  // namespace orch::cli
