// See storage_protection.h. Workers of the LoopRunner call it.
#include "server/controllers/storage_protection.h"

#include <algorithm>

#include "api/resources.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;
namespace resource = api::resource;

namespace {

constexpr std::string_view kClaimFinalizer = "kubernetes.io/pvc-protection";
constexpr std::string_view kVolumeFinalizer = "kubernetes.io/pv-protection";

// A claim that a volume of the pod names, or that was made for an ephemeral one.
std::vector<std::string> claims_of(const Value& pod) {
  std::vector<std::string> claims;
  for (const Value& volume : pod["spec"]["volumes"].items()) {
    if (volume["persistentVolumeClaim"].is_object())
      claims.push_back(volume["persistentVolumeClaim"]["claimName"].as_string());
    if (volume["ephemeral"].is_object())
      claims.push_back(name_of(pod) + "-" + volume["name"].as_string());
  }
  return claims;
}

bool waits_for_us(const Value& object, std::string_view finalizer) {
  if (!is_deleting(object)) return false;
  const auto& all = object["metadata"]["finalizers"].items();
  return std::any_of(all.begin(), all.end(),
                     [&](const Value& each) { return each.as_string() == finalizer; });
}

Result<void> release(client::Api& api, const api::Resource& of, Value object,
                     std::string_view finalizer) {
  Value left = Value::array();
  for (const Value& each : std::as_const(object)["metadata"]["finalizers"].items())
    if (each.as_string() != finalizer) left.push_back(each);
  object["metadata"].set("finalizers", std::move(left));
  const auto updated = api.update(of, object);
  if (!updated.ok() && !updated.status().not_found()) return updated.status();
  return {};
}

}  // namespace

ClaimProtectionController::ClaimProtectionController(client::Api& api, const client::Cache& cache,
                                                     const api::Schema& schema)
    : api_(api), cache_(cache), claims_(*schema.find("", "v1", "persistentvolumeclaims")) {}

std::vector<client::Watch> ClaimProtectionController::watches() {
  // A pod frees its claims when it ends or goes.
  const auto of_pod = [](const client::ChangedObject& changed) {
    std::vector<ObjectKey> keys;
    if (changed.change().bytes.find("\"claimName\"") == std::string_view::npos &&
        changed.change().bytes.find("\"ephemeral\"") == std::string_view::npos)
      return keys;
    if (!changed.deleted() && !is_finished(changed.object())) return keys;
    for (std::string& claim : claims_of(changed.object()))
      keys.push_back({changed.key().ns, std::move(claim)});
    return keys;
  };
  return {client::watch_own(claims_), {&resource::pods(), of_pod}};
}

Result<Requeue> ClaimProtectionController::reconcile(const ObjectKey& key) {
  auto claim = cache_.get(claims_, key);
  if (!claim || !waits_for_us(*claim, kClaimFinalizer)) return Requeue::never();
  client::Filter filter;
  filter.ns = key.ns;
  for (const Value& pod : cache_.list(resource::pods(), filter)) {
    const auto claims = claims_of(pod);
    const bool uses = std::find(claims.begin(), claims.end(), key.name) != claims.end();
    if (uses && !is_finished(pod)) return Requeue::never();  // Its end wakes us.
  }
  ORCH_TRY(release(api_, claims_, *std::move(claim), kClaimFinalizer));
  return Requeue::never();
}

VolumeProtectionController::VolumeProtectionController(client::Api& api, const client::Cache& cache,
                                                       const api::Schema& schema)
    : api_(api), cache_(cache), volumes_(*schema.find("", "v1", "persistentvolumes")) {}

std::vector<client::Watch> VolumeProtectionController::watches() {
  return {client::watch_own(volumes_)};
}

Result<Requeue> VolumeProtectionController::reconcile(const ObjectKey& key) {
  auto volume = cache_.get(volumes_, key);
  if (!volume || !waits_for_us(*volume, kVolumeFinalizer)) return Requeue::never();
  if (std::as_const(*volume)["status"]["phase"].as_string() == "Bound") return Requeue::never();
  ORCH_TRY(release(api_, volumes_, *std::move(volume), kVolumeFinalizer));
  return Requeue::never();
}

}  // namespace orch::controllers
