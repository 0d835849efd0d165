#include "cli/cluster.h"

#include <algorithm>

#include "base/files.h"
#include "base/log.h"
#include "base/net_address.h"
#include "cli/process.h"
#include "cli/verbs.h"
#include "server/apiserver/credentials.h"
#include "server/apiserver/encryption.h"
#include "server/cluster/joining.h"
#include "server/cluster/repair.h"

namespace orch::cli {

namespace {

constexpr int kFirstJoinMs = 1'000, kLastJoinMs = 30'000;
constexpr size_t kMaxPemBytes = 64u << 10;
constexpr std::string_view kScheme = "https://";

// Networks are the same however their base is written.
bool same_fact(const std::string& a, const std::string& b) {
  const auto left = parse_cidr(a), right = parse_cidr(b);
  return a == b || (left && right && *left == *right);
}

cluster::Enrollment new_enrollment(const ServerOptions& options) {
  return {cluster::new_cluster_number(system_random()), true, facts_of(options)};
}

Status explain_join(Status status, const std::string& server) {
  if (status.code == 401)
    return unauthorized("the server " + server +
                        " refuses the token: servers join with the one that stands there in "
                        "<data-dir>/server/server-token (that in token lets nodes join only)");
  if (status.code == 502)
    return bad_request(status.message + " (" + server +
                       "); is the token of this server's cluster, and the address one of its "
                       "certificate (--tls-san)?");
  return std::move(status).in("join " + server);
}

// Asks until the server has answered.
Result<cluster::Welcome> join_with_patience(const cluster::JoinWish& wish) {
  for (int wait_ms = kFirstJoinMs;; wait_ms = std::min(2 * wait_ms, kLastJoinMs)) {
    auto welcome = cluster::ask_to_join(wish, system_random());
    if (welcome) return welcome;
    if (!may_pass(welcome.status())) return explain_join(welcome.status(), wish.url);
    log::warning("cluster", "cannot join yet, trying again in " + std::to_string(wait_ms / 1000) +
                                " s: " + welcome.status().message);
    if (wait_for_end(-1, wait_ms)) return Status{0, "", "told to end", {}};
  }
}

Result<cluster::Enrollment> join(ServerOptions* options) {
  const std::string& data_dir = options->node.data_dir;
  if (!options->server.starts_with(kScheme))
    return bad_request("--server \"" + options->server + "\": must be like https://10.0.0.1:6443");
  const JoinToken token = ORCH_TRY(given_server_token(*options));
  if (file_exists(data_dir + "/server/db/orch.db"))
    return bad_request(data_dir +
                       "/server holds a cluster of its own: move it away, and this "
                       "server can join the one at " +
                       options->server);
  const std::string name = ORCH_TRY(node_name(options->node));
  const cluster::Welcome welcome = ORCH_TRY(
      join_with_patience({options->server, token.ca_sha256, token.secret, name, kVersion}));
  ORCH_TRY(adopt_facts(welcome.facts, options));
  ORCH_TRY(cluster::settle_in(data_dir, welcome));
  log::info("cluster", "joined the cluster of " + options->server);
  return cluster::Enrollment{welcome.cluster, false, welcome.facts};
}

}  // namespace

std::string server_token_path(const ServerOptions& options) {
  return options.node.data_dir + "/server/server-token";
}

Result<JoinToken> kept_server_token(const ServerOptions& options) {
  return parse_join_token(ORCH_TRY(read_file(server_token_path(options), kMaxTokenBytes)));
}

Result<JoinToken> given_server_token(const ServerOptions& options) {
  const std::string text = ORCH_TRY(given_token(options.node));
  if (text.empty())
    return bad_request(
        "a server joins with --token or --token-file; the token stands on the other server in "
        "<data-dir>/server/server-token");
  JoinToken token = ORCH_TRY(parse_join_token(text));
  if (token.ca_sha256.empty())
    return bad_request(
        "--token is the secret alone, by which this server could not tell the other from an "
        "impostor; give the whole token (K10...::...), which stands there in "
        "<data-dir>/server/server-token");
  return token;
}

Result<void> check_given_token(ServerOptions* options) {
  const auto given = given_token(options->node);
  // The file may be gone since it has done its work.
  if (!options->server.empty() && !given && given.status().not_found()) {
    options->node.token_file.clear();
    return {};
  }
  const std::string text = ORCH_TRY(given);
  if (text.empty()) return {};
  const JoinToken token = ORCH_TRY(parse_join_token(text));
  const std::string& data_dir = options->node.data_dir;
  const auto ca =
      crypto::certificate_info(ORCH_TRY(read_file(tls_dir(data_dir) + "/ca.crt", kMaxPemBytes)));
  if (!token.ca_sha256.empty() && token.ca_sha256 != ORCH_TRY(ca).sha256)
    return bad_request(data_dir + " belongs to another cluster than the token");
  const JoinToken kept = ORCH_TRY(kept_server_token(*options));
  if (options->server.empty() && token.secret != kept.secret) return {};  // The nodes'.
  options->node.token.clear();
  options->node.token_file.clear();
  return {};
}

Result<std::string> settle_server_secret(const ServerOptions& options, const std::string& ca) {
  const std::string path = server_token_path(options);
  if (file_exists(path)) return ORCH_TRY(kept_server_token(options)).secret;
  const std::string secret = new_secret(system_random());
  const std::string hash = ORCH_TRY(crypto::certificate_info(ca)).sha256;
  ORCH_TRY(write_file_atomic(path, render_join_token({hash, secret}) + "\n", 0600));
  return secret;
}

std::string tls_dir(const std::string& data_dir) { return data_dir + "/server/tls"; }

std::string encryption_config_of(const ServerOptions& options) {
  return options.encryption_config.empty()
             ? apiserver::encryption_config_path(options.node.data_dir)
             : options.encryption_config;
}

cluster::Facts facts_of(const ServerOptions& o) {
  return {o.cluster_cidr, o.service_cidr, o.cluster_dns, o.cluster_domain,
          o.service_node_port_range};
}

Result<void> adopt_facts(const cluster::Facts& facts, ServerOptions* options) {
  const ServerOptions defaults;
  const struct {
    const char* flag;
    const std::string& cluster;
    const std::string& otherwise;
    std::string* given;
  } all[] = {
      {"cluster-cidr", facts.cluster_cidr, defaults.cluster_cidr, &options->cluster_cidr},
      {"service-cidr", facts.service_cidr, defaults.service_cidr, &options->service_cidr},
      {"cluster-dns", facts.cluster_dns, defaults.cluster_dns, &options->cluster_dns},
      {"cluster-domain", facts.cluster_domain, defaults.cluster_domain, &options->cluster_domain},
      {"service-node-port-range", facts.node_ports, defaults.service_node_port_range,
       &options->service_node_port_range}};
  for (const auto& fact : all) {
    if (!same_fact(*fact.given, fact.cluster) && *fact.given != fact.otherwise)
      return bad_request(std::string("--") + fact.flag + " " + *fact.given + ": the cluster has " +
                         fact.cluster +
                         ", and all of its servers must have the same; leave the flag out");
    *fact.given = fact.cluster;
  }
  return {};
}

Result<std::optional<cluster::Enrollment>> settle_enrollment(ServerOptions* options) {
  auto enrollment = ORCH_TRY(cluster::read_enrollment(options->node.data_dir));
  if (enrollment) {
    ORCH_TRY(check_given_token(options));
    ORCH_TRY(adopt_facts(enrollment->facts, options));
    return enrollment;
  }
  if (options->cluster_init && !options->server.empty())
    return bad_request(
        "--cluster-init begins a cluster and --server joins another: give one of them");
  if (options->cluster_init) return std::optional(new_enrollment(*options));
  if (options->server.empty()) return std::optional<cluster::Enrollment>();
  enrollment = ORCH_TRY(join(options));
  options->node.token.clear();
  options->node.token_file.clear();
  return enrollment;
}

Result<std::unique_ptr<cluster::Cluster>> open_cluster(
    const ServerOptions& options, const std::optional<cluster::Enrollment>& enrollment,
    const ServerPlace& place) {
  const std::string& data_dir = options.node.data_dir;
  cluster::Options cluster;
  cluster.ca = ORCH_TRY(apiserver::open_ca(tls_dir(data_dir), system_clock()));
  cluster.secret = ORCH_TRY(settle_server_secret(options, cluster.ca.certificate));
  cluster.data_dir = data_dir;
  cluster.name = place.name;
  cluster.address = place.address;
  cluster.encryption_config = encryption_config_of(options);
  cluster.version = kVersion;
  if (options.server.starts_with(kScheme))
    cluster.ask_first = options.server.substr(kScheme.size());
  cluster.single = !enrollment;
  cluster.enrollment = enrollment ? *enrollment : new_enrollment(options);
  cluster.wait = [](int fd, int timeout_ms) { return wait_for_end(fd, timeout_ms); };
  if (enrollment && enrollment->begins) ORCH_TRY(cluster::write_enrollment(data_dir, *enrollment));
  return cluster::Cluster::open(std::move(cluster));
}

Result<void> finish_repair(const ServerOptions& options, const cluster::Enrollment& enrollment,
                           const ServerPlace& place) {
  const std::string& data_dir = options.node.data_dir;
  const auto reason = cluster::repair_begun(data_dir);
  if (!reason) return {};
  log::error("cluster",
             "the store of this server is damaged, and is repaired from the others: " + *reason);
  const UniqueFd ending = ending_fd();
  cluster::Repair repair;
  repair.data_dir = data_dir;
  repair.name = place.name;
  repair.address = place.address;
  repair.ca = ORCH_TRY(apiserver::open_ca(tls_dir(data_dir), system_clock()));
  repair.cluster = enrollment.cluster;
  repair.version = kVersion;
  repair.wait = [](int fd, int timeout_ms) { return wait_for_end(fd, timeout_ms); };
  repair.cancel_fd = ending.get();
  return cluster::run_repair(repair);
}

}  // namespace orch::cli
