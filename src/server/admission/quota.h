// quota: what objects use of a ResourceQuota. Whoever admits an object and whoever keeps a quota's
// status count by the same functions. PURE.
// Follows: kube-apiserver's plugin ResourceQuota; "Resource Quotas".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"
#include "server/admission/quantities.h"

namespace orch::admission {

// What one object uses, by every name that a quota may call it: "pods", "count/pods", "cpu",
// "requests.cpu" ... A pod that has ended uses nothing but its place among the objects.
Quantities usage_of(const api::Resource& resource, const api::Value& object);

// Whether a quota's scopes let it count this object.
bool quota_counts(const api::Value& quota, const api::Resource& resource, const api::Value& object);

// The resource whose objects a name in a quota's `hard` counts, and what must be read of them to
// count: nothing but their number for most.
struct Counted {
  std::string group, plural;
  bool number_only = true;
};
Counted counted_by(std::string_view quota_name);

// Names of `hard` that a pod must say something about, and doesn't: "limits.cpu for: a,b"; sorted.
std::vector<std::string> unspecified(const Quantities& hard, const api::Value& pod);

// "cpu=1,pods=2" of those of `quantities` that `names` has.
std::string to_text(const Quantities& quantities, const Quantities& names);

}  // namespace orch::admission
