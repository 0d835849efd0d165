#include "server/cluster/joining.h"

#include "api/json.h"
#include "base/strings.h"
#include "client/connection.h"
#include "server/cluster/cluster.h"

namespace orch::cluster {
namespace {

using api::Value;

constexpr int kTimeoutMs = 10'000;
constexpr int kIntroduceMs = 3'000;
// A change of membership waits for a majority, and for one before it.
constexpr int kAddedMs = 30'000;
constexpr size_t kMaxAnswerBytes = 4u << 20;
constexpr size_t kNonceBytes = 32;

Result<Value> post(http::ClientOptions options, const Value& body, const std::string& proof) {
  options.max_body_bytes = kMaxAnswerBytes;
  http::Request request;
  request.target = kServersPath;
  if (!proof.empty()) request.headers.set(kProofHeader, proof);
  return client::post_once(std::move(options), std::move(request), body);
}

}  // namespace

Result<Welcome> ask_to_join(const JoinWish& wish, Random& random) {
  std::string nonce(kNonceBytes, '\0');
  random.fill(std::as_writable_bytes(std::span(nonce)));
  nonce = hex_encode(nonce);
  http::ClientOptions options;
  options.url = wish.url;
  options.ca_sha256 = wish.ca_sha256;
  options.connect_timeout_ms = options.response_timeout_ms = kTimeoutMs;
  const Value body = Value::object(
      {{"name", wish.name}, {"nonce", nonce}, {"protocol", kProtocol}, {"version", wish.version}});
  const Value answer = ORCH_TRY(post(std::move(options), body, proof_of(wish.secret)));
  Welcome welcome = ORCH_TRY(open_welcome(answer["welcome"].as_string(), wish.secret, nonce));
  ORCH_TRY(check_ca(welcome.files, wish.ca_sha256));
  return welcome;
}

Result<std::vector<Contact>> introduce(const Newcomer& self, std::span<const Contact> contacts,
                                       const Contact& to, int cancel_fd) {
  http::ClientOptions options;
  options.url = "https://" + to.address;
  options.ca = self.ca;
  options.server_name = serving_name(to.server);
  options.certificate = self.peer.certificate;
  options.private_key = self.peer.private_key;
  options.connect_timeout_ms = kIntroduceMs;
  options.response_timeout_ms = kAddedMs;
  options.cancel_fd = cancel_fd;
  Value body = Value::object({{"cluster", self.cluster},
                              {"protocol", kProtocol},
                              {"version", self.version},
                              {"contacts", render_contacts(contacts)}});
  if (self.replaces != 0) body.set("replaces", id_text(self.replaces));
  if (self.returns) body.set("returns", true);
  auto answer = post(std::move(options), body, "");
  if (!answer) return std::move(answer).status().in(to.name + " (" + to.address + ")");
  return parse_contacts((*answer)["contacts"].as_string());
}

bool is_final(const Status& why) {
  return why.code == 0 || why.code == 400 || why.code == 403 || why.already_exists();
}

}  // namespace orch::cluster
