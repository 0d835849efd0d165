// service_account: gives every namespace what pods expect to find in it: the ServiceAccount
// "default" and the ConfigMap "kube-root-ca.crt" with the cluster's CA.
#pragma once

#include <string>

#include "client/loop_runner.h"

namespace orch::controllers {

inline constexpr const char* kDefaultServiceAccount = "default";
inline constexpr const char* kRootCaConfigMap = "kube-root-ca.crt";

class ServiceAccountController : public client::Reconciler {
 public:
  // `ca_pem`: what verifies the API server.
  ServiceAccountController(client::Api& api, const client::Cache& cache, std::string ca_pem)
      : api_(api), cache_(cache), ca_pem_(std::move(ca_pem)) {}

  std::string_view name() const override { return "serviceaccount"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  Result<void> ensure_account(const std::string& ns);
  Result<void> ensure_root_ca(const std::string& ns);

  client::Api& api_;
  const client::Cache& cache_;
  const std::string ca_pem_;
};

}  // namespace orch::controllers
