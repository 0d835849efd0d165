#include "server/apiserver/credentials.h"

#include <algorithm>
#include <span>

#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "server/apiserver/user.h"

namespace orch::apiserver {
namespace {

constexpr size_t kMaxPemBytes = 64u << 10;
constexpr int kCaYears = 10;
constexpr size_t kTokenBytes = 32;

class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}
  Result<std::string> read(const std::string& name) const {
    return read_file(path_ + "/" + name, kMaxPemBytes);
  }
  // A folder that lacks the certificate authority but has leaves of it was tampered with or half
  // restored: reading fails later, loudly, rather than mixing two authorities here.
  bool has(const std::string& name) const { return file_exists(path_ + "/" + name); }
  // The key goes first: a certificate without its key would be believed at the next start.
  Result<void> write(const std::string& name, const crypto::Identity& identity) const {
    ORCH_TRY(write_file_atomic(path_ + "/" + name + ".key", identity.private_key, 0600));
    return write_file_atomic(path_ + "/" + name + ".crt", identity.certificate, 0600);
  }
  Result<crypto::Identity> identity(const std::string& name) const {
    crypto::Identity identity;
    identity.certificate = ORCH_TRY(read(name + ".crt"));
    identity.private_key = ORCH_TRY(read(name + ".key"));
    return identity;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<std::string> sorted(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return texts;
}

bool still_good(const crypto::Identity& identity, const crypto::CertificateSpec& spec,
                WallTime now) {
  const auto info = crypto::certificate_info(identity.certificate);
  if (!info || !crypto::key_matches(identity.certificate, identity.private_key)) return false;
  const auto life = info->not_after - info->not_before;
  if (info->not_after - now < life / 3) return false;
  return info->common_name == spec.common_name &&
         sorted(info->dns_names) == sorted(spec.dns_names) &&
         sorted(info->ip_addresses) == sorted(spec.ip_addresses);
}

Result<crypto::Identity> open_leaf(const Folder& folder, const std::string& name,
                                   const crypto::Identity& ca, const crypto::CertificateSpec& spec,
                                   const Clock& clock) {
  if (folder.has(name + ".crt")) {
    const auto kept = folder.identity(name);
    if (kept && still_good(*kept, spec, clock.now())) return *kept;
    log::info("apiserver", "issuing a new certificate: " + name);
  }
  crypto::Identity fresh = ORCH_TRY(crypto::issue_certificate(ca, spec, clock));
  ORCH_TRY(folder.write(name, fresh));
  return fresh;
}

Result<crypto::KeyPair> open_token_key(const Folder& folder) {
  const std::string secret = "service-account.key", open = "service-account.pub";
  if (folder.has(open)) {
    crypto::KeyPair kept;
    kept.private_key = ORCH_TRY(folder.read(secret));
    kept.public_key = ORCH_TRY(folder.read(open));
    return kept;
  }
  crypto::KeyPair pair = ORCH_TRY(crypto::generate_key());
  ORCH_TRY(write_file_atomic(folder.path() + "/" + secret, pair.private_key, 0600));
  ORCH_TRY(write_file_atomic(folder.path() + "/" + open, pair.public_key, 0600));
  return pair;
}

Result<std::string> open_admin_token(const Folder& folder, Random& random) {
  const std::string name = "admin.token";
  if (folder.has(name)) return std::string(trim(ORCH_TRY(folder.read(name))));
  std::string bytes(kTokenBytes, '\0');
  random.fill(std::as_writable_bytes(std::span(bytes)));
  const std::string token = hex_encode(bytes);
  ORCH_TRY(write_file_atomic(folder.path() + "/" + name, token + "\n", 0600));
  return token;
}

crypto::CertificateSpec client_spec(const std::string& name) {
  crypto::CertificateSpec spec;
  spec.common_name = name;
  spec.organizations = {std::string(kMastersGroup)};
  spec.client_auth = true;
  return spec;
}

}  // namespace

Result<crypto::Identity> open_ca(const std::string& directory, const Clock& clock) {
  ORCH_TRY(make_dirs(directory, 0700));
  const Folder folder(directory);
  if (folder.has("ca.crt")) return folder.identity("ca");
  crypto::Identity ca = ORCH_TRY(crypto::make_ca("orch-ca", kCaYears, clock));
  ORCH_TRY(folder.write("ca", ca));
  return ca;
}

Result<Credentials> open_credentials(const std::string& directory, const ServingNames& names,
                                     const Clock& clock, Random& random) {
  Credentials all;
  all.ca = ORCH_TRY(open_ca(directory, clock));
  const Folder folder(directory);
  crypto::CertificateSpec serving;
  serving.common_name = "kube-apiserver";
  serving.server_auth = true;
  serving.dns_names = sorted(names.dns_names);
  serving.ip_addresses = sorted(names.ip_addresses);

  all.serving = ORCH_TRY(open_leaf(folder, "server", all.ca, serving, clock));
  all.admin = ORCH_TRY(open_leaf(folder, "admin", all.ca, client_spec("system:admin"), clock));
  all.agents = ORCH_TRY(open_leaf(folder, "agent-client", all.ca,
                                  client_spec("kube-apiserver-kubelet-client"), clock));
  all.tokens = ORCH_TRY(open_token_key(folder));
  all.admin_token = ORCH_TRY(open_admin_token(folder, random));
  return all;
}

std::string render_kubeconfig(const Credentials& credentials, const std::string& server) {
  return "apiVersion: v1\n"
         "kind: Config\n"
         "clusters:\n"
         "- name: orch\n"
         "  cluster:\n"
         "    server: " +
         server + "\n    certificate-authority-data: " + base64_encode(credentials.ca.certificate) +
         "\n"
         "users:\n"
         "- name: admin\n"
         "  user:\n"
         "    client-certificate-data: " +
         base64_encode(credentials.admin.certificate) +
         "\n    client-key-data: " + base64_encode(credentials.admin.private_key) +
         "\n"
         "contexts:\n"
         "- name: orch\n"
         "  context:\n"
         "    cluster: orch\n"
         "    user: admin\n"
         "current-context: orch\n";
}

}  // namespace orch::apiserver
