// scale: the subresource by which autoscalers and `kubectl scale` change the number of replicas of
// a workload without knowing its kind: autoscaling/v1 Scale. PURE.
#pragma once

#include "api/json.h"
#include "api/schema.h"
#include "server/apiserver/write.h"

namespace orch::apiserver {

// The Scale of a workload as it is stored.
api::Value scale_of(const api::Value& object);

// A row for Scales, so that they are presented as objects are; no path leads to it.
const api::Resource& scale_resource();

// The Scale that the request wants where `live` stands: its body, or its patch upon what there is.
// Not for an apply. 400 for what isn't a Scale of that name.
Result<api::Value> wanted_scale(const WriteRequest& request, const api::Value& live);
// 422 for replicas that can't be.
Result<void> check_scale(const WriteRequest& request, const api::Value& scale);

}  // namespace orch::apiserver
