#include "server/apiserver/join.h"

#include <algorithm>

#include "api/json.h"
#include "api/names.h"
#include "api/resources.h"
#include "base/net_address.h"
#include "base/strings.h"
#include "crypto/digest.h"
#include "server/apiserver/authenticate.h"
#include "server/apiserver/body.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/user.h"
#include "server/cluster/cluster.h"

namespace orch::apiserver {
namespace {

constexpr size_t kMaxAddresses = 16;
constexpr size_t kMinPassword = 16, kMaxPassword = 256;
constexpr std::string_view kSecretSuffix = ".node-password.orch";
constexpr size_t kMaxNameBytes = 200;  // The Secret's name is longer, and has its limit.

struct JoinRequest {
  std::string node, password, client_csr, serving_csr;
  std::vector<std::string> addresses;
};

Status unfit(std::string message) { return invalid("join: " + std::move(message)); }

Result<JoinRequest> read_request(const http::Request& http) {
  const ParsedBody body = ORCH_TRY(parse_body(api::Schema::builtin(), http));
  JoinRequest request;
  request.node = body.value["nodeName"].as_string();
  request.password = body.value["nodePassword"].as_string();
  request.client_csr = body.value["clientCsr"].as_string();
  request.serving_csr = body.value["servingCsr"].as_string();
  for (const api::Value& address : body.value["addresses"].items()) {
    const std::string& text = address.as_string();
    const auto ip = parse_ipv4(text);
    if (!ip || ip->is_loopback() || !ip->is_set()) {
      return unfit("\"" + text + "\" is not an address that a node can be reached at");
    }
    if (request.addresses.size() == kMaxAddresses) return unfit("too many addresses");
    request.addresses.push_back(text);
  }
  if (const auto problems = api::dns_subdomain_problems(request.node); !problems.empty()) {
    return unfit("nodeName \"" + request.node + "\": " + problems.front());
  }
  if (request.node.size() > kMaxNameBytes) return unfit("nodeName is too long");
  if (request.password.size() < kMinPassword || request.password.size() > kMaxPassword) {
    return unfit("nodePassword must have " + std::to_string(kMinPassword) + " to " +
                 std::to_string(kMaxPassword) + " bytes");
  }
  return request;
}

// "salt:hash"
std::string hashed(const std::string& salt, const std::string& password) {
  return salt + ":" + crypto::sha256_hex(salt + ":" + password);
}

bool knows(const api::Value& secret, const std::string& password) {
  const std::string kept = base64_decode(secret["data"]["hash"].as_string()).value_or("");
  const size_t colon = kept.find(':');
  return colon != kept.npos && crypto::equal_secrets(kept, hashed(kept.substr(0, colon), password));
}

bool shows_certificate_of(const http::Request& http, const std::string& node) {
  if (!http.peer.has_certificate) return false;
  User user;
  user.name = http.peer.common_name;
  user.groups = http.peer.organizations;
  return user.node() == node;
}

WriteRequest new_secret(const std::string& name, const std::string& hash) {
  using api::Value;
  WriteRequest write;
  write.resource = &api::resource::secrets();
  write.ns = "kube-system";
  write.user.name = "system:apiserver";
  write.user.groups = {std::string(kMastersGroup)};
  write.options.field_manager = "apiserver";
  write.body = Value::object({{"metadata", Value::object({{"name", name}})},
                              {"type", "orch/node-password"},
                              {"data", Value::object({{"hash", base64_encode(hash)}})}});
  return write;
}

}  // namespace

std::string node_password_key(const std::string& node_name) {
  return store_key(api::resource::secrets(), "kube-system", node_name + std::string(kSecretSuffix));
}

crypto::CertificateSpec node_serving_spec(const std::string& node_name,
                                          const std::vector<std::string>& addresses) {
  crypto::CertificateSpec spec;
  spec.common_name = std::string(kNodeUserPrefix) + node_name;
  spec.organizations = {std::string(kNodesGroup)};
  spec.server_auth = true;
  spec.dns_names = {node_name};
  spec.ip_addresses = addresses;
  return spec;
}

Result<void> check_serving(const std::string& node_name, const std::vector<std::string>& addresses,
                           const Facts& facts, const std::vector<Taken>& taken) {
  for (const std::string& address : addresses) {
    const auto ip = parse_ipv4(address);
    for (const std::string& range : {facts.service_cidr, facts.cluster_cidr}) {
      const auto cidr = parse_cidr(range);
      if (!ip || !cidr || !cidr->contains(*ip)) continue;
      return forbidden("no node is at " + address + ", which is in the cluster's " + range);
    }
  }
  for (const Taken& each : taken) {
    const bool is_name = to_lower(each.what) == node_name;
    if (!is_name && std::ranges::find(addresses, each.what) == addresses.end()) continue;
    return forbidden("node \"" + node_name + "\" can't have a certificate for " + each.what +
                     ": it belongs to " + each.whose);
  }
  return {};
}

std::vector<Taken> Join::taken(const std::string& node) const {
  std::vector<Taken> all;
  for (const auto* names : {&parts_.own_names.dns_names, &parts_.own_names.ip_addresses}) {
    for (const std::string& name : *names) all.push_back({"a server", name});
  }
  if (parts_.cluster) {
    for (const cluster::Contact& server : parts_.cluster->contacts()) {
      all.push_back({"a server", server.name});
      all.push_back({"a server", server.address.substr(0, server.address.rfind(':'))});
    }
  }
  const std::string folder = store_prefix(api::resource::nodes(), "");
  const auto nodes = parts_.store.range({.prefix = folder});
  if (!nodes) return all;
  for (const store::RecordPtr& record : nodes->records) {
    const std::string name(record->key.substr(folder.size()));
    if (name == node) continue;
    const std::string whose = "node " + name +
                              " (where that one is gone for good, kubectl delete " + "node " +
                              name + ")";
    const api::Value object = decode_stored(record->bytes);
    for (const api::Value& address : object["status"]["addresses"].items()) {
      if (address["type"].as_string() == "Hostname") continue;
      all.push_back({whose, address["address"].as_string()});
    }
  }
  return all;
}

Result<void> Join::check_token(const http::Request& http) const {
  if (http.method != "POST") return method_not_allowed("join is a POST");
  const std::string_view shown = bearer_token(http);
  if (parts_.token.empty() || !crypto::equal_secrets(shown, parts_.token)) return unauthorized();
  return {};
}

Result<void> Join::claim_name(const http::Request& http, const std::string& node,
                              const std::string& password) const {
  if (node == parts_.own_node) {
    return forbidden("node name \"" + node + "\" is the server's own");
  }
  if (shows_certificate_of(http, node)) return {};
  const std::string name = node + std::string(kSecretSuffix);
  const auto kept = [&] { return parts_.store.get(node_password_key(node)); };
  auto record = kept();
  const bool stands = parts_.store.get(store_key(api::resource::nodes(), "", node)) != nullptr;
  if (!record && !stands) {
    const std::string salt = parts_.random.uuid();
    const auto made = parts_.registry.run(new_secret(name, hashed(salt, password)));
    if (made) return {};
    if (!made.status().already_exists()) return made.status();
    record = kept();  // Two came at once.
  }
  if (record && knows(decode_stored(record->bytes), password)) return {};
  return forbidden("node name \"" + node +
                   "\" belongs to another machine; if that one is gone for good, kubectl delete "
                   "node " +
                   node + " makes its name free");
}

Result<http::Response> Join::serve(const http::Request& http) const {
  ORCH_TRY(check_token(http));
  const JoinRequest request = ORCH_TRY(read_request(http));
  ORCH_TRY(check_serving(request.node, request.addresses, parts_.facts, taken(request.node)));
  ORCH_TRY(claim_name(http, request.node, request.password));

  crypto::CertificateSpec client;
  client.common_name = std::string(kNodeUserPrefix) + request.node;
  client.organizations = {std::string(kNodesGroup)};
  client.client_auth = true;
  const crypto::CertificateSpec serving = node_serving_spec(request.node, request.addresses);
  std::string client_certificate =
      ORCH_TRY(crypto::sign_csr(parts_.ca, request.client_csr, client, parts_.clock));
  std::string serving_certificate =
      ORCH_TRY(crypto::sign_csr(parts_.ca, request.serving_csr, serving, parts_.clock));

  using api::Value;
  return value_response(200, Value::object({{"clientCertificate", std::move(client_certificate)},
                                            {"servingCertificate", std::move(serving_certificate)},
                                            {"ca", parts_.ca.certificate},
                                            {"clusterCidr", parts_.facts.cluster_cidr},
                                            {"serviceCidr", parts_.facts.service_cidr},
                                            {"clusterDns", parts_.facts.cluster_dns},
                                            {"clusterDomain", parts_.facts.cluster_domain},
                                            {"nodePorts", parts_.facts.node_ports}}));
}

}  // namespace orch::apiserver
