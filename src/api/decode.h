// decode: a parsed document → an object of a known type. Checks the shape of every field, drops
// what the type doesn't know, and brings scalars to their canonical form (quantities, times,
// base64), so that everything behind this door may trust what it reads. Pure.
// Failures are 400 in Kubernetes' words:
//   Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string
//   into Go struct field DeploymentSpec.spec.replicas of type int32
#pragma once

#include <string>
#include <vector>

#include "api/json.h"
#include "api/schema.h"
#include "base/result.h"

namespace orch::api {

// fieldValidation of the query: what to do about unknown and repeated fields.
enum class Strictness { ignore, warn, strict };

struct DecodeOptions {
  Strictness strictness = Strictness::ignore;
  // Paths that ParseOptions::duplicates brought; reported as unknown fields are.
  const std::vector<std::string>* duplicates = nullptr;
  // Takes `unknown field "spec.foo"` when strictness is warn; may be nullptr.
  std::vector<std::string>* warnings = nullptr;
};

// At most this many unknown fields are named in one answer.
inline constexpr size_t kMaxFieldComplaints = 100;

// Members with null are dropped, as unset. Unknown fields are always dropped (or refused).
Result<Value> decode(const Type& type, Value document, const DecodeOptions& options = {});

}  // namespace orch::api
