// ApiServer: the whole API server of one process: store, credentials, write pipeline, watches and
// the HTTPS door before them; and the same without HTTPS for loops that live in this process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "client/api.h"
#include "crypto/pki.h"
#include "server/apiserver/in_flight.h"
#include "server/apiserver/join.h"
#include "server/apiserver/metrics_page.h"
#include "server/apiserver/oidc_claims.h"
#include "server/apiserver/static_tokens.h"
#include "server/apiserver/tokens.h"
#include "server/audit/log.h"

namespace orch::cluster {
class Cluster;
}

namespace orch::store {
class Engine;
}

namespace orch::apiserver {

class Leading;
struct SeenServer;

struct Options {
  std::string data_dir;             // Below it: server/db (the store) and server/tls.
  store::Engine* engine = nullptr;  // Keeps the store elsewhere; outlives the server.
  std::string bind_address = "0.0.0.0";
  uint16_t port = 6443;               // 0 = any free one, see ApiServer::port().
  std::string advertise_address;      // IPv4, as nodes and pods reach this server.
  std::vector<std::string> tls_sans;  // More names and addresses of the server.
  cluster::Facts facts;               // Ranges and DNS of the cluster.
  uint16_t first_node_port = 30000, last_node_port = 32767;
  std::string own_node;  // The node in this process, whose name is not given away; "" = none.
  // Tokens of service accounts, beside or instead of the server's own key. PEM, ECDSA P-256.
  TokenNames token_names;
  std::string token_signing_key;
  std::vector<std::string> token_verifying_keys;
  StaticTokens static_tokens;
  OidcOptions oidc;
  bool anonymous_auth = true;     // Who shows no credentials is system:anonymous; else 401.
  std::string encryption_config;  // See encryption.h; "" = in the data directory.
  std::string join_token;         // Lets nodes join; "" = none may.
  std::string audit_policy_file;  // "" = no audit; else audit_log.path must be given.
  audit::LogOptions audit_log;
  int max_requests_inflight = kMaxReadOnlyInFlight;  // 0: no limit.
  int max_mutating_requests_inflight = kMaxMutatingInFlight;
  int io_threads = 2;
  cluster::Cluster* cluster = nullptr;           // Outlives the server. Null: it is a single one.
  std::function<void(const Status&)> on_damage;  // As in the store's Options.
  // What of the control plane runs in this process besides: the names that ComponentStatus gives.
  std::vector<std::string> components;
  Clock* clock = &system_clock();
  Random* random = &system_random();
};

class ApiServer {
 public:
  // Returns once it listens and the bootstrap objects stand; before that, one of several servers
  // waits for the others (cluster::Cluster::enter). Blocking.
  static Result<std::unique_ptr<ApiServer>> start(Options options);
  ~ApiServer();  // stop()s.

  // The door for loops in this process, as an identity of system:masters. Lives as long as the
  // server; blocking calls. `only_in_term`: for what runs on the leader only, see Leading.
  std::unique_ptr<client::Api> api(const std::string& user_name,
                                   std::optional<uint64_t> only_in_term = std::nullopt);
  client::Cache& cache();
  // What runs on one server at a time is added here.
  Leading& leading();
  // For what else lives in this process: asked at /metrics until the handle is let go.
  std::shared_ptr<void> add_metrics(MetricSources::Append append);

  uint16_t port() const;
  std::string url() const;  // "https://127.0.0.1:6443", for clients on this machine.
  const std::string& ca_certificate() const;
  const crypto::Identity& ca() const;            // With its key: for whoever signs certificates.
  const std::string& token_signing_key() const;  // PEM.
  const crypto::Identity& admin_identity() const;
  // What a node in this process serves its endpoint with: signed for its name and addresses.
  Result<crypto::Identity> issue_node_identity(const std::string& node_name,
                                               const std::vector<std::string>& addresses) const;
  // A kubeconfig of the administrator, for `url`.
  std::string admin_kubeconfig(const std::string& url) const;

  // A bearer token of system:masters, kept in server/tls/admin.token.
  const std::string& admin_token() const;

  // Ends requests, watches and writes in good order. Idempotent.
  void stop();

 private:
  struct Rooms;
  explicit ApiServer(std::unique_ptr<Rooms> rooms);
  Result<void> list_servers(const SeenServer& self);

  std::unique_ptr<Rooms> rooms_;
};

}  // namespace orch::apiserver
