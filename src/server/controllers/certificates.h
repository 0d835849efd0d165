// certificates: the loops of certificates.k8s.io: one approves what nodes may have without
// anybody's word, one signs what is approved for the built-in signers, one takes away what has
// served its turn. Follows: Kubernetes' csrapproving, csrsigning and csrcleaner controllers.
#pragma once

#include "client/loop_runner.h"
#include "crypto/pki.h"

namespace orch::controllers {

// A node's request for its client certificate is approved when its author may create
// certificatesigningrequests/selfnodeclient (in his own name) or /nodeclient (in anybody's).
class CertificateApprovalController : public client::Reconciler {
 public:
  CertificateApprovalController(client::Api& api, const client::Cache& cache,
                                const api::Schema& schema, const Clock& clock);

  std::string_view name() const override { return "csrapproving"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  Result<bool> may(const api::Value& request, std::string_view subresource);

  client::Api& api_;
  const client::Cache& cache_;
  const api::Resource &requests_, &reviews_;
  const Clock& clock_;
};

class CertificateSigningController : public client::Reconciler {
 public:
  CertificateSigningController(client::Api& api, const client::Cache& cache,
                               const api::Schema& schema, const Clock& clock, crypto::Identity ca);

  std::string_view name() const override { return "csrsigning"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  Result<std::string> sign(const api::Value& request) const;

  client::Api& api_;
  const client::Cache& cache_;
  const api::Resource& requests_;
  const Clock& clock_;
  const crypto::Identity ca_;
};

class CertificateCleanupController : public client::Reconciler {
 public:
  CertificateCleanupController(client::Api& api, const client::Cache& cache,
                               const api::Schema& schema, const Clock& clock);

  std::string_view name() const override { return "csrcleaner"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  client::Api& api_;
  const client::Cache& cache_;
  const api::Resource& requests_;
  const Clock& clock_;
};

}  // namespace orch::controllers
