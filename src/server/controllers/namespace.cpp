// See namespace.h. What is left is asked of the Api, not of the cache: an object that the cache
// has not seen yet must not outlive its namespace. Workers of the LoopRunner call it.
#include "server/controllers/namespace.h"

#include "api/resources.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;
using orch::api::resource::namespaces;

namespace {

// "pods. has 2 resource instances, ...": what is left, as Kubernetes lists it.
std::string listed(const std::map<std::string, size_t>& counts, std::string_view words) {
  std::string text;
  for (const auto& [name, count] : counts) {
    if (!text.empty()) text += ", ";
    text += name + std::string(words) + std::to_string(count) + " resource instances";
  }
  return text;
}

Value condition(const Value& space, std::string_view type, bool status, std::string_view reason,
                const std::string& message, WallTime now) {
  const char* const text = status ? "True" : "False";
  const Value* before = find_condition(space, type);
  const bool same = before != nullptr && (*before)["status"].as_string() == text;
  return Value::object(
      {{"type", type},
       {"status", text},
       {"lastTransitionTime", same ? (*before)["lastTransitionTime"] : Value(format_time(now))},
       {"reason", reason},
       {"message", message}});
}

}  // namespace

Value plan_namespace_conditions(const Value& space, const NamespaceRemains& remains, WallTime now) {
  const bool content = !remains.resources.empty(), held = !remains.finalizers.empty();
  return Value::array(
      {condition(space, "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
                 "All resources successfully discovered", now),
       condition(space, "NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
                 "All legacy kube types successfully parsed", now),
       condition(space, "NamespaceDeletionContentFailure", false, "ContentDeleted",
                 "All content successfully deleted, may be waiting on finalization", now),
       condition(space, "NamespaceContentRemaining", content,
                 content ? "SomeResourcesRemain" : "ContentRemoved",
                 content ? "Some resources are remaining: " + listed(remains.resources, " has ")
                         : "All content successfully removed",
                 now),
       condition(space, "NamespaceFinalizersRemaining", held,
                 held ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
                 held ? "Some content in the namespace has finalizers remaining: " +
                            listed(remains.finalizers, " in ")
                      : "All content-preserving finalizers finished",
                 now)});
}

std::vector<client::Watch> NamespaceController::watches() {
  // The last object of a namespace has gone: maybe the namespace can go too.
  const auto contents_keys = [](const client::ChangedObject& changed) -> std::vector<ObjectKey> {
    if (!changed.deleted()) return {};
    return {{"", changed.key().ns}};
  };
  std::vector<client::Watch> watches = {client::watch_own(namespaces())};
  for (const api::Resource* resource : contents_) watches.push_back({resource, contents_keys});
  return watches;
}

Result<Requeue> NamespaceController::reconcile(const ObjectKey& key) {
  const auto space = cache_.get(namespaces(), key);
  if (!space || !is_deleting(*space)) return Requeue::never();

  NamespaceRemains remains;
  for (const api::Resource* resource : contents_)
    ORCH_TRY(empty_resource(*resource, key.name, &remains));
  if (!remains.resources.empty()) {
    ORCH_TRY(tell(*space, remains));
    return Requeue::never();  // Each object that goes brings us back.
  }

  Value emptied = *space;
  Value kept = Value::array();
  for (const Value& finalizer : (*space)["spec"]["finalizers"].items())
    if (finalizer.as_string() != kNamespaceFinalizer) kept.push_back(finalizer);
  if (kept.size() == (*space)["spec"]["finalizers"].size()) return Requeue::never();
  emptied["spec"].set("finalizers", std::move(kept));
  const auto finalized = api_.update(namespaces(), emptied, "finalize");
  if (!finalized.ok() && !finalized.status().not_found()) return finalized.status();
  return Requeue::never();
}

// Says what it waits for, when that has changed.
Result<void> NamespaceController::tell(const Value& space, const NamespaceRemains& remains) {
  Value conditions = plan_namespace_conditions(space, remains, clock_.now());
  if (space.at("status.conditions") == conditions) return {};
  Value status = space["status"];
  status.set("conditions", std::move(conditions));
  const auto told = api_.update(namespaces(), with_status(space, std::move(status)), "status");
  if (!told.ok() && !told.status().not_found()) return told.status();
  return {};
}

// Deletes what is there, and counts what goes on existing.
Result<void> NamespaceController::empty_resource(const api::Resource& resource,
                                                 const std::string& ns, NamespaceRemains* remains) {
  client::ListOptions in_namespace;
  in_namespace.ns = ns;
  for (const Value& object : ORCH_TRY(api_.list(resource, in_namespace))) {
    if (is_deleting(object)) continue;
    client::DeleteOptions background;
    background.uid = uid_of(object);
    background.propagation = "Background";
    const auto removed = api_.remove(resource, client::key_of(object), background);
    if (!removed.ok() && !removed.status().not_found()) return removed.status();
  }
  const std::string name = resource.plural + (resource.group.empty() ? "" : "." + resource.group);
  for (const Value& object : ORCH_TRY(api_.list(resource, in_namespace))) {
    ++remains->resources[name];
    for (const Value& finalizer : object.at("metadata.finalizers").items())
      ++remains->finalizers[finalizer.as_string()];
  }
  return {};
}

}  // namespace orch::controllers
