// See node_password.h. Workers of the LoopRunner call it; keys are Nodes that were deleted.
#include "server/controllers/node_password.h"

#include "api/resources.h"

namespace orch::controllers {

std::vector<client::Watch> NodePasswordController::watches() {
  const auto deleted = [](const client::ChangedObject& changed) -> std::vector<client::ObjectKey> {
    if (!changed.deleted()) return {};
    return {changed.key()};
  };
  return {{&api::resource::nodes(), deleted}};
}

Result<client::Requeue> NodePasswordController::reconcile(const client::ObjectKey& key) {
  if (cache_.get(api::resource::nodes(), key)) return client::Requeue::never();
  const auto removed =
      api_.remove(api::resource::secrets(), {"kube-system", key.name + ".node-password.orch"});
  if (!removed.ok() && !removed.status().not_found()) return removed.status();
  return client::Requeue::never();
}

}  // namespace orch::controllers
