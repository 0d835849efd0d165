#include "server/apiserver/server.h"

#include "base/files.h"
#include "base/log.h"
#include "base/timers.h"
#include "http/server.h"
#include "server/apiserver/bootstrap.h"
#include "server/apiserver/bootstrap_roles.h"
#include "server/apiserver/cluster_routes.h"
#include "server/apiserver/credentials.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/handler.h"
#include "server/apiserver/indexes.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/live_encryption.h"
#include "server/apiserver/local_api.h"
#include "server/apiserver/local_cache.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/server_list.h"
#include "server/cluster/cluster.h"
#include "store/store.h"

namespace orch::apiserver {
namespace {

constexpr int kStopGraceMs = 2'000;
constexpr size_t kSlowThreads = 4;

struct Network {
  Cidr services;
  Ipv4 advertised;
};

Result<Network> read_network(const Options& options) {
  const auto services = parse_cidr(options.facts.service_cidr);
  if (!services || services->bits > 30) {
    return bad_request("service range \"" + options.facts.service_cidr +
                       "\" is no IPv4 network of at least four addresses");
  }
  const auto advertised = parse_ipv4(options.advertise_address);
  if (!advertised) {
    return bad_request("advertised address \"" + options.advertise_address +
                       "\" is no IPv4 address");
  }
  return Network{*services, *advertised};
}

ServingNames serving_names(const Options& options, const Network& network) {
  const std::string& domain = options.facts.cluster_domain;
  ServingNames names;
  names.dns_names = {"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                     "kubernetes.default.svc." + domain};
  names.ip_addresses = {"127.0.0.1", network.advertised.text(), network.services.at(1).text()};
  for (const std::string& name : options.tls_sans) {
    (parse_ipv4(name) ? names.ip_addresses : names.dns_names).push_back(name);
  }
  return names;
}

Result<std::unique_ptr<LiveEncryption>> open_encryption(const Options& options) {
  const std::string path = options.encryption_config.empty()
                               ? encryption_config_path(options.data_dir)
                               : options.encryption_config;
  return LiveEncryption::open(path, *options.clock, *options.random);
}

Result<std::unique_ptr<store::Store>> open_store(const Options& options,
                                                 const store::Cipher& encryption,
                                                 Indexes* indexes) {
  store::Options store;
  store.follow = [indexes](std::span<const store::Event> events) { indexes->follow(events); };
  store.cipher = &encryption;
  store.engine = options.engine;
  store.directory = options.data_dir + "/server/db";
  store.clock = options.clock;
  // Leases, renewed every 10 s, are nearly all that an idle cluster writes, and mean nothing after
  // a power cut; of events the last minutes may be lost. On an SD card it is the difference that
  // counts.
  store.relaxed_flush_ms = 300'000;
  if (options.cluster) store.replication = options.cluster->replication();
  store.on_damage = options.on_damage;
  return store::Store::open(std::move(store), [](std::string_view key, std::string_view bytes) {
    return tags_of_stored(api::Schema::builtin(), key, bytes);
  });
}

Result<std::unique_ptr<Audit>> open_audit(const Options& options) {
  if (options.audit_policy_file.empty()) return std::unique_ptr<Audit>();
  const std::string& file = options.audit_policy_file;
  auto document = api::parse_yaml(ORCH_TRY(read_file(file, audit::kMaxPolicyBytes)));
  if (!document) return std::move(document).status().in(file);
  auto policy = audit::Policy::parse(*document);
  if (!policy) return std::move(policy).status().in(file);
  auto log = ORCH_TRY(audit::Log::open(options.audit_log));
  return std::unique_ptr<Audit>(new Audit{*std::move(policy), std::move(log), *options.clock,
                                          *options.random, api::Schema::builtin()});
}

// Which keys sign and check tokens: those of the flags, or the server's own.
struct TokenKeys {
  std::string signing;
  std::vector<std::string> verifying;
};
Result<TokenKeys> token_keys(const Credentials& credentials, const Options& options) {
  TokenKeys keys{credentials.tokens.private_key, {}};
  if (options.token_signing_key.empty()) {
    keys.verifying.push_back(credentials.tokens.public_key);
  } else {
    keys.signing = options.token_signing_key;
    keys.verifying.push_back(ORCH_TRY(crypto::public_key_of(keys.signing)));
  }
  const auto& more = options.token_verifying_keys;
  keys.verifying.insert(keys.verifying.end(), more.begin(), more.end());
  return keys;
}

Result<std::string> key_set(const TokenKeys& keys) {
  std::string set;
  for (const std::string& key : keys.verifying) {
    set += (set.empty() ? "" : ",") + ORCH_TRY(crypto::public_jwk(key));
  }
  return set;
}

Result<Tokens> make_tokens(const TokenKeys& keys, store::Store& store, const Options& options) {
  auto signer = ORCH_TRY(crypto::TokenSigner::create(keys.signing));
  auto verifier = ORCH_TRY(crypto::TokenVerifier::create(keys.verifying));
  return Tokens(std::move(signer), std::move(verifier), options.token_names, store, *options.clock,
                *options.random);
}

// The store is there always, under the name that clients know it by.
std::vector<std::string> with_store(std::vector<std::string> components) {
  components.emplace_back("etcd-0");
  return components;
}

}  // namespace

// Everything that stands in the server, in the order in which it is built; it is taken down the
// other way round.
struct ApiServer::Rooms {
  Rooms(Options with, const Network& network, Credentials credentials_,
        std::unique_ptr<LiveEncryption> encryption_, std::unique_ptr<Indexes> indexes_,
        std::unique_ptr<store::Store> opened, std::unique_ptr<Audit> audit_, Tokens tokens_,
        const std::string& token_keys)
      : options(std::move(with)),
        credentials(std::move(credentials_)),
        encryption(std::move(encryption_)),
        audit(std::move(audit_)),
        indexes(std::move(indexes_)),
        store(std::move(opened)),
        fresh(*store),
        timers(*options.clock),
        tokens(std::move(tokens_)),
        authorizer(indexes->policy, indexes->nodes),
        admission(*store, *options.random),
        quotas(*store),
        registry({*store, admission, authorizer, indexes->policy, quotas, indexes->services,
                  *options.clock, *options.random},
                 fresh, metrics),
        reader(*store, *options.clock),
        watches(*store, *options.clock, *options.random, timers, metrics.watches),
        streams(*store, {credentials.ca.certificate, credentials.agents.certificate,
                         credentials.agents.private_key}),
        join({credentials.ca, options.join_token, options.own_node, serving_names(options, network),
              options.cluster, options.facts, *store, registry, *options.clock, *options.random}),
        authenticator({tokens, *store, *options.clock, credentials.admin_token,
                       std::move(options.static_tokens),
                       options.oidc.issuer_url.empty()
                           ? nullptr
                           : std::make_unique<OidcIssuer>(options.oidc, *options.clock),
                       options.anonymous_auth}),
        cache(*store),
        servers(options.cluster, *store),
        handler({api::Schema::builtin(),
                 *options.clock,
                 authenticator,
                 authorizer,
                 indexes->policy,
                 reader,
                 watches,
                 registry,
                 fresh,
                 tokens,
                 streams,
                 join,
                 servers,
                 slow,
                 health,
                 *store,
                 audit.get(),
                 {options.max_requests_inflight, options.max_mutating_requests_inflight,
                  kMaxSystemInFlight},
                 metrics,
                 more_metrics,
                 network.advertised.text() + ":" + std::to_string(options.port),
                 token_keys,
                 with_store(options.components)}) {}

  Options options;
  Credentials credentials;
  std::unique_ptr<LiveEncryption> encryption;
  std::unique_ptr<Audit> audit;
  std::unique_ptr<Indexes> indexes;  // Followed by the store until it is closed.
  std::unique_ptr<store::Store> store;
  Fresh fresh;
  Leading leading{*store};
  Timers timers;
  Tokens tokens;
  Authorizer authorizer;
  Admission admission;
  Quotas quotas;
  ServerMetrics metrics;
  MetricSources more_metrics;
  Registry registry;
  Reader reader;
  WatchServer watches;
  Streams streams;
  Join join;
  Authenticator authenticator;
  LocalCache cache;
  ClusterRoutes servers;
  TaskPool slow{kSlowThreads};
  Health health{*store, options.cluster != nullptr};
  Handler handler;
  std::unique_ptr<http::Server> http;
};

ApiServer::ApiServer(std::unique_ptr<Rooms> rooms) : rooms_(std::move(rooms)) {}
ApiServer::~ApiServer() { stop(); }

Result<std::unique_ptr<ApiServer>> ApiServer::start(Options options) {
  const Network network = ORCH_TRY(read_network(options));
  Credentials credentials =
      ORCH_TRY(open_credentials(options.data_dir + "/server/tls", serving_names(options, network),
                                *options.clock, *options.random));
  auto encryption = ORCH_TRY(open_encryption(options));
  auto indexes = std::make_unique<Indexes>(
      ServiceRanges{network.services, options.first_node_port, options.last_node_port},
      *options.random);
  auto store = ORCH_TRY(open_store(options, *encryption, indexes.get()));
  auto audit = ORCH_TRY(open_audit(options));
  const TokenKeys keys = ORCH_TRY(token_keys(credentials, options));
  Tokens tokens = ORCH_TRY(make_tokens(keys, *store, options));
  ORCH_TRY(check_oidc_options(options.oidc));
  const std::string key_set_text = ORCH_TRY(key_set(keys));
  std::unique_ptr<ApiServer> server(new ApiServer(std::make_unique<Rooms>(
      std::move(options), network, std::move(credentials), std::move(encryption),
      std::move(indexes), std::move(store), std::move(audit), std::move(tokens), key_set_text)));
  Rooms& rooms = *server->rooms_;
  rooms.leading.start();

  http::ServerOptions http;
  http.bind_address = rooms.options.bind_address;
  http.port = rooms.options.port;
  // The CA goes along: a node that joins knows no more of it than its fingerprint.
  http.tls = {rooms.credentials.serving.certificate + rooms.credentials.ca.certificate,
              rooms.credentials.serving.private_key, rooms.credentials.ca.certificate};
  http.threads = rooms.options.io_threads;
  http.streams_body = [](const http::Request& head) {
    const auto target = route(api::Schema::builtin(), head.method, head.target);
    return target && target->subresource_name() == "proxy";
  };
  http.refusal = [limit = http.max_body_bytes](Status status) {
    if (status.code == 413)
      status.message = "Request entity too large: limit is " + std::to_string(limit);
    return status_response(status);
  };
  rooms.http = ORCH_TRY(http::Server::start(
      std::move(http), [&rooms](const std::shared_ptr<http::Exchange>& exchange) {
        rooms.handler.handle(exchange);
      }));
  if (rooms.options.cluster) ORCH_TRY(rooms.options.cluster->enter(*rooms.store));
  // It listens first, for its port belongs into its own Service, and is ready afterwards.
  const auto api = server->api("system:apiserver");
  ORCH_TRY(run_bootstrap(*api, {rooms.http->port(), network.services.at(1)}));
  ORCH_TRY(bootstrap_roles(*rooms.store, rooms.registry));
  ORCH_TRY(server->list_servers({network.advertised, rooms.http->port(), true}));
  // Without it a rotation of secrets waits for the next start.
  if (rooms.fresh.alone()) {
    if (const auto followed = rooms.encryption->follow(*rooms.store); !followed) {
      log::warning("apiserver", followed.status().message);
    }
  }
  rooms.health.started = true;
  log::info("apiserver",
            "serving on " + rooms.options.bind_address + ":" + std::to_string(rooms.http->port()));
  return server;
}

// A single server lists itself, once; of several the leader keeps the list.
Result<void> ApiServer::list_servers(const SeenServer& self) {
  if (self.address.is_loopback()) {
    log::warning("apiserver",
                 "no address that pods could reach is advertised: the Service "
                 "default/kubernetes has no endpoints");
  }
  cluster::Cluster* const cluster = rooms_->options.cluster;
  if (cluster == nullptr || rooms_->store->alone()) {
    std::map<Ipv4, int> missed;
    ORCH_TRY(publish_servers(*api("system:apiserver"), plan_list({self}, {}, &missed)));
  }
  if (cluster == nullptr) return {};
  rooms_->leading.add([this, self, cluster](uint64_t term) -> std::unique_ptr<Leading::Work> {
    if (rooms_->store->alone()) return nullptr;
    return std::make_unique<ServerList>(api("system:apiserver", term), self, [this, cluster] {
      return look_at_servers(*cluster, *rooms_->store);
    });
  });
  return {};
}

Leading& ApiServer::leading() { return rooms_->leading; }

std::unique_ptr<client::Api> ApiServer::api(const std::string& user_name,
                                            std::optional<uint64_t> only_in_term) {
  User user;
  user.name = user_name;
  user.groups = {std::string(kMastersGroup), std::string(kAuthenticatedGroup)};
  return std::make_unique<LocalApi>(
      LocalApi::Parts{*rooms_->store, rooms_->registry, rooms_->fresh, rooms_->tokens,
                      rooms_->metrics, rooms_->authenticator, rooms_->authorizer,
                      rooms_->indexes->policy,
                      // What every start puts right is no news.
                      rooms_->health.started ? rooms_->audit.get() : nullptr},
      std::move(user), only_in_term);
}

client::Cache& ApiServer::cache() { return rooms_->cache; }

std::shared_ptr<void> ApiServer::add_metrics(MetricSources::Append append) {
  return rooms_->more_metrics.add(std::move(append));
}

uint16_t ApiServer::port() const { return rooms_->http->port(); }

std::string ApiServer::url() const { return "https://127.0.0.1:" + std::to_string(port()); }

const std::string& ApiServer::ca_certificate() const { return rooms_->credentials.ca.certificate; }

const crypto::Identity& ApiServer::ca() const { return rooms_->credentials.ca; }

const std::string& ApiServer::token_signing_key() const {
  const std::string& given = rooms_->options.token_signing_key;
  return given.empty() ? rooms_->credentials.tokens.private_key : given;
}

const crypto::Identity& ApiServer::admin_identity() const { return rooms_->credentials.admin; }

Result<crypto::Identity> ApiServer::issue_node_identity(
    const std::string& node_name, const std::vector<std::string>& addresses) const {
  return crypto::issue_certificate(rooms_->credentials.ca, node_serving_spec(node_name, addresses),
                                   *rooms_->options.clock);
}

std::string ApiServer::admin_kubeconfig(const std::string& url) const {
  return render_kubeconfig(rooms_->credentials, url);
}

const std::string& ApiServer::admin_token() const { return rooms_->credentials.admin_token; }

// First the sources of work, then what works, the store last: what was accepted is finished.
void ApiServer::stop() {
  rooms_->health.stopping = true;
  rooms_->leading.stop();
  if (rooms_->http) rooms_->http->stop(kStopGraceMs);
  rooms_->authenticator.stop();
  rooms_->watches.stop();
  rooms_->streams.stop();
  rooms_->slow.stop();
  rooms_->registry.stop();
  rooms_->fresh.stop();
  rooms_->timers.stop();
  rooms_->encryption->stop();
  rooms_->store->close();
  rooms_->servers.stop();  // What waits there for a majority has been told by the store.
  if (rooms_->options.cluster) rooms_->options.cluster->stop();
  if (rooms_->audit) rooms_->audit->log->close();
}

}  // namespace orch::apiserver
