// The graph and its look-ups; the tables come from schema_tables(), which the build makes of
// api/schema/*.schema (cmake/embed_schema.cmake).
#include "api/schema.h"

#include <algorithm>

#include "api/schema_parser.h"
#include "base/check.h"
#include "base/log.h"

namespace orch::api {

// In the generated schema_tables.cpp.
std::vector<Schema::Source> schema_tables();

namespace {

std::string path_key(std::string_view group, std::string_view version, std::string_view name) {
  std::string key;
  key.reserve(group.size() + version.size() + name.size() + 2);
  if (!group.empty()) key.append(group).append("/");
  return key.append(version).append(" ").append(name);
}

template <class Map>
typename Map::mapped_type look_up(const Map& map, std::string_view key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : found->second;
}

}  // namespace

const Field* Type::find(std::string_view field_name) const {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const Field& field) { return field.name == field_name; });
  return found == fields.end() ? nullptr : &*found;
}

bool Resource::has_verb(std::string_view verb) const {
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

const Subresource* Resource::find_subresource(std::string_view a_name) const {
  const auto found = std::find_if(subresources.begin(), subresources.end(),
                                  [&](const Subresource& sub) { return sub.name == a_name; });
  return found == subresources.end() ? nullptr : &*found;
}

Schema::Schema() = default;
Schema::~Schema() = default;

const Schema& Schema::builtin() {
  static const Schema* const schema = [] {
    auto parsed = parse(schema_tables());
    if (!parsed.ok()) log::error("schema", parsed.status().message);
    ORCH_CHECK(parsed.ok());
    return std::move(parsed).value().release();  // Lives as long as the process.
  }();
  return *schema;
}

Result<std::unique_ptr<const Schema>> Schema::parse(const std::vector<Source>& sources) {
  return SchemaParser::parse(sources);
}

const Resource* Schema::find(std::string_view group, std::string_view version,
                             std::string_view plural) const {
  return look_up(by_path_, path_key(group, version, plural));
}

const Resource* Schema::find_kind(std::string_view api_version, std::string_view kind) const {
  return look_up(by_kind_, path_key("", api_version, kind));
}

const Type* Schema::find_type(std::string_view name) const { return look_up(by_name_, name); }

const Type* Schema::find_document_type(std::string_view api_version, std::string_view kind) const {
  const Type* type = look_up(by_document_, path_key("", api_version, kind));
  if (type == nullptr) type = look_up(by_document_, path_key("", "meta.k8s.io/v1", kind));
  return type;
}

}  // namespace orch::api
