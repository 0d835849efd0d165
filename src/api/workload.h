// workload: rules that workloads share: Deployments, ReplicaSets, StatefulSets, DaemonSets. Pure.
// Used by their hooks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/causes.h"

namespace orch::api {

// Counts, the selector, and a template that it matches.
void validate_workload(const Value& object, Causes& causes);
// The selector stays. The signature is that of Hook::validate_update.
void validate_workload_update(const Value& object, const Value& old, std::string_view subresource,
                              Causes& causes);
// A count or a percentage of the replicas. Its number; -1 when it is wrong.
int64_t validate_share(const Value& share, const std::string& path, Causes& causes);
// "field is immutable" when the value at the dotted path changed.
void validate_unchanged(const Value& object, const Value& old, const std::string& path,
                        Causes& causes);

}  // namespace orch::api
