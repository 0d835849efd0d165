#include "server/apiserver/join.h"

#include "api/json.h"
#include "api/names.h"
#include "base/net_address.h"
#include "crypto/digest.h"
#include "server/apiserver/authenticate.h"
#include "server/apiserver/body.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/user.h"

namespace orch::apiserver {
namespace {

constexpr size_t kMaxAddresses = 16;

struct JoinRequest {
  std::string node, client_csr, serving_csr;
  std::vector<std::string> addresses;
};

Status unfit(std::string message) { return invalid("join: " + std::move(message)); }

Result<JoinRequest> read_request(const http::Request& http) {
  const ParsedBody body = ORCH_TRY(parse_body(api::Schema::builtin(), http));
  JoinRequest request;
  request.node = body.value["nodeName"].as_string();
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
  return request;
}

}  // namespace

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

Result<http::Response> Join::serve(const http::Request& http) const {
  if (http.method != "POST") return method_not_allowed("join is a POST");
  const std::string_view shown = bearer_token(http);
  if (token_.empty() || !crypto::equal_secrets(shown, token_)) return unauthorized();
  const JoinRequest request = ORCH_TRY(read_request(http));

  crypto::CertificateSpec client;
  client.common_name = std::string(kNodeUserPrefix) + request.node;
  client.organizations = {std::string(kNodesGroup)};
  client.client_auth = true;
  const crypto::CertificateSpec serving = node_serving_spec(request.node, request.addresses);

  using api::Value;
  return value_response(
      200, Value::object({{"clientCertificate",
                           ORCH_TRY(crypto::sign_csr(ca_, request.client_csr, client, clock_))},
                          {"servingCertificate",
                           ORCH_TRY(crypto::sign_csr(ca_, request.serving_csr, serving, clock_))},
                          {"ca", ca_.certificate},
                          {"clusterCidr", facts_.cluster_cidr},
                          {"serviceCidr", facts_.service_cidr},
                          {"clusterDns", facts_.cluster_dns},
                          {"clusterDomain", facts_.cluster_domain},
                          {"nodePorts", facts_.node_ports}}));
}

}  // namespace orch::apiserver
