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

  size_t left = 0;
  for (const api::Resource* resource : contents_)
    left += ORCH_TRY(empty_resource(*resource, key.name));
  if (left > 0) return Requeue::never();  // Each object that goes brings us back.

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

// Deletes what is there; how much of it goes on existing for now (graceful pods, finalizers).
Result<size_t> NamespaceController::empty_resource(const api::Resource& resource,
                                                   const std::string& ns) {
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
  return ORCH_TRY(api_.list(resource, in_namespace)).size();
}

}  // namespace orch::controllers
