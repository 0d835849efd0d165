#include "server/cluster/identity.h"

#include <algorithm>
#include <cstdio>

#include "base/files.h"
#include "base/log.h"
#include "crypto/digest.h"

namespace orch::cluster {
namespace {

constexpr size_t kMaxPemBytes = 64u << 10;
constexpr size_t kIdDigits = 16;

Result<std::string> open_key(const std::string& path) {
  if (file_exists(path)) return read_file(path, kMaxPemBytes);
  std::string key = ORCH_TRY(crypto::generate_key()).private_key;
  ORCH_TRY(write_file_atomic(path, key, 0600));
  return key;
}

bool still_good(const std::string& certificate, const std::string& key, const std::string& name,
                WallTime now) {
  const auto info = crypto::certificate_info(certificate);
  if (!info || info->common_name != name || !crypto::key_matches(certificate, key)) return false;
  return info->not_after - now >= (info->not_after - info->not_before) / 3;
}

}  // namespace

std::string id_text(uint64_t id) {
  char text[kIdDigits + 1];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

std::optional<uint64_t> parse_id(std::string_view text) {
  if (text.size() != kIdDigits) return std::nullopt;
  uint64_t id = 0;
  for (const char c : text) {
    const size_t digit = std::string_view("0123456789abcdef").find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    id = id << 4 | digit;
  }
  return id == 0 ? std::nullopt : std::optional(id);
}

uint64_t server_id(const std::string& public_key) {
  const std::string digest = crypto::sha256_bytes(public_key);
  uint64_t id = 0;
  for (size_t i = 0; i < sizeof id; ++i) id = id << 8 | static_cast<unsigned char>(digest[i]);
  return std::max<uint64_t>(id, 1);
}

std::string serving_name(uint64_t id) { return id_text(id) + std::string(kServingSuffix); }

Result<ServerIdentity> open_identity(const std::string& directory, const crypto::Identity& ca,
                                     const Clock& clock) {
  ORCH_TRY(make_dirs(directory, 0700));
  ServerIdentity self;
  self.peer.private_key = ORCH_TRY(open_key(directory + "/peer.key"));
  self.id = server_id(ORCH_TRY(crypto::public_key_of(self.peer.private_key)));
  crypto::CertificateSpec spec;
  spec.common_name = std::string(kServerNamePrefix) + id_text(self.id);
  spec.organizations = {std::string(kServersGroup)};
  spec.client_auth = true;
  const std::string path = directory + "/peer.crt";
  if (const auto kept = read_file(path, kMaxPemBytes);
      kept && still_good(*kept, self.peer.private_key, spec.common_name, clock.now())) {
    self.peer.certificate = *kept;
    return self;
  }
  log::info("cluster", "issuing a new peer certificate to server " + id_text(self.id));
  const std::string request = ORCH_TRY(crypto::make_csr({}, self.peer.private_key));
  self.peer.certificate = ORCH_TRY(crypto::sign_csr(ca, request, spec, clock));
  ORCH_TRY(write_file_atomic(path, self.peer.certificate, 0600));
  return self;
}

std::optional<uint64_t> server_of(const http::Peer& peer) {
  if (!peer.has_certificate) return std::nullopt;
  if (peer.organizations != std::vector{std::string(kServersGroup)}) return std::nullopt;
  const std::string_view name = peer.common_name;
  if (!name.starts_with(kServerNamePrefix)) return std::nullopt;
  return parse_id(name.substr(kServerNamePrefix.size()));
}

}  // namespace orch::cluster
