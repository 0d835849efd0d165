// leader_lease: the Leases kube-system/kube-controller-manager and kube-scheduler, which programs
// read to learn who leads. They are for show: who leads is settled by the store's log, and these
// loops run on the leader only. So they are renewed seldom, and say that they last that long: what
// kube-controller-manager renews every 2 s would be 43,000 writes a day. Follows: Kubernetes'
// "Leases" (leader election), for the fields.
#pragma once

#include <string>
#include <vector>

#include "client/loop_runner.h"

namespace orch::controllers {

inline constexpr int64_t kLeaderLeaseSeconds = 3600;
inline constexpr std::chrono::seconds kLeaderLeaseRenewal{1800};

// The Lease as it should be (PURE): held by `holder`, renewed when that is due. `stands` is null
// when there is none; when nothing is to be changed, so is the answer.
api::Value plan_leader_lease(const api::Value& stands, const std::string& name,
                             const std::string& holder, WallTime now);

class LeaderLeaseController : public client::Reconciler {
 public:
  // `names`: of the Leases that this server's loops hold.
  LeaderLeaseController(client::Api& api, const client::Cache& cache, const Clock& clock,
                        std::string holder, std::vector<std::string> names)
      : api_(api),
        cache_(cache),
        clock_(clock),
        holder_(std::move(holder)),
        names_(std::move(names)) {}

  std::string_view name() const override { return "leader-lease"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  client::Api& api_;
  const client::Cache& cache_;
  const Clock& clock_;
  const std::string holder_;
  const std::vector<std::string> names_;
};

}  // namespace orch::controllers
