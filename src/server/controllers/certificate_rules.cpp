#include "server/controllers/certificate_rules.h"

#include <algorithm>
#include <set>

#include "base/time_spans.h"

namespace orch::controllers {
namespace {

using api::Value;
using std::chrono::hours;
using std::chrono::minutes;

constexpr auto kLongest = hours(24 * 365);
constexpr auto kBackdate = minutes(5);
constexpr auto kPendingLife = hours(24);
constexpr auto kDecidedLife = hours(1);

constexpr std::string_view kNodePrefix = "system:node:";

Result<void> check_usages(const Value& usages, const std::set<std::string>& required) {
  std::set<std::string> asked;
  for (const Value& usage : usages.items()) asked.insert(usage.as_string());
  for (const std::string& usage : required) {
    if (!asked.contains(usage)) return bad_request("usages did not match: needs \"" + usage + "\"");
  }
  for (const std::string& usage : asked) {
    if (required.contains(usage) || usage == "key encipherment" || usage == "digital signature") {
      continue;
    }
    return bad_request("usages did not match: \"" + usage + "\" is not allowed");
  }
  return {};
}

Result<void> check_node_subject(const crypto::CsrInfo& info) {
  if (info.organizations != std::vector<std::string>{"system:nodes"}) {
    return bad_request("subject organization is not system:nodes");
  }
  const std::string_view name = info.common_name;
  if (!name.starts_with(kNodePrefix) || name.size() == kNodePrefix.size()) {
    return bad_request("subject common name does not begin with system:node: ");
  }
  return {};
}

Result<void> check_kubelet_client(const Value& usages, const crypto::CsrInfo& info) {
  ORCH_TRY(check_node_subject(info));
  if (!info.dns_names.empty()) return bad_request("DNS subjectAltNames are not allowed");
  if (!info.ip_addresses.empty()) return bad_request("IP subjectAltNames are not allowed");
  if (info.other_names) return bad_request("Email and URI subjectAltNames are not allowed");
  return check_usages(usages, {"client auth", "digital signature"});
}

Result<void> check_kubelet_serving(const Value& usages, const crypto::CsrInfo& info) {
  ORCH_TRY(check_node_subject(info));
  if (info.dns_names.empty() && info.ip_addresses.empty()) {
    return bad_request("DNS or IP subjectAltName is required");
  }
  if (info.other_names) return bad_request("Email and URI subjectAltNames are not allowed");
  return check_usages(usages, {"server auth", "digital signature"});
}

// Servers know each other by these (server/cluster/identity.h), and only servers make them.
Result<void> check_not_a_server(const crypto::CsrInfo& info) {
  const auto reserved = [](std::string_view name) {
    return name.starts_with("orch:") || name.ends_with(".orch_server");
  };
  std::vector<std::string> names = info.organizations;
  names.push_back(info.common_name);
  names.insert(names.end(), info.dns_names.begin(), info.dns_names.end());
  if (std::none_of(names.begin(), names.end(), reserved)) return {};
  return bad_request("names that begin with orch: or end with .orch_server are servers' own");
}

bool asks_for(const Value& usages, std::string_view usage) {
  return std::any_of(usages.items().begin(), usages.items().end(),
                     [&](const Value& each) { return each.as_string() == usage; });
}

}  // namespace

bool is_built_in_signer(std::string_view name) {
  return name == kClientSigner || name == kKubeletClientSigner || name == kKubeletServingSigner;
}

bool has_condition(const Value& request, std::string_view type) {
  const auto& all = request["status"]["conditions"].items();
  return std::any_of(all.begin(), all.end(),
                     [&](const Value& each) { return each["type"].as_string() == type; });
}

Result<crypto::CertificateSpec> plan_certificate(const Value& request, const crypto::CsrInfo& info,
                                                 WallTime now, WallTime ca_ends) {
  const Value& spec = request["spec"];
  const Value& usages = spec["usages"];
  const std::string& signer = spec["signerName"].as_string();
  const bool serving = signer == kKubeletServingSigner;
  ORCH_TRY(check_not_a_server(info));
  if (signer == kKubeletClientSigner) {
    ORCH_TRY(check_kubelet_client(usages, info));
  } else if (serving) {
    ORCH_TRY(check_kubelet_serving(usages, info));
  } else {
    ORCH_TRY(check_usages(usages, {"client auth"}));
    if (info.other_names) return bad_request("Email and URI subjectAltNames are not signed here");
  }
  crypto::CertificateSpec made;
  made.common_name = info.common_name;
  made.organizations = info.organizations;
  made.dns_names = info.dns_names;
  made.ip_addresses = info.ip_addresses;
  made.server_auth = serving;
  made.client_auth = !serving;
  made.key_encipherment = asks_for(usages, "key encipherment");
  made.backdate = kBackdate;
  made.validity = kLongest;
  if (const Value& seconds = spec["expirationSeconds"]; seconds.is_int()) {
    made.validity = std::min(made.validity, std::chrono::seconds(seconds.as_int()));
  }
  const auto left = std::chrono::floor<std::chrono::seconds>(ca_ends - now);
  made.validity = std::min(made.validity, left);
  return made;
}

bool is_kubelet_client_request(const Value& request, const crypto::CsrInfo& info) {
  return request["spec"]["signerName"].as_string() == kKubeletClientSigner &&
         check_kubelet_client(request["spec"]["usages"], info).ok();
}

WallTime plan_end(const Value& request, WallTime certificate_ends) {
  WallTime end{};
  parse_time(request["metadata"]["creationTimestamp"].as_string(), &end);
  end += kPendingLife;
  for (const Value& condition : request["status"]["conditions"].items()) {
    WallTime decided{};
    if (!parse_time(condition["lastUpdateTime"].as_string(), &decided)) continue;
    end = std::min(end, later(decided, kDecidedLife));
  }
  if (certificate_ends != WallTime{}) end = std::min(end, certificate_ends);
  return end;
}

}  // namespace orch::controllers
