#include "api/openapi.h"

#include "api/discovery.h"
#include "api/json.h"
#include "api/openapi_paths.h"
#include "api/openapi_protobuf.h"
#include "api/openapi_types.h"

namespace orch::api {
namespace {

constexpr const char* kVersion = "v1.32.4";

std::string url_path(const std::string& group, const std::string& version) {
  return group.empty() ? "api/" + version : "apis/" + group + "/" + version;
}

Value info() { return Value::object({{"title", "Kubernetes"}, {"version", kVersion}}); }

Value security_scheme() {
  return Value::object({{"BearerToken", Value::object({{"description", "A bearer token."},
                                                       {"type", "apiKey"},
                                                       {"name", "authorization"},
                                                       {"in", "header"}})}});
}

// Members of a JSON object, written as they come.
class Members {
 public:
  Emit sink() {
    return [this](std::string_view name, const Value& part) {
      text_ += text_.empty() ? '{' : ',';
      append_json_string(&text_, name);
      text_ += ':';
      append_json(&text_, part);
    };
  }
  bool empty() const { return text_.empty(); }
  std::string take() { return text_.empty() ? "{}" : std::move(text_) + "}"; }

 private:
  std::string text_;
};

// The parts of a document of all resources of which `serves` is true.
template <typename Serves>
void emit_parts(Dialect dialect, const Schema& schema, const Serves& serves, const Emit& path,
                const Emit& definition) {
  const Docs docs;
  Types wanted;
  bool any = false;
  for (const auto& [group, version] : served_versions(schema)) {
    if (!serves(group, version)) continue;
    any = true;
    emit_discovery_path(dialect, group, version, path);
    for (const Resource* resource : schema.resources()) {
      if (resource->group != group || resource->version != version) continue;
      wanted.insert(resource->type);
      emit_paths(dialect, schema, *resource, &wanted, path);
      if (!resource->has_verb("list")) continue;
      definition(resource->type->openapi_name + "List", list_schema(dialect, *resource));
    }
  }
  if (!any) return;
  for (const char* name :
       {"meta/v1.ListMeta", "meta/v1.Status", "meta/v1.DeleteOptions", "meta/v1.APIResourceList"}) {
    if (const Type* type = schema.find_type(name); type != nullptr) wanted.insert(type);
  }
  // Types name further types until there are no new ones.
  Types done;
  while (!wanted.empty()) {
    const Type* type = wanted.extract(wanted.begin()).value();
    if (!done.insert(type).second) continue;
    definition(type->openapi_name, type_schema(dialect, docs, *type, &wanted));
  }
  for (const auto& [name, scalar] : scalar_schemas(dialect)) definition(name, scalar);
}

constexpr auto kAll = [](const std::string&, const std::string&) { return true; };

}  // namespace

std::vector<std::string> openapi_v3_paths(const Schema& schema) {
  std::vector<std::string> paths;
  for (const auto& [group, version] : served_versions(schema)) {
    paths.push_back(url_path(group, version));
  }
  return paths;
}

std::string render_openapi_v3(const Schema& schema, std::string_view path) {
  Members paths, schemas;
  const auto serves = [&](const std::string& group, const std::string& version) {
    return url_path(group, version) == path;
  };
  emit_parts(Dialect::v3, schema, serves, paths.sink(), schemas.sink());
  if (paths.empty()) return "";
  return R"({"openapi":"3.0.0","info":)" + to_json(info()) + R"(,"paths":)" + paths.take() +
         R"(,"components":{"schemas":)" + schemas.take() + R"(,"securitySchemes":)" +
         to_json(security_scheme()) + "}}";
}

std::string render_openapi_v2(const Schema& schema) {
  Members paths, definitions, parameters;
  emit_parts(Dialect::v2, schema, kAll, paths.sink(), definitions.sink());
  emit_shared_parameters(parameters.sink());
  return R"({"swagger":"2.0","info":)" + to_json(info()) + R"(,"paths":)" + paths.take() +
         R"(,"definitions":)" + definitions.take() + R"(,"parameters":)" + parameters.take() +
         R"(,"securityDefinitions":)" + to_json(security_scheme()) +
         R"(,"security":[{"BearerToken":[]}]})";
}

std::string render_openapi_v2_protobuf(const Schema& schema) {
  OpenApiMessage message;
  emit_parts(
      Dialect::v2, schema, kAll,
      [&](std::string_view name, const Value& part) { message.add_path(name, part); },
      [&](std::string_view name, const Value& part) { message.add_definition(name, part); });
  emit_shared_parameters(
      [&](std::string_view name, const Value& part) { message.add_parameter(name, part); });
  return message.take(info(), security_scheme());
}

}  // namespace orch::api
