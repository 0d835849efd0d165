// garbage_collector: deletes what its owners have left behind, and carries out how a deletion
// spreads: background (dependents after), foreground (dependents before), orphan (not at all).
//
// Follows: Kubernetes "Garbage Collection" and "Owners and Dependents". Unlike kube-controller-
// manager it keeps no graph: the cache finds dependents by owner uid, and every question is asked
// anew, so nothing has to be rebuilt after a restart.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/schema.h"
#include "client/loop_runner.h"

namespace orch::controllers {

inline constexpr const char* kForegroundFinalizer = "foregroundDeletion";
inline constexpr const char* kOrphanFinalizer = "orphan";

// What is known of one owner that an object names.
enum class OwnerState {
  solid,    // Exists, or can't be known.
  absent,   // Does not exist, or the name belongs to another uid now.
  waiting,  // Being deleted in the foreground: waits for its dependents to go.
};
// What to do with an object whose owners are in these states (in the order of its references).
struct DependentPlan {
  enum class Act { keep, drop_references, remove } act = Act::keep;
  std::vector<std::string> dropped_uids;  // drop_references.
  bool owner_waits = false;               // remove: some owner waits for it.
};
DependentPlan plan_dependent(const api::Value& object, const std::vector<OwnerState>& owners);

class GarbageCollector : public client::Reconciler {
 public:
  // `resources`: everything that can be deleted and own or be owned. `schema` finds owners' kinds.
  GarbageCollector(client::Api& api, const client::Cache& cache, const api::Schema& schema,
                   std::vector<const api::Resource*> resources);

  std::string_view name() const override { return "garbagecollector"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  // An object and where it lives.
  struct Found {
    const api::Resource* resource = nullptr;
    api::Value object;
  };
  std::vector<client::ObjectKey> keys_of(const api::Resource& resource,
                                         const client::ChangedObject& changed) const;
  std::optional<client::ObjectKey> owner_key(const client::ObjectKey& dependent,
                                             const api::Value& reference) const;
  std::vector<Found> dependents_of(const std::string& owner_uid) const;
  Result<void> collect(const Found& dependent);
  Result<OwnerState> state_of_owner(const Found& dependent, const api::Value& reference);
  Result<void> finish_foreground(const Found& owner);
  Result<void> finish_orphan(const Found& owner);
  Result<void> remove_finalizer(const Found& owner, const char* finalizer);

  client::Api& api_;
  const client::Cache& cache_;
  const api::Schema& schema_;
  const std::vector<const api::Resource*> resources_;
  std::map<std::string, const api::Resource*> by_name_;  // "deployments.apps"
};

}  // namespace orch::controllers
