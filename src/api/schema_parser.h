// SchemaParser: texts of schema tables → the graph of api/schema.h. The form of the tables is told
// in api/schema/README.md. Used once at start, and by tests.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"

namespace orch::api {

class SchemaParser {
 public:
  // The Status (400) of a broken table names file and line: `core_v1.schema:12: unknown type "X"`.
  static Result<std::unique_ptr<const Schema>> parse(const std::vector<Schema::Source>& sources);

 private:
  // One line, cut: words, and what followed " -- ".
  struct Line {
    std::string_view source;
    int number = 0;
    bool indented = false;
    std::vector<std::string_view> words;
    std::string_view doc;
  };
  struct Group {
    std::string group, version, package, openapi;
  };

  Result<void> run(const std::vector<Schema::Source>& sources);
  Result<void> declare_types(const std::vector<Line>& lines);
  Result<void> read_line(const Line& line);
  Result<void> read_group(const Line& line);
  Result<void> begin_type(const Line& line);
  Result<void> begin_resource(const Line& line);
  Result<void> resource_options(const Line& line, size_t from);
  Result<void> read_subresource(const Line& line);
  Result<void> read_column(const Line& line);
  Result<void> read_field(const Line& line);
  Result<void> field_option(const Line& line, std::string_view key, std::string_view value,
                            Field* field);
  Result<void> resolve_shape(const Line& line, std::string_view text, Field* field);
  Result<void> finish();

  Schema* schema_ = nullptr;
  Group group_;
  std::map<std::string, int64_t> group_order_;  // Higher comes first in discovery.
  Type* type_ = nullptr;                        // The type or ...
  Resource* resource_ = nullptr;                // ... the resource whose lines follow.
  std::map<Resource*, std::string> storage_;    // The api_version that each is stored in.
  std::map<std::string, Type*, std::less<>> declared_;
  std::map<std::string, std::shared_ptr<const Field>, std::less<>> elements_;  // Shared by text.
};

}  // namespace orch::api
