// Table: what `kubectl get` prints, computed here so that every client shows the same columns.
// Pure. The columns of a resource stand in its schema; a cell is a path (".spec.replicas") or the
// name of a function in table_*.cpp. Follows: meta.k8s.io/v1 Table, "Receiving resources as
// Tables".
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "api/schema.h"
#include "base/clock.h"

namespace orch::api {

enum class IncludeObject { none, metadata, object };

// "include" of the query string ("None", "Metadata", "Object", "" = Metadata). False otherwise.
bool parse_include_object(std::string_view text, IncludeObject* out);

// A Table is written as text: render_table_head(...) + rows joined by "," + "]}".
// `api_version` is "meta.k8s.io/v1" or "meta.k8s.io/v1beta1"; `metadata` is the list's.
// Without columns (watch events after the first) columnDefinitions are empty.
std::string render_table_head(const Resource& resource, std::string_view api_version,
                              const Value& metadata, bool with_columns);
// One row as JSON. `object_bytes` is the stored JSON of `object`.
std::string render_table_row(const Resource& resource, const Value& object,
                             std::string_view object_bytes, IncludeObject include,
                             std::string_view api_version, WallTime now);

// PartialObjectMetadata of an object, as a row carries it and as clients may ask for.
std::string render_partial_metadata(const Value& object, std::string_view api_version);

// "5m3s": how kubectl's users read a duration.
std::string human_duration(std::chrono::nanoseconds duration);

// Cell functions by name; nullptr when there is none (a test holds the schema to this).
using CellFunction = Value (*)(const Value& object, WallTime now);
CellFunction find_cell_function(std::string_view name);

}  // namespace orch::api
