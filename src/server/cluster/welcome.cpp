#include "server/cluster/welcome.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/files.h"
#include "base/strings.h"
#include "crypto/aead.h"
#include "crypto/digest.h"
#include "crypto/pki.h"
#include "server/cluster/enrollment.h"
#include "server/cluster/identity.h"

namespace orch::cluster {
namespace {

using api::Value;

constexpr size_t kMaxFileBytes = 256u << 10;
// Nobody asks for it anew each time, so there is no number of the asker's to bind it to.
constexpr std::string_view kSharedNonce = "orch shared";
constexpr const char* kEncryptionConfig = "encryption-config.json";
constexpr std::array<const char*, 7> kShared = {"tls/ca.crt",
                                                "tls/ca.key",
                                                "tls/service-account.key",
                                                "tls/service-account.pub",
                                                "tls/admin.token",
                                                "token",
                                                "server-token"};

std::string sealing_key(std::string_view secret) {
  return crypto::sha256_bytes("orch welcome\n" + std::string(secret));
}

bool is_shared(const std::string& path) {
  return path == kEncryptionConfig ||
         std::ranges::any_of(kShared, [&](const char* each) { return path == each; });
}

std::string seal(const Value& value, std::string_view secret, std::string_view nonce,
                 Random& random) {
  std::string aead_nonce(crypto::kAeadNonceBytes, '\0');
  random.fill(std::as_writable_bytes(std::span(aead_nonce)));
  return base64_encode(
      crypto::aead_seal(sealing_key(secret), aead_nonce, api::to_json(value), nonce));
}

// Nothing when it was sealed otherwise, or altered.
Result<std::optional<Value>> open(std::string_view sealed, std::string_view secret,
                                  std::string_view nonce) {
  const auto bytes = base64_decode(sealed);
  const auto plain = bytes ? crypto::aead_open(sealing_key(secret), *bytes, nonce) : std::nullopt;
  if (!plain) return std::optional<Value>();
  return std::optional(ORCH_TRY(api::parse_json(*plain)));
}

Value files_value(std::span<const SharedFile> files) {
  Value value = Value::object({});
  for (const SharedFile& file : files) value.set(file.path, file.content);
  return value;
}

Result<std::vector<SharedFile>> read_files(const Value& value) {
  std::vector<SharedFile> files;
  for (const auto& [path, content] : value.members()) {
    if (!is_shared(path)) return bad_request("the welcome has a file that nobody shares: " + path);
    files.push_back({path, content.as_string()});
  }
  return files;
}

}  // namespace

std::string proof_of(std::string_view secret) {
  return crypto::sha256_hex("orch server\n" + std::string(secret));
}

std::string seal_welcome(const Welcome& welcome, std::string_view secret, std::string_view nonce,
                         Random& random) {
  return seal(Value::object({{"cluster", welcome.cluster},
                             {"server", id_text(welcome.server)},
                             {"facts", facts_value(welcome.facts)},
                             {"contacts", render_contacts(welcome.contacts)},
                             {"files", files_value(welcome.files)}}),
              secret, nonce, random);
}

Result<Welcome> open_welcome(std::string_view sealed, std::string_view secret,
                             std::string_view nonce) {
  const auto value = ORCH_TRY(open(sealed, secret, nonce));
  if (!value) return bad_request("the welcome was not sealed with the servers' secret");
  Welcome welcome;
  welcome.cluster = (*value)["cluster"].as_string();
  welcome.server = parse_id((*value)["server"].as_string()).value_or(0);
  if (!parse_id(welcome.cluster) || welcome.server == 0) {
    return bad_request("the welcome doesn't say whose it is");
  }
  welcome.facts = ORCH_TRY(read_facts((*value)["facts"]));
  welcome.contacts = ORCH_TRY(parse_contacts((*value)["contacts"].as_string()));
  welcome.files = ORCH_TRY(read_files((*value)["files"]));
  return welcome;
}

std::string seal_shared(const Shared& shared, std::string_view secret, Random& random) {
  return seal(
      Value::object({{"facts", facts_value(shared.facts)}, {"files", files_value(shared.files)}}),
      secret, kSharedNonce, random);
}

Result<Shared> open_shared(std::string_view sealed, std::string_view secret) {
  const auto value = ORCH_TRY(open(sealed, secret, kSharedNonce));
  if (!value) return forbidden("it was not sealed with this servers' secret");
  Shared shared;
  shared.facts = ORCH_TRY(read_facts((*value)["facts"]));
  shared.files = ORCH_TRY(read_files((*value)["files"]));
  return shared;
}

Result<void> check_ca(std::span<const SharedFile> files, const std::string& ca_sha256) {
  const auto ca = std::ranges::find(files, "tls/ca.crt", &SharedFile::path);
  if (ca != files.end() && ORCH_TRY(crypto::certificate_info(ca->content)).sha256 == ca_sha256)
    return {};
  return bad_request("the CA of those servers is not the token's");
}

Result<std::vector<SharedFile>> read_shared(const std::string& data_dir,
                                            const std::string& encryption_config) {
  std::vector<SharedFile> files;
  for (const char* path : kShared) {
    std::string content = ORCH_TRY(read_file(data_dir + "/server/" + path, kMaxFileBytes));
    files.push_back({path, std::move(content)});
  }
  std::string content = ORCH_TRY(read_file(encryption_config, kMaxFileBytes));
  files.push_back({kEncryptionConfig, std::move(content)});
  return files;
}

Result<void> write_shared(const std::string& data_dir, std::span<const SharedFile> files) {
  const std::string server = data_dir + "/server";
  ORCH_TRY(remove_tree(server + "/tls"));
  ORCH_TRY(make_dirs(server + "/tls", 0700));
  for (const SharedFile& file : files) {
    ORCH_TRY(write_file_atomic(server + "/" + file.path, file.content, 0600));
  }
  return {};
}

Result<void> settle_in(const std::string& data_dir, const Welcome& welcome) {
  ORCH_TRY(write_shared(data_dir, welcome.files));
  ORCH_TRY(remove_tree(member_dir(data_dir)));
  ORCH_TRY(make_dirs(member_dir(data_dir), 0700));
  const auto contacts = ORCH_TRY(Contacts::open(contacts_path(data_dir)));
  ORCH_TRY(contacts->learn(welcome.contacts));
  return write_enrollment(data_dir, {welcome.cluster, false, welcome.facts});
}

}  // namespace orch::cluster
