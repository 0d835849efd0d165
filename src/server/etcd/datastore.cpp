#include "server/etcd/datastore.h"

#include "api/duration.h"
#include "base/files.h"
#include "base/strings.h"
#include "server/etcd/etcd_log.h"

namespace orch::etcd {

namespace {

constexpr size_t kMaxPemBytes = 1u << 20;
constexpr int kLeadCallMs = 1'500;  // A part of the lease.

Result<std::string> read_pem(const char* flag, const std::string& path) {
  if (path.empty()) return std::string();
  auto text = read_file(path, kMaxPemBytes);
  if (!text) return std::move(text).status().in(flag);
  return text;
}

Result<std::vector<std::string>> parse_endpoints(const std::string& text) {
  std::vector<std::string> endpoints;
  for (const std::string_view part : split(text, ',')) {
    const std::string endpoint(trim(part));
    if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://")) {
      return bad_request("--datastore-endpoint \"" + endpoint +
                         "\": must be an http:// or https:// URL of etcd");
    }
    endpoints.push_back(endpoint);
  }
  return endpoints;
}

Result<std::chrono::milliseconds> parse_compaction(const std::string& text) {
  const auto ns = api::parse_duration_ns(text);
  if (!ns || *ns < 0 || (*ns > 0 && *ns < 1'000'000'000))
    return bad_request("--etcd-compaction-interval \"" + text +
                       "\": must be a time like 5m, at least 1s, or 0");
  return std::chrono::milliseconds(*ns / 1'000'000);
}

}  // namespace

Result<std::unique_ptr<Datastore>> Datastore::create(const DatastoreFlags& flags, Random& random) {
  GatewayOptions gateway;
  gateway.endpoints = ORCH_TRY(parse_endpoints(flags.endpoint));
  gateway.ca = ORCH_TRY(read_pem("--datastore-cafile", flags.ca_file));
  gateway.certificate = ORCH_TRY(read_pem("--datastore-certfile", flags.cert_file));
  gateway.private_key = ORCH_TRY(read_pem("--datastore-keyfile", flags.key_file));
  if (gateway.certificate.empty() != gateway.private_key.empty())
    return bad_request("--datastore-certfile and --datastore-keyfile go together");
  LeadOptions lead;
  lead.server = random.next_u64() | 1;
  lead.compaction = ORCH_TRY(parse_compaction(flags.compaction));
  auto calls = ORCH_TRY(Gateway::create(gateway));
  gateway.call_ms = kLeadCallMs;
  auto lead_calls = ORCH_TRY(Gateway::create(gateway));
  return std::unique_ptr<Datastore>(new Datastore(std::move(calls), std::move(lead_calls), lead));
}

// Of several servers of etcd one that is down may come first.
Result<Shared> Datastore::shared() {
  auto answer = gateway_->call(kRangePath, shared_request());
  for (size_t left = gateway_->servers(); !answer && left > 1; --left)
    answer = gateway_->call(kRangePath, shared_request());
  if (!answer) return std::move(answer).status().in("--datastore-endpoint");
  return read_shared(*answer);
}

Result<void> Datastore::share(std::string_view sealed, int64_t revision) {
  auto answer = gateway_->call(kTxnPath, share_request(sealed, revision));
  if (!answer) return std::move(answer).status().in("--datastore-endpoint");
  if (!(*answer)["succeeded"].as_bool())
    return conflict("another server has just shared its keys through etcd: start this one again");
  return {};
}

Result<std::unique_ptr<store::Log>> Datastore::start(std::unique_ptr<store::Mirror> mirror,
                                                     const store::Options& options) {
  auto log = EtcdLog::start(*gateway_, *lead_gateway_, std::move(mirror), options, lead_);
  if (!log) return std::move(log).status().in("--datastore-endpoint");
  return std::unique_ptr<store::Log>(*std::move(log));
}

}  // namespace orch::etcd
