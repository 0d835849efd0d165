// deletion: what a DELETE does to an object: takes it away at once, or marks it and leaves the rest
// to whoever holds a finalizer, to the pod's node, or to the namespace's sweep. PURE.
// Follows: Kubernetes' "Garbage Collection", "Finalizers" and "Termination of Pods".
#pragma once

#include "api/json.h"
#include "api/schema.h"
#include "base/clock.h"
#include "base/result.h"
#include "server/apiserver/options.h"

namespace orch::apiserver {

// Whoever asks for more time to end gets so much: a sum of times must still fit a clock.
inline constexpr int64_t kMaxGraceS = 100 * 365 * 86'400ll;

struct Deletion {
  enum class Kind { remove, mark, nothing };
  Kind kind = Kind::remove;
  api::Value object;  // With mark: its new state.
};

// `object` is the stored state; preconditions were checked. 409 for a namespace whose content is
// still being removed.
Result<Deletion> plan_deletion(const api::Resource& resource, api::Value object,
                               const DeleteOptions& options, WallTime now);

// True when nothing keeps a marked object any more: the write that takes the last finalizer away
// deletes it.
bool is_released(const api::Resource& resource, const api::Value& object);

// Compares preconditions, where not "", with what is stored. 409 in Kubernetes' words.
Result<void> check_preconditions(const api::Resource& resource, const api::Value& object,
                                 std::string_view uid, std::string_view revision = "");

}  // namespace orch::apiserver
