#include "api/openapi_protobuf.h"

#include <algorithm>

#include "api/protobuf_wire.h"

namespace orch::api {
namespace {

constexpr size_t kExpectedPartBytes = 16u << 10;

// WireWriter writes from the end: fields are written by falling number, items from the last one.

template <typename Write>
void message(WireWriter* out, int field, const Write& write) {
  const size_t mark = out->size();
  write();
  out->enclose(field, mark);
}

// The entry of a map: name = 1, value = 2.
template <typename Write>
void named(WireWriter* out, int field, std::string_view name, const Write& write) {
  message(out, field, [&] {
    message(out, 2, write);
    out->text(1, name);
  });
}

void text(WireWriter* out, int field, const Value& value) {
  if (value.is_string() && !value.empty()) out->text(field, value.as_string());
}

void flag(WireWriter* out, int field, const Value& value) {
  if (value.as_bool()) out->number(field, 1);
}

void texts(WireWriter* out, int field, const Value& list) {
  const Array& items = list.items();
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    out->text(field, item->as_string());
  }
}

// Any: JSON is YAML.
void any(WireWriter* out, int field, const Value& value) {
  message(out, field, [&] { out->text(2, to_json(value)); });
}

void extensions(WireWriter* out, int field, const Value& of) {
  const Value::Object& members = of.members();
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (!member->name.starts_with("x-")) continue;
    named(out, field, member->name, [&] { out->text(2, to_json(member->value)); });
  }
}

void schema_fields(WireWriter* out, const Value& schema) {
  extensions(out, 31, schema);
  if (const Value* properties = schema.find("properties")) {
    message(out, 25, [&] {
      const Value::Object& members = properties->members();
      for (auto member = members.rbegin(); member != members.rend(); ++member) {
        named(out, 1, member->name, [&] { schema_fields(out, member->value); });
      }
    });
  }
  if (const Value* items = schema.find("items")) {
    message(out, 23, [&] { message(out, 1, [&] { schema_fields(out, *items); }); });
  }
  if (schema.has("type")) message(out, 22, [&] { text(out, 1, schema["type"]); });
  if (const Value* more = schema.find("additionalProperties")) {
    message(out, 21, [&] { message(out, 1, [&] { schema_fields(out, *more); }); });
  }
  const Array& values = schema["enum"].items();
  for (auto value = values.rbegin(); value != values.rend(); ++value) any(out, 20, *value);
  texts(out, 19, schema["required"]);
  text(out, 4, schema["description"]);
  text(out, 2, schema["format"]);
  text(out, 1, schema["$ref"]);
}

// The message Parameter: in the body, in the query or in the path.
void parameter_fields(WireWriter* out, const Value& parameter) {
  if (parameter["in"].as_string() == "body") {
    message(out, 1, [&] {
      message(out, 5, [&] { schema_fields(out, parameter["schema"]); });
      flag(out, 4, parameter["required"]);
      text(out, 3, parameter["in"]);
      text(out, 2, parameter["name"]);
      text(out, 1, parameter["description"]);
    });
    return;
  }
  const bool query = parameter["in"].as_string() == "query";
  message(out, 2, [&] {
    message(out, query ? 3 : 4, [&] {
      flag(out, query ? 20 : 19, parameter["uniqueItems"]);
      text(out, query ? 6 : 5, parameter["type"]);
      text(out, 4, parameter["name"]);
      text(out, 3, parameter["description"]);
      text(out, 2, parameter["in"]);
      flag(out, 1, parameter["required"]);
    });
  });
}

void parameter_items(WireWriter* out, int field, const Value& list) {
  const Array& items = list.items();
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    message(out, field, [&] {
      if (item->has("$ref")) {
        message(out, 2, [&] { text(out, 1, (*item)["$ref"]); });
      } else {
        message(out, 1, [&] { parameter_fields(out, *item); });
      }
    });
  }
}

void response_fields(WireWriter* out, const Value& response) {
  message(out, 1, [&] {
    if (const Value* schema = response.find("schema")) {
      message(out, 2, [&] { message(out, 1, [&] { schema_fields(out, *schema); }); });
    }
    text(out, 1, response["description"]);
  });
}

void operation_fields(WireWriter* out, const Value& operation) {
  extensions(out, 13, operation);
  texts(out, 10, operation["schemes"]);
  message(out, 9, [&] {
    const Value::Object& members = operation["responses"].members();
    for (auto member = members.rbegin(); member != members.rend(); ++member) {
      named(out, 1, member->name, [&] { response_fields(out, member->value); });
    }
  });
  parameter_items(out, 8, operation["parameters"]);
  texts(out, 7, operation["consumes"]);
  texts(out, 6, operation["produces"]);
  text(out, 5, operation["operationId"]);
  text(out, 3, operation["description"]);
  texts(out, 1, operation["tags"]);
}

void path_fields(WireWriter* out, const Value& item) {
  parameter_items(out, 9, item["parameters"]);
  constexpr std::pair<int, const char*> kMethods[] = {
      {8, "patch"}, {5, "delete"}, {4, "post"}, {3, "put"}, {2, "get"}};
  for (const auto& [field, method] : kMethods) {
    if (const Value* operation = item.find(method)) {
      message(out, field, [&] { operation_fields(out, *operation); });
    }
  }
}

}  // namespace

void OpenApiMessage::add_path(std::string_view name, const Value& item) {
  WireWriter out(kExpectedPartBytes);
  named(&out, 2, name, [&] { path_fields(&out, item); });
  paths_ += out.take();
}

void OpenApiMessage::add_definition(std::string_view name, const Value& schema) {
  WireWriter out(kExpectedPartBytes);
  named(&out, 1, name, [&] { schema_fields(&out, schema); });
  definitions_ += out.take();
}

void OpenApiMessage::add_parameter(std::string_view name, const Value& parameter) {
  WireWriter out(kExpectedPartBytes);
  named(&out, 1, name, [&] { parameter_fields(&out, parameter); });
  parameters_ += out.take();
}

std::string OpenApiMessage::take(const Value& info, const Value& security) {
  WireWriter out(paths_.size() + definitions_.size() + parameters_.size() + kExpectedPartBytes);
  message(&out, 13, [&] {
    for (const Value::Member& scheme : security.members()) {
      named(&out, 1, scheme.name, [&] {
        message(&out, 2, [&] {
          text(&out, 4, scheme.value["description"]);
          text(&out, 3, scheme.value["in"]);
          text(&out, 2, scheme.value["name"]);
          text(&out, 1, scheme.value["type"]);
        });
      });
    }
  });
  for (const Value::Member& scheme : security.members()) {
    message(&out, 12, [&] { named(&out, 1, scheme.name, [] {}); });
  }
  out.text(10, parameters_);
  out.text(9, definitions_);
  out.text(8, paths_);
  message(&out, 2, [&] {
    text(&out, 2, info["version"]);
    text(&out, 1, info["title"]);
  });
  out.text(1, "2.0");
  return out.take();
}

}  // namespace orch::api
