#include "server/controllers/leader_lease.h"

#include <algorithm>

#include "api/resources.h"
#include "base/time_spans.h"

namespace orch::controllers {

using api::Value;

namespace {

constexpr const char* kNamespace = "kube-system";

}  // namespace

Value plan_leader_lease(const Value& stands, const std::string& name, const std::string& holder,
                        WallTime now) {
  const std::string time = format_micro_time(now);
  if (stands.is_null()) {
    return Value::object({{"apiVersion", "coordination.k8s.io/v1"},
                          {"kind", "Lease"},
                          {"metadata", Value::object({{"namespace", kNamespace}, {"name", name}})},
                          {"spec", Value::object({{"holderIdentity", holder},
                                                  {"leaseDurationSeconds", kLeaderLeaseSeconds},
                                                  {"acquireTime", time},
                                                  {"renewTime", time},
                                                  {"leaseTransitions", 0}})}});
  }
  const Value& spec = stands["spec"];
  const bool ours = spec["holderIdentity"].as_string() == holder;
  WallTime renewed;
  const bool known = parse_time(spec["renewTime"].as_string(), &renewed);
  if (ours && known && renewed <= now && time_between(renewed, now) < kLeaderLeaseRenewal)
    return {};
  Value lease = stands;
  Value& held = lease["spec"];
  if (!ours) {
    held.set("leaseTransitions", spec["leaseTransitions"].as_int() + 1);
    held.set("holderIdentity", holder);
    held.set("acquireTime", time);
  }
  held.set("leaseDurationSeconds", kLeaderLeaseSeconds);
  held.set("renewTime", time);
  return lease;
}

std::vector<client::Watch> LeaderLeaseController::watches() {
  const auto all = [this](const client::ChangedObject& changed) {
    std::vector<client::ObjectKey> keys;
    if (changed.key().name != kNamespace || !changed.added()) return keys;
    for (const std::string& each : names_) keys.push_back({kNamespace, each});
    return keys;
  };
  const auto own = [this](const client::ChangedObject& changed) {
    const auto& [ns, name] = changed.key();
    const bool ours = ns == kNamespace && std::ranges::find(names_, name) != names_.end();
    return ours ? std::vector{changed.key()} : std::vector<client::ObjectKey>{};
  };
  return {{&api::resource::namespaces(), all}, {&api::resource::leases(), own}};
}

Result<client::Requeue> LeaderLeaseController::reconcile(const client::ObjectKey& key) {
  const auto stands = cache_.get(api::resource::leases(), key);
  const Value lease = plan_leader_lease(stands.value_or(Value()), key.name, holder_, clock_.now());
  if (!lease.is_null()) {
    ORCH_TRY(stands ? api_.update(api::resource::leases(), lease)
                    : api_.create(api::resource::leases(), lease));
  }
  return client::Requeue::after(kLeaderLeaseRenewal);
}

}  // namespace orch::controllers
