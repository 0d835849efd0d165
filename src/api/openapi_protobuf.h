// OpenApiMessage: an OpenAPI v2 document as the protobuf message openapi.v2.Document, which
// kubectl and client-go ask for first. It is filled with the parts of the JSON form, one at a time.
// Pure. Follows: gnostic's openapiv2/OpenAPIv2.proto. Called by openapi.cpp.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"

namespace orch::api {

class OpenApiMessage {
 public:
  // A Path Item, a Schema, a Parameter.
  void add_path(std::string_view name, const Value& item);
  void add_definition(std::string_view name, const Value& schema);
  void add_parameter(std::string_view name, const Value& parameter);

  // `security` is securityDefinitions, each of which every operation asks for.
  std::string take(const Value& info, const Value& security);

 private:
  std::string paths_, definitions_, parameters_;  // Whole fields of the three messages.
};

}  // namespace orch::api
