// See service_account.h. Workers of the LoopRunner call it; keys are namespaces.
#include "server/controllers/service_account.h"

#include "api/resources.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;
namespace resource = api::resource;

namespace {

Value named(const char* kind, const std::string& ns, const char* name) {
  return Value::object({{"apiVersion", "v1"},
                        {"kind", kind},
                        {"metadata", Value::object({{"name", name}, {"namespace", ns}})}});
}

// The namespace of a changed object that is called `name`, but for its first appearance.
auto namespace_when_named(const char* name) {
  return [name](const client::ChangedObject& changed) -> std::vector<ObjectKey> {
    if (changed.added() || changed.key().name != name) return {};
    return {{"", changed.key().ns}};
  };
}

}  // namespace

std::vector<client::Watch> ServiceAccountController::watches() {
  return {client::watch_own(resource::namespaces()),
          {&resource::service_accounts(), namespace_when_named(kDefaultServiceAccount)},
          {&resource::config_maps(), namespace_when_named(kRootCaConfigMap)}};
}

Result<Requeue> ServiceAccountController::reconcile(const ObjectKey& key) {
  const auto space = cache_.get(resource::namespaces(), key);
  if (!space || is_deleting(*space)) return Requeue::never();
  ORCH_TRY(ensure_account(key.name));
  ORCH_TRY(ensure_root_ca(key.name));
  return Requeue::never();
}

Result<void> ServiceAccountController::ensure_account(const std::string& ns) {
  if (cache_.get(resource::service_accounts(), {ns, kDefaultServiceAccount})) return {};
  const auto created = api_.create(resource::service_accounts(),
                                   named("ServiceAccount", ns, kDefaultServiceAccount));
  if (!created.ok() && !created.status().already_exists()) return created.status();
  return {};
}

Result<void> ServiceAccountController::ensure_root_ca(const std::string& ns) {
  const Value data = Value::object({{"ca.crt", ca_pem_}});
  if (const auto present = cache_.get(resource::config_maps(), {ns, kRootCaConfigMap})) {
    if ((*present)["data"] == data) return {};
    Value next = *present;
    next.set("data", data);
    ORCH_TRY(api_.update(resource::config_maps(), next));
    return {};
  }
  Value map = named("ConfigMap", ns, kRootCaConfigMap);
  map.set("data", data);
  const auto created = api_.create(resource::config_maps(), map);
  if (!created.ok() && !created.status().already_exists()) return created.status();
  return {};
}

}  // namespace orch::controllers
