// openapi_operation: one operation of an OpenAPI document, v2 or v3, and the words it is made of:
// parameters, media types, names of groups. Pure. Called by openapi_paths.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/openapi_types.h"

namespace orch::api {

using Words = std::vector<std::string_view>;

// What one operation is.
struct Operation {
  std::string_view method;  // Of HTTP, in lower case.
  std::string_view action;  // x-kubernetes-action.
  std::string id;
  std::string sentence;
  std::string tag;
  Words parameters;
  std::string body, answer;  // OpenAPI names; an empty answer is text.
  Words consumes = {"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"};
  Words produces = {"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"};
  std::vector<const char*> codes = {"200"};
  Value kind;
};

// The Operation Object.
Value render_operation(Dialect dialect, const Operation& op);
// REQUIRES: `name` is in the tables of openapi_operation.cpp. A reference in v2.
Value openapi_parameter(Dialect dialect, std::string_view name);

std::string capital(std::string_view word);
// "rbac.authorization.k8s.io" → "RbacAuthorization".
std::string group_name(std::string_view group);
std::string tag_of(std::string_view group, std::string_view version);

}  // namespace orch::api
