#include "cli/identity.h"

#include "base/files.h"
#include "crypto/jwt.h"

namespace orch::cli {
namespace {

constexpr size_t kMaxKeyBytes = 64 << 10;
constexpr size_t kMaxTokenFileBytes = 1 << 20;

// "" for a flag that is not set.
Result<std::string> read_flag(const char* flag, const std::string& path, size_t max_bytes) {
  if (path.empty()) return std::string();
  auto text = read_file(path, max_bytes);
  if (!text) return std::move(text).status().in(flag);
  return text;
}

Result<void> read_keys(const IdentityFlags& flags, apiserver::Options* options) {
  const char* flag = "--service-account-key-file";
  for (const std::string& path : flags.service_account_key_files) {
    std::string pem = ORCH_TRY(read_flag(flag, path, kMaxKeyBytes));
    if (auto id = crypto::key_id(pem); !id) return std::move(id).status().in(flag);
    options->token_verifying_keys.push_back(std::move(pem));
  }
  options->token_signing_key = ORCH_TRY(read_flag(
      "--service-account-signing-key-file", flags.service_account_signing_key_file, kMaxKeyBytes));
  return {};
}

}  // namespace

Result<void> read_identity(const IdentityFlags& flags, apiserver::Options* options) {
  options->anonymous_auth = flags.anonymous_auth;
  ORCH_TRY(read_keys(flags, options));
  if (!flags.service_account_issuers.empty()) {
    options->token_names.issuers = flags.service_account_issuers;
  }
  options->token_names.audiences = flags.api_audiences;

  const std::string tokens =
      ORCH_TRY(read_flag("--token-auth-file", flags.token_auth_file, kMaxTokenFileBytes));
  auto parsed = apiserver::StaticTokens::parse(tokens);
  if (!parsed) return std::move(parsed).status().in("--token-auth-file");
  options->static_tokens = *std::move(parsed);

  apiserver::OidcOptions& oidc = options->oidc;
  oidc.issuer_url = flags.oidc_issuer_url;
  oidc.client_id = flags.oidc_client_id;
  oidc.ca = ORCH_TRY(read_flag("--oidc-ca-file", flags.oidc_ca_file, kMaxKeyBytes));
  oidc.username_claim = flags.oidc_username_claim;
  oidc.username_prefix = flags.oidc_username_prefix;
  oidc.groups_claim = flags.oidc_groups_claim;
  oidc.groups_prefix = flags.oidc_groups_prefix;
  oidc.required_claims = flags.oidc_required_claims;
  oidc.signing_algorithms = flags.oidc_signing_algs;
  return apiserver::check_oidc_options(oidc);
}

}  // namespace orch::cli
