// See resource_quota.h. Workers of the LoopRunner call reconcile; the cache's thread the watches.
#include "server/controllers/resource_quota.h"

#include "api/resources.h"
#include "server/admission/quota.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using admission::Quantities;
using api::Value;
using client::ObjectKey;
using client::Requeue;
namespace resource = api::resource;

namespace {

const api::Resource* find_counted(const api::Schema& schema, const admission::Counted& counted) {
  for (const api::Resource* each : schema.resources())
    if (each->group == counted.group && each->plural == counted.plural && each->namespaced &&
        !each->storage_prefix.empty())
      return each;
  return nullptr;
}

// A pod's many changes of status don't matter here, but for its end.
bool may_matter(const api::Resource& resource, const client::ChangedObject& changed) {
  if (changed.added() || changed.deleted()) return true;
  if (&resource == &resource::pods())
    return is_finished(changed.object()) != is_finished(changed.previous());
  return &resource == &resource::services() || resource.plural == "persistentvolumeclaims";
}

}  // namespace

ResourceQuotaController::ResourceQuotaController(client::Api& api, const client::Cache& cache,
                                                 const api::Schema& schema)
    : api_(api),
      cache_(cache),
      schema_(schema),
      quotas_(*schema.find("", "v1", "resourcequotas")) {}

std::vector<client::Watch> ResourceQuotaController::watches() {
  std::vector<client::Watch> watches;
  watches.push_back({&quotas_, [this](const client::ChangedObject& changed) {
                       limited_.insert(changed.key().ns);
                       return std::vector{ObjectKey{"", changed.key().ns}};
                     }});
  for (const api::Resource* each : schema_.resources()) {
    const bool counts = each->namespaced && !each->storage_prefix.empty() && each != &quotas_ &&
                        each->has_verb("create") && each->plural != "events" &&
                        each->storage == nullptr;
    if (!counts) continue;
    watches.push_back({each, [this, each](const client::ChangedObject& changed) {
                         std::vector<ObjectKey> keys;
                         if (limited_.contains(changed.key().ns) && may_matter(*each, changed))
                           keys.push_back({"", changed.key().ns});
                         return keys;
                       }});
  }
  return watches;
}

Result<Requeue> ResourceQuotaController::reconcile(const ObjectKey& key) {
  client::Filter filter;
  filter.ns = key.name;
  for (const Value& quota : cache_.list(quotas_, filter))
    if (!is_deleting(quota)) ORCH_TRY(count(quota));
  return Requeue::never();
}

Result<void> ResourceQuotaController::count(const Value& quota) {
  client::Filter filter;
  filter.ns = quota["metadata"]["namespace"].as_string();
  const Quantities hard = admission::parse_quantities(quota["spec"]["hard"]);
  Quantities used;
  std::set<const api::Resource*> counted;
  for (const auto& [name, bound] : hard) {
    used[name] = {};
    if (const auto* each = find_counted(schema_, admission::counted_by(name))) counted.insert(each);
  }
  for (const api::Resource* each : counted) {
    Quantities sum;
    for (const Value& object : cache_.list(*each, filter))
      if (admission::quota_counts(quota, *each, object))
        admission::add(&sum, admission::usage_of(*each, object));
    for (const auto& [name, amount] : sum)
      if (used.contains(name)) used[name] = amount;
  }
  const Value status =
      Value::object({{"hard", admission::to_value(hard)}, {"used", admission::to_value(used)}});
  if (quota["status"] == status) return {};
  Value changed = quota;
  changed.set("status", status);
  ORCH_TRY(api_.update(quotas_, changed, "status"));
  return {};
}

}  // namespace orch::controllers
