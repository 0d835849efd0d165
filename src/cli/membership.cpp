#include "cli/membership.h"

#include <algorithm>

#include "api/json.h"
#include "base/files.h"
#include "base/strings.h"
#include "client/connection.h"

namespace orch::cli {

namespace {

using api::Value;

constexpr size_t kMaxFileBytes = 256 << 10;
constexpr size_t kMaxPasswordBytes = 256;
constexpr size_t kMaxAnswerBytes = 256 << 10;
constexpr int kTimeoutMs = 10'000;
constexpr const char* kJoinPath = "/orch/v1/join";

// The fields as they stand in the file; all are texts.
struct Field {
  const char* name;
  std::string* value;
};
std::vector<Field> fields_of(Membership& m) {
  return {{"nodeName", &m.node_name},
          {"nodeIP", &m.node_ip},
          {"clientCertificate", &m.client.certificate},
          {"clientKey", &m.client.private_key},
          {"servingCertificate", &m.serving.certificate},
          {"servingKey", &m.serving.private_key},
          {"ca", &m.ca},
          {"clusterCidr", &m.cluster_cidr},
          {"serviceCidr", &m.service_cidr},
          {"clusterDns", &m.cluster_dns},
          {"clusterDomain", &m.cluster_domain},
          {"nodePorts", &m.node_ports}};
}

// Takes those of the fields that an object names.
void take_fields(const Value& object, Membership* membership) {
  for (const Field& field : fields_of(*membership)) {
    const std::string& text = object[field.name].as_string();
    if (!text.empty()) *field.value = text;
  }
}

Result<void> check_whole(Membership& membership) {
  for (const Field& field : fields_of(membership))
    if (field.value->empty()) return bad_request(std::string(field.name) + " is missing");
  for (const crypto::Identity* identity : {&membership.client, &membership.serving})
    if (!crypto::key_matches(identity->certificate, identity->private_key))
      return bad_request("a certificate does not belong to its key");
  return {};
}

Result<Value> request_body(const JoinWish& wish, const Membership& membership) {
  const std::string client = ORCH_TRY(crypto::make_csr({}, membership.client.private_key));
  const std::string serving = ORCH_TRY(crypto::make_csr({}, membership.serving.private_key));
  return Value::object({{"nodeName", wish.node_name},
                        {"nodePassword", wish.password},
                        {"clientCsr", client},
                        {"servingCsr", serving},
                        {"addresses", Value::array({wish.node_ip})}});
}

Result<Value> send_wish(const JoinWish& wish, const Value& body) {
  http::ClientOptions options;
  options.url = wish.server;
  options.ca_sha256 = wish.token.ca_sha256;
  options.certificate = wish.identity.certificate;
  options.private_key = wish.identity.private_key;
  options.connect_timeout_ms = kTimeoutMs;
  options.response_timeout_ms = kTimeoutMs;
  options.max_body_bytes = kMaxAnswerBytes;
  http::Request request;
  request.target = kJoinPath;
  request.headers.set("Authorization", "Bearer " + wish.token.secret);
  return client::post_once(std::move(options), std::move(request), body);
}

}  // namespace

bool Membership::operator==(const Membership& other) const {
  Membership left = *this, right = other;
  const auto mine = fields_of(left), others = fields_of(right);
  return std::equal(mine.begin(), mine.end(), others.begin(),
                    [](const Field& a, const Field& b) { return *a.value == *b.value; });
}

Result<Membership> join_cluster(const JoinWish& wish) {
  Membership membership;
  membership.node_name = wish.node_name;
  membership.node_ip = wish.node_ip;
  membership.client.private_key = ORCH_TRY(crypto::generate_key()).private_key;
  membership.serving.private_key = ORCH_TRY(crypto::generate_key()).private_key;
  const Value answer = ORCH_TRY(send_wish(wish, ORCH_TRY(request_body(wish, membership))));
  take_fields(answer, &membership);
  if (auto whole = check_whole(membership); !whole)
    return std::move(whole).status().in("the server's answer");
  if (ORCH_TRY(crypto::certificate_info(membership.ca)).sha256 != wish.token.ca_sha256)
    return bad_request("the server's answer: its CA is not the token's");
  return membership;
}

Standing judge(const Membership& membership, const std::string& node_name,
               const std::string& node_ip, const std::string& ca_sha256, WallTime now) {
  if (membership.node_name != node_name || membership.node_ip != node_ip) return Standing::useless;
  const auto ca = crypto::certificate_info(membership.ca);
  if (!ca || (!ca_sha256.empty() && ca->sha256 != ca_sha256)) return Standing::useless;
  Standing standing = Standing::good;
  for (const crypto::Identity* identity : {&membership.client, &membership.serving}) {
    const auto info = crypto::certificate_info(identity->certificate);
    if (!info || info->not_after <= now) return Standing::useless;
    if (info->not_after - now < (info->not_after - info->not_before) / 3)
      standing = Standing::ageing;
  }
  return standing;
}

Result<std::optional<Membership>> read_membership(const std::string& path) {
  if (!file_exists(path)) return std::optional<Membership>();
  const auto read = [&]() -> Result<Membership> {
    const std::string text = ORCH_TRY(read_file(path, kMaxFileBytes));
    Membership membership;
    take_fields(ORCH_TRY(api::parse_json(text)), &membership);
    ORCH_TRY(check_whole(membership));
    return membership;
  };
  auto membership = read();
  if (!membership) return std::move(membership).status().in(path);
  return std::optional<Membership>(std::move(*membership));
}

Result<std::string> keep_node_password(const std::string& path, Random& random) {
  if (file_exists(path)) return std::string(trim(ORCH_TRY(read_file(path, kMaxPasswordBytes))));
  const std::string text = new_secret(random);
  ORCH_TRY(make_dirs(path.substr(0, path.rfind('/')), 0700));
  ORCH_TRY(write_file_atomic(path, text + "\n", 0600));
  return text;
}

Result<void> write_membership(const std::string& path, const Membership& membership) {
  ORCH_TRY(make_dirs(path.substr(0, path.rfind('/')), 0700));
  Membership copy = membership;
  Value object = Value::object({});
  for (const Field& field : fields_of(copy)) object.set(field.name, *field.value);
  return write_file_atomic(path, api::to_json(object) + "\n", 0600);
}

Result<std::vector<std::string>> read_servers(const std::string& path) {
  std::vector<std::string> urls;
  if (!file_exists(path)) return urls;
  const std::string text = ORCH_TRY(read_file(path, kMaxFileBytes));
  for (const auto& line : split(text, '\n')) {
    if (std::string(line).starts_with("https://")) urls.emplace_back(line);
  }
  return urls;
}

Result<void> write_servers(const std::string& path, const std::vector<std::string>& urls) {
  std::string text;
  for (const std::string& url : urls) text += url + "\n";
  if (read_file(path, kMaxFileBytes).value_or("") == text) return {};
  return write_file_atomic(path, text, 0600);
}

std::vector<std::string> servers_of(const Value& slice) {
  std::vector<std::string> urls;
  const int64_t port = slice["ports"][0]["port"].as_int();
  for (const Value& endpoint : slice["endpoints"].items()) {
    const std::string& address = endpoint["addresses"][0].as_string();
    if (parse_ipv4(address) && port > 0) {
      urls.push_back("https://" + address + ":" + std::to_string(port));
    }
  }
  return urls;
}

}  // namespace orch::cli
