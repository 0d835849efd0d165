#include "api/table.h"

#include <cstdio>

#include "base/strings.h"

namespace orch::api {

namespace {

// ".status.replicas" of an object. A path may end in "|text": what to show when nothing is there.
Value path_cell(const Value& object, std::string_view path) {
  std::string_view otherwise;
  if (const size_t bar = path.find('|'); bar != path.npos) {
    otherwise = path.substr(bar + 1);
    path = path.substr(0, bar);
  }
  const auto number = parse_int(otherwise);  // What counts is a number in columns of texts, too.
  const Value* value = &object;
  for (const std::string_view step : split(path.substr(1), '.')) value = &(*value)[step];
  if (value->is_null() || (value->is_string() && value->empty() && !otherwise.empty()))
    return otherwise.empty() ? Value() : number ? Value(*number) : Value(otherwise);
  return *value;
}

// A number column shows 0, a text column "", when the field is absent.
Value zero_of(const Column& column) {
  if (column.type == "integer" || column.type == "number") return Value(0);
  return Value("");
}

Value render_cell(const Column& column, const Value& object, WallTime now) {
  if (column.cell.starts_with('.')) {
    Value value = path_cell(object, column.cell);
    return value.is_null() ? zero_of(column) : value;
  }
  const CellFunction function = find_cell_function(column.cell);
  ORCH_CHECK(function != nullptr);
  return function(object, now);
}

Value render_column(const Column& column) {
  return Value::object({{"name", column.name},
                        {"type", column.type},
                        {"format", column.format},
                        {"description", column.description},
                        {"priority", column.priority}});
}

Value row_conditions(const Value& object) {
  const std::string& phase = object["status"]["phase"].as_string();
  if (phase != "Succeeded" && phase != "Failed") return {};
  return Value::array(
      {Value::object({{"type", "Completed"},
                      {"status", "True"},
                      {"reason", phase},
                      {"message", phase == "Succeeded" ? "The pod has completed successfully."
                                                       : "The pod failed."}})});
}

}  // namespace

bool parse_include_object(std::string_view text, IncludeObject* out) {
  if (text.empty() || text == "Metadata")
    *out = IncludeObject::metadata;
  else if (text == "None")
    *out = IncludeObject::none;
  else if (text == "Object")
    *out = IncludeObject::object;
  else
    return false;
  return true;
}

std::string render_table_head(const Resource& resource, std::string_view api_version,
                              const Value& metadata, bool with_columns) {
  Value columns(Array{});
  if (with_columns)
    for (const Column& column : resource.columns) columns.push_back(render_column(column));
  std::string out = R"({"kind":"Table","apiVersion":)";
  append_json_string(&out, api_version);
  out += R"(,"metadata":)";
  append_json(&out, metadata);
  out += R"(,"columnDefinitions":)";
  append_json(&out, columns);
  out += R"(,"rows":[)";
  return out;
}

std::string render_table_row(const Resource& resource, const Value& object,
                             std::string_view object_bytes, IncludeObject include,
                             std::string_view api_version, WallTime now) {
  Value cells(Array{});
  for (const Column& column : resource.columns) cells.push_back(render_cell(column, object, now));
  std::string out = R"({"cells":)";
  append_json(&out, cells);
  if (resource.kind == "Pod") {
    if (const Value conditions = row_conditions(object); !conditions.is_null()) {
      out += R"(,"conditions":)";
      append_json(&out, conditions);
    }
  }
  out += R"(,"object":)";
  if (include == IncludeObject::object)
    out += object_bytes;
  else if (include == IncludeObject::metadata)
    out += render_partial_metadata(object, api_version);
  else
    out += "null";
  out += '}';
  return out;
}

std::string render_partial_metadata(const Value& object, std::string_view api_version) {
  std::string out = R"({"kind":"PartialObjectMetadata","apiVersion":)";
  append_json_string(&out, api_version);
  out += R"(,"metadata":)";
  append_json(&out, object["metadata"]);
  out += '}';
  return out;
}

std::string human_duration(std::chrono::nanoseconds duration) {
  const int64_t s = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  const int64_t minutes = s / 60, hours = s / 3600, days = s / 86400, years = days / 365;
  const auto two = [](int64_t big, char big_unit, int64_t small, char small_unit) {
    std::string text = std::to_string(big) + big_unit;
    if (small != 0) text += std::to_string(small) + small_unit;
    return text;
  };
  if (s < -1) return "<invalid>";
  if (s < 0) return "0s";
  if (minutes < 2) return std::to_string(s) + "s";
  if (minutes < 10) return two(minutes, 'm', s % 60, 's');
  if (hours < 3) return std::to_string(minutes) + "m";
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return std::to_string(hours) + "h";
  if (days < 8) return two(days, 'd', hours % 24, 'h');
  if (years < 2) return std::to_string(days) + "d";
  if (years < 8) return two(years, 'y', days % 365, 'd');
  return std::to_string(years) + "y";
}

}  // namespace orch::api
