// See garbage_collector.h. Workers of the LoopRunner call it.
//
// Two forms of keys: an object ("deployments.apps/web" in its namespace), whose owners or
// finalizers are to be looked at; and "uid:<uid>", an owner that has gone.
#include "server/controllers/garbage_collector.h"

#include <algorithm>

#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;

namespace {

constexpr std::string_view kUidPrefix = "uid:";

std::string full_name(const api::Resource& resource) {
  return resource.group.empty() ? resource.plural : resource.plural + "." + resource.group;
}

ObjectKey object_key(const api::Resource& resource, const ObjectKey& key) {
  return {key.ns, full_name(resource) + "/" + key.name};
}

const Value& owners_of(const Value& object) { return object["metadata"]["ownerReferences"]; }

bool has_finalizer(const Value& object, std::string_view name) {
  const api::Array& finalizers = object["metadata"]["finalizers"].items();
  return std::any_of(finalizers.begin(), finalizers.end(),
                     [&](const Value& each) { return each.as_string() == name; });
}

bool is_deleting_with(const Value& object, std::string_view finalizer) {
  return is_deleting(object) && has_finalizer(object, finalizer);
}

bool blocks_owner(const Value& object, const std::string& owner_uid) {
  for (const Value& owner : owners_of(object).items())
    if (owner["uid"].as_string() == owner_uid && owner["blockOwnerDeletion"].as_bool()) return true;
  return false;
}

Value without_owners(Value object, const std::vector<std::string>& uids) {
  std::erase_if(object["metadata"]["ownerReferences"].array_items(), [&](const Value& owner) {
    return std::find(uids.begin(), uids.end(), owner["uid"].as_string()) != uids.end();
  });
  return object;
}

}  // namespace

DependentPlan plan_dependent(const Value& object, const std::vector<OwnerState>& owners) {
  DependentPlan plan;
  if (owners.empty() || is_deleting(object)) return plan;
  bool any_solid = false;
  for (size_t i = 0; i < owners.size(); ++i) {
    if (owners[i] == OwnerState::solid)
      any_solid = true;
    else
      plan.dropped_uids.push_back(owners_of(object)[i]["uid"].as_string());
    plan.owner_waits |= owners[i] == OwnerState::waiting;
  }
  if (!any_solid)
    plan.act = DependentPlan::Act::remove;
  else if (!plan.dropped_uids.empty())
    plan.act = DependentPlan::Act::drop_references;
  return plan;
}

GarbageCollector::GarbageCollector(client::Api& api, const client::Cache& cache,
                                   const api::Schema& schema,
                                   std::vector<const api::Resource*> resources)
    : api_(api), cache_(cache), schema_(schema), resources_(std::move(resources)) {
  for (const api::Resource* resource : resources_) by_name_[full_name(*resource)] = resource;
}

std::vector<client::Watch> GarbageCollector::watches() {
  std::vector<client::Watch> watches;
  for (const api::Resource* resource : resources_)
    watches.push_back({resource, [this, resource](const client::ChangedObject& changed) {
                         return keys_of(*resource, changed);
                       }});
  return watches;
}

std::vector<ObjectKey> GarbageCollector::keys_of(const api::Resource& resource,
                                                 const client::ChangedObject& changed) const {
  // Most objects have neither owners nor an end in sight; that is seen without parsing them.
  const std::string_view bytes = changed.change().bytes;
  const bool may_matter = bytes.find("\"ownerReferences\"") != bytes.npos ||
                          bytes.find("\"deletionTimestamp\"") != bytes.npos;
  if (!changed.deleted() && !may_matter &&
      changed.change().previous.find("\"ownerReferences\"") == std::string_view::npos)
    return {};

  const Value& object = changed.object();
  std::vector<ObjectKey> keys;
  if (changed.deleted()) {
    keys.push_back({"", std::string(kUidPrefix) + uid_of(object)});
  } else {
    const Value& before = changed.previous()["metadata"];
    const Value& now = object["metadata"];
    if (!changed.added() && before["ownerReferences"] == now["ownerReferences"] &&
        before["deletionTimestamp"] == now["deletionTimestamp"] &&
        before["finalizers"] == now["finalizers"])
      return {};
    keys.push_back(object_key(resource, changed.key()));
  }
  // An owner that waits for its dependents looks again.
  for (const Value* state : {&object, &changed.previous()})
    for (const Value& reference : owners_of(*state).items())
      if (auto owner = owner_key(changed.key(), reference)) keys.push_back(*std::move(owner));
  return keys;
}

std::optional<ObjectKey> GarbageCollector::owner_key(const ObjectKey& dependent,
                                                     const Value& reference) const {
  const api::Resource* resource =
      schema_.find_kind(reference["apiVersion"].as_string(), reference["kind"].as_string());
  if (resource == nullptr || !by_name_.contains(full_name(*resource))) return std::nullopt;
  return object_key(*resource,
                    {resource->namespaced ? dependent.ns : "", reference["name"].as_string()});
}

Result<Requeue> GarbageCollector::reconcile(const ObjectKey& key) {
  if (key.name.starts_with(kUidPrefix)) {
    for (const Found& dependent : dependents_of(key.name.substr(kUidPrefix.size())))
      ORCH_TRY(collect(dependent));
    return Requeue::never();
  }
  const size_t slash = key.name.find('/');
  const auto resource = by_name_.find(key.name.substr(0, slash));
  if (resource == by_name_.end()) return Requeue::never();
  auto object = cache_.get(*resource->second, {key.ns, key.name.substr(slash + 1)});
  if (!object) return Requeue::never();
  const Found found{resource->second, *std::move(object)};
  if (is_deleting_with(found.object, kOrphanFinalizer)) {
    ORCH_TRY(finish_orphan(found));
  } else if (is_deleting_with(found.object, kForegroundFinalizer)) {
    ORCH_TRY(finish_foreground(found));
  } else {
    ORCH_TRY(collect(found));
  }
  return Requeue::never();
}

std::vector<GarbageCollector::Found> GarbageCollector::dependents_of(
    const std::string& owner_uid) const {
  std::vector<Found> found;
  for (const api::Resource* resource : resources_)
    for (Value& object : cache_.list(*resource, {"", owner_uid, "", "", ""}))
      found.push_back({resource, std::move(object)});
  return found;
}

// Does to one object what the state of its owners asks for.
Result<void> GarbageCollector::collect(const Found& dependent) {
  if (is_deleting(dependent.object)) return {};
  std::vector<OwnerState> states;
  for (const Value& reference : owners_of(dependent.object).items())
    states.push_back(ORCH_TRY(state_of_owner(dependent, reference)));
  const DependentPlan plan = plan_dependent(dependent.object, states);
  if (plan.act == DependentPlan::Act::keep) return {};
  if (plan.act == DependentPlan::Act::drop_references) {
    ORCH_TRY(api_.update(*dependent.resource, without_owners(dependent.object, plan.dropped_uids)));
    return {};
  }
  client::DeleteOptions options;
  options.uid = uid_of(dependent.object);
  // If somebody gives it another owner meanwhile, its version changes and it stays.
  options.resource_version = dependent.object["metadata"]["resourceVersion"].as_string();
  const bool passes_waiting_on =
      plan.owner_waits && !dependents_of(uid_of(dependent.object)).empty();
  options.propagation = has_finalizer(dependent.object, kOrphanFinalizer) ? "Orphan"
                        : passes_waiting_on || has_finalizer(dependent.object, kForegroundFinalizer)
                            ? "Foreground"
                            : "Background";
  auto removed = api_.remove(*dependent.resource, client::key_of(dependent.object), options);
  if (!removed.ok() && removed.status().not_found()) return {};
  return removed;
}

Result<OwnerState> GarbageCollector::state_of_owner(const Found& dependent,
                                                    const Value& reference) {
  const api::Resource* resource =
      schema_.find_kind(reference["apiVersion"].as_string(), reference["kind"].as_string());
  const std::string& ns = namespace_of(dependent.object);
  // Owners of unknown kinds can't be judged, and namespaced owners of cluster-wide objects are
  // a mistake that must not cost the object.
  if (resource == nullptr || (resource->namespaced && ns.empty())) return OwnerState::solid;
  const ObjectKey key{resource->namespaced ? ns : "", reference["name"].as_string()};
  const std::string& uid = reference["uid"].as_string();
  const auto cached = cache_.get(*resource, key);
  if (cached && uid_of(*cached) == uid)
    return is_deleting_with(*cached, kForegroundFinalizer) ? OwnerState::waiting
                                                           : OwnerState::solid;
  // The cache may be behind; before something is deleted the Api has to confirm it.
  const auto live = api_.get(*resource, key);
  if (!live.ok()) {
    if (live.status().not_found()) return OwnerState::absent;
    return live.status();
  }
  if (uid_of(*live) != uid) return OwnerState::absent;
  return is_deleting_with(*live, kForegroundFinalizer) ? OwnerState::waiting : OwnerState::solid;
}

// Deletes the dependents; when none is left that blocks its owner, the owner may go.
Result<void> GarbageCollector::finish_foreground(const Found& owner) {
  bool blocked = false;
  for (const Found& dependent : dependents_of(uid_of(owner.object))) {
    ORCH_TRY(collect(dependent));
    blocked |= blocks_owner(dependent.object, uid_of(owner.object));
  }
  if (blocked) return {};  // Each dependent that goes brings us back.
  return remove_finalizer(owner, kForegroundFinalizer);
}

Result<void> GarbageCollector::finish_orphan(const Found& owner) {
  for (const Found& dependent : dependents_of(uid_of(owner.object))) {
    const auto freed =
        api_.update(*dependent.resource, without_owners(dependent.object, {uid_of(owner.object)}));
    if (!freed.ok() && !freed.status().not_found()) return freed.status();
  }
  return remove_finalizer(owner, kOrphanFinalizer);
}

Result<void> GarbageCollector::remove_finalizer(const Found& owner, const char* finalizer) {
  Value freed = owner.object;
  std::erase_if(freed["metadata"]["finalizers"].array_items(),
                [&](const Value& each) { return each.as_string() == finalizer; });
  const auto updated = api_.update(*owner.resource, freed);
  if (!updated.ok() && !updated.status().not_found()) return updated.status();
  return {};
}

}  // namespace orch::controllers
