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
// Of ReplicaSets and ReplicationControllers: no part is greater than the whole.
void validate_replica_status(const Value& status, Causes& causes);
// A count or a percentage of the replicas. Its number; -1 when it is wrong.
int64_t validate_share(const Value& share, const std::string& path, Causes& causes);
// When a Job has failed or succeeded (job_policies.cpp), and what its status keeps.
void validate_job_policies(const Value& spec, const std::string& path, Causes& causes);
void validate_job_status(const Value& job, const Value& old, Causes& causes);
// "field is immutable" when the value at the dotted path changed.
void validate_unchanged(const Value& object, const Value& old, const std::string& path,
                        Causes& causes);

}  // namespace orch::api
