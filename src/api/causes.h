// Causes: what is wrong with an object, field by field, in the words and with the reasons that
// Kubernetes uses; invalid(group, kind, name, causes) makes the 422 of them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/status.h"

namespace orch::api {

using Causes = std::vector<StatusCause>;

// Fields are named by paths: "spec.containers[0].name".
std::string at(std::string_view path, std::string_view field);    // path.field, or field alone
std::string at(std::string_view path, size_t index);              // path[3]
std::string at_key(std::string_view path, std::string_view key);  // path[key]

void add_required(Causes* causes, std::string path, std::string_view detail = "");
void add_invalid(Causes* causes, std::string path, const Value& value, std::string_view detail);
void add_not_supported(Causes* causes, std::string path, const Value& value,
                       const std::vector<std::string>& supported);
void add_duplicate(Causes* causes, std::string path, const Value& value);
void add_forbidden(Causes* causes, std::string path, std::string_view detail);
void add_not_found(Causes* causes, std::string path, const Value& value);
void add_too_long(Causes* causes, std::string path, size_t max_bytes);
void add_too_many(Causes* causes, std::string path, size_t count, size_t max_items);

// One invalid for each problem that a rule of api/names.h found.
void add_problems(Causes* causes, const std::string& path, const Value& value,
                  const std::vector<std::string>& problems);

}  // namespace orch::api
