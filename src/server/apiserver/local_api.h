// local_api: client::Api inside the API server's own process: the registry without HTTP, run as an
// identity that is given. Blocking, so never on the store's writer thread or an I/O thread.
#pragma once

#include "client/api.h"
#include "server/apiserver/audit_entry.h"
#include "server/apiserver/authenticate.h"
#include "server/apiserver/authorize.h"
#include "server/apiserver/metrics.h"
#include "server/apiserver/registry.h"
#include "server/apiserver/tokens.h"
#include "server/apiserver/user.h"
#include "store/store.h"

namespace orch::apiserver {

class LocalApi : public client::Api {
 public:
  struct Parts {
    store::Store& store;
    Registry& registry;
    Fresh& fresh;
    const Tokens& tokens;
    ServerMetrics& metrics;
    const Authenticator& authenticator;  // These three answer reviews.
    const Authorizer& authorizer;
    const rbac::Policy& policy;
    Audit* audit;  // Of writes; null: none.
  };
  // `only_in_term`: for loops that run on the leader only; writes of another term are refused.
  LocalApi(const Parts& parts, User user, std::optional<uint64_t> only_in_term = std::nullopt)
      : parts_(parts), user_(std::move(user)), only_in_term_(only_in_term) {}

  Result<api::Value> get(const api::Resource& resource, const client::ObjectKey& key) override;
  Result<std::vector<api::Value>> list(const api::Resource& resource,
                                       const client::ListOptions& options) override;
  Result<api::Value> create(const api::Resource& resource, const api::Value& object) override;
  Result<api::Value> update(const api::Resource& resource, const api::Value& object,
                            std::string_view subresource) override;
  Result<api::Value> patch(const api::Resource& resource, const client::ObjectKey& key,
                           client::PatchType type, const api::Value& patch,
                           std::string_view subresource) override;
  Result<api::Value> create_sub(const api::Resource& resource, const client::ObjectKey& key,
                                std::string_view subresource, const api::Value& body) override;
  Result<void> remove(const api::Resource& resource, const client::ObjectKey& key,
                      const client::DeleteOptions& options) override;

 private:
  Result<WriteRequest> request(const api::Resource& resource, Verb verb,
                               const client::ObjectKey& key, std::string_view subresource) const;
  Result<api::Value> run(WriteRequest request);
  Result<void> check_term() const;

  const Parts parts_;
  const User user_;
  const std::optional<uint64_t> only_in_term_;
};

}  // namespace orch::apiserver
