// secret_tokens: the two kinds of Secrets that are tokens.
//
// A Secret of type kubernetes.io/service-account-token that names an account gets a token without
// end, the cluster's CA and its namespace; with the account it goes. A bootstrap token's Secret
// goes when its time is over. Follows: Kubernetes' "ServiceAccount token Secrets"; the token and
// tokencleaner controllers.
#pragma once

#include <string>

#include "client/loop_runner.h"
#include "crypto/jwt.h"

namespace orch::controllers {

// What such a token claims. PURE.
api::Value service_account_claims(const api::Value& secret, const api::Value& account);

class AccountTokenController : public client::Reconciler {
 public:
  AccountTokenController(client::Api& api, const client::Cache& cache, std::string ca_pem,
                         crypto::TokenSigner signer)
      : api_(api), cache_(cache), ca_pem_(std::move(ca_pem)), signer_(std::move(signer)) {}

  std::string_view name() const override { return "serviceaccount-token"; }
  std::vector<client::Watch> watches() override;
  // Keys are Secrets; those of a deleted account are found by the account's key, "ns/*name".
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  Result<void> drop_tokens_of(const std::string& ns, const std::string& account);
  Result<void> fill(const api::Value& secret);

  client::Api& api_;
  const client::Cache& cache_;
  const std::string ca_pem_;
  const crypto::TokenSigner signer_;
};

class BootstrapTokenController : public client::Reconciler {
 public:
  BootstrapTokenController(client::Api& api, const client::Cache& cache, const Clock& clock)
      : api_(api), cache_(cache), clock_(clock) {}

  std::string_view name() const override { return "tokencleaner"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  client::Api& api_;
  const client::Cache& cache_;
  const Clock& clock_;
};

}  // namespace orch::controllers
