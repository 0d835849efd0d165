// Two passes over the lines: the first declares every type, so that the second can resolve names in
// any order across files. Pure.
#include "api/schema_parser.h"

#include <algorithm>

#include "api/schema_words.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr std::string_view kAllVerbs = "create,delete,deletecollection,get,list,patch,update,watch";

constexpr std::pair<std::string_view, Shape> kScalars[] = {
    {"string", Shape::string},     {"bool", Shape::boolean},
    {"int32", Shape::int32},       {"int64", Shape::int64},
    {"double", Shape::number},     {"bytes", Shape::bytes},
    {"quantity", Shape::quantity}, {"int_or_string", Shape::int_or_string},
    {"time", Shape::time},         {"micro_time", Shape::micro_time},
    {"duration", Shape::duration}, {"any", Shape::any},
};

std::vector<uint16_t> wire_order(const std::vector<Field>& fields) {
  std::vector<uint16_t> order;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].wire_path[0] != 0) order.push_back(static_cast<uint16_t>(i));
  }
  std::sort(order.begin(), order.end(),
            [&](uint16_t a, uint16_t b) { return fields[a].wire_path < fields[b].wire_path; });
  return order;
}

}  // namespace

#define ORCH_AT(line, what) \
  bad_request(std::string((line).source) + ":" + std::to_string((line).number) + ": " + (what))

Result<std::unique_ptr<const Schema>> SchemaParser::parse(
    const std::vector<Schema::Source>& sources) {
  std::unique_ptr<Schema> schema(new Schema());
  SchemaParser parser;
  parser.schema_ = schema.get();
  ORCH_TRY(parser.run(sources));
  ORCH_TRY(parser.finish());
  return std::unique_ptr<const Schema>(std::move(schema));
}

Result<void> SchemaParser::run(const std::vector<Schema::Source>& sources) {
  std::vector<Line> lines;
  for (const Schema::Source& source : sources) {
    int number = 0;
    for (std::string_view text : split(source.text, '\n')) {
      ++number;
      if (text.empty() || text.front() == '#') continue;
      Line line;
      line.source = source.name;
      line.number = number;
      line.indented = text.front() == ' ';
      if (const size_t doc = text.find(" -- "); doc != std::string_view::npos) {
        line.doc = trim(text.substr(doc + 4));
        text = text.substr(0, doc);
      }
      line.words = words_of(text);
      if (!line.words.empty()) lines.push_back(std::move(line));
    }
  }
  ORCH_TRY(declare_types(lines));
  for (const Line& line : lines) ORCH_TRY(read_line(line));
  return {};
}

Result<void> SchemaParser::declare_types(const std::vector<Line>& lines) {
  for (const Line& line : lines) {
    if (line.indented) continue;
    if (line.words[0] == "group") ORCH_TRY(read_group(line));
    if (line.words[0] != "type") continue;
    if (line.words.size() < 2) return ORCH_AT(line, "a type needs a name");
    auto type = std::make_unique<Type>();
    type->kind = line.words[1];
    type->name = group_.package + "." + type->kind;
    type->openapi_name = group_.openapi + "." + type->kind;
    type->group = group_.group;
    type->version = group_.version;
    type->doc = line.doc;
    if (!declared_.emplace(type->name, type.get()).second) {
      return ORCH_AT(line, "type " + quoted(type->name) + " stands twice");
    }
    schema_->type_order_.push_back(type.get());
    schema_->types_.push_back(std::move(type));
  }
  return {};
}

Result<void> SchemaParser::read_line(const Line& line) {
  const std::string_view what = line.words[0];
  if (!line.indented) {
    type_ = nullptr;
    resource_ = nullptr;
    if (what == "group") return read_group(line);
    if (what == "type") return begin_type(line);
    if (what == "resource") return begin_resource(line);
    return ORCH_AT(line, "expected group, type or resource, not " + quoted(what));
  }
  if (type_ != nullptr) return read_field(line);
  if (resource_ == nullptr) return ORCH_AT(line, "belongs to no type or resource");
  if (what == "with") return resource_options(line, 1);
  if (what == "subresource") return read_subresource(line);
  if (what == "column") return read_column(line);
  return ORCH_AT(line, "expected with, subresource or column, not " + quoted(what));
}

// group apps version v1 package=apps/v1 openapi=io.k8s.api.apps.v1 [order=17800]
Result<void> SchemaParser::read_group(const Line& line) {
  const auto& words = line.words;
  if (words.size() < 6 || words[2] != "version" || !words[4].starts_with("package=") ||
      !words[5].starts_with("openapi=")) {
    return ORCH_AT(line, "expected: group G version V package=P openapi=O");
  }
  group_ = {std::string(unquoted(words[1])), std::string(words[3]), std::string(words[4].substr(8)),
            std::string(words[5].substr(8))};
  if (words.size() > 6 && words[6].starts_with("order=")) {
    group_order_[group_.group] = parse_int(words[6].substr(6)).value_or(0);
  }
  return {};
}

// type PodSpec [top] [atomic]
Result<void> SchemaParser::begin_type(const Line& line) {
  type_ = declared_.find(group_.package + "." + std::string(line.words[1]))->second;
  for (size_t i = 2; i < line.words.size(); ++i) {
    if (line.words[i] == "top") {
      type_->top_level = true;
    } else if (line.words[i] == "atomic") {
      type_->atomic = true;
    } else {
      return ORCH_AT(line, "unknown word " + quoted(line.words[i]));
    }
  }
  if (type_->top_level) {
    for (const char* name : {"kind", "apiVersion"}) {
      Field field;
      field.name = name;
      type_->fields.push_back(std::move(field));
    }
  }
  return {};
}

// resource ReplicaSet replicasets singular=replicaset short=rs namespaced verbs=*
Result<void> SchemaParser::begin_resource(const Line& line) {
  if (line.words.size() < 3) return ORCH_AT(line, "expected: resource KIND PLURAL ...");
  const auto type = declared_.find(group_.package + "." + std::string(line.words[1]));
  if (type == declared_.end()) {
    return ORCH_AT(line, "unknown type " + quoted(line.words[1]));
  }
  auto resource = std::make_unique<Resource>();
  resource_ = resource.get();
  resource->group = group_.group;
  resource->version = group_.version;
  resource->kind = line.words[1];
  resource->list_kind = resource->kind + "List";
  resource->plural = line.words[2];
  resource->type = type->second;
  schema_->order_.push_back(resource_);
  schema_->resources_.push_back(std::move(resource));
  return resource_options(line, 3);
}

Result<void> SchemaParser::resource_options(const Line& line, size_t from) {
  Resource& r = *resource_;
  for (size_t i = from; i < line.words.size(); ++i) {
    const auto [key, value] = key_value(line.words[i]);
    if (key == "singular") {
      r.singular = value;
    } else if (key == "short") {
      append_list(&r.short_names, value);
    } else if (key == "category") {
      append_list(&r.categories, value);
    } else if (key == "namespaced" || key == "cluster") {
      r.namespaced = key == "namespaced";
    } else if (key == "verbs") {
      append_list(&r.verbs, value == "*" ? kAllVerbs : value);
    } else if (key == "prefix") {
      r.storage_prefix = value;
    } else if (key == "hash") {
      r.storage_hash = value;
    } else if (key == "select") {
      for (const std::string& field : list_of(value)) {
        const size_t at = field.find('@');
        r.selectable_fields.push_back(
            {field.substr(0, at), at == field.npos ? field : field.substr(at + 1)});
      }
    } else if (key == "durability" && value == "relaxed") {
      r.relaxed = true;
    } else if (key == "generation") {
      r.generation = true;
    } else if (key == "create_on_update") {
      r.create_on_update = true;
    } else if (key == "conditional_update") {
      r.unconditional_update = false;
    } else if (key == "propagation") {
      r.default_propagation = value;
    } else if (key == "storage") {
      storage_[resource_] = value;
    } else if (key == "hook") {
      r.hook = value;
    } else if (key == "name" && value == "dns_label") {
      r.name_rule = NameRule::dns_label;
    } else if (key == "name" && value == "dns_label_1035") {
      r.name_rule = NameRule::dns_label_1035;
    } else if (key == "name" && value == "path_segment") {
      r.name_rule = NameRule::path_segment;
    } else {
      return ORCH_AT(line, "unknown option " + quoted(line.words[i]));
    }
  }
  return {};
}

// subresource scale kind=Scale verbs=get,patch,update group=autoscaling version=v1
Result<void> SchemaParser::read_subresource(const Line& line) {
  if (line.words.size() < 2) return ORCH_AT(line, "a subresource needs a name");
  Subresource sub;
  sub.name = line.words[1];
  for (size_t i = 2; i < line.words.size(); ++i) {
    const auto [key, value] = key_value(line.words[i]);
    if (key == "kind") {
      sub.kind = value;
    } else if (key == "group") {
      sub.group = value;
    } else if (key == "version") {
      sub.version = value;
    } else if (key == "verbs") {
      append_list(&sub.verbs, value);
    } else {
      return ORCH_AT(line, "unknown option " + quoted(line.words[i]));
    }
  }
  resource_->subresources.push_back(std::move(sub));
  return {};
}

// column "Internal-IP" string internal_ip priority=1 -- what it says
Result<void> SchemaParser::read_column(const Line& line) {
  if (line.words.size() < 4) return ORCH_AT(line, "expected: column NAME TYPE CELL ...");
  Column column;
  column.name = unquoted(line.words[1]);
  column.type = line.words[2];
  column.cell = line.words[3];
  column.description = line.doc;
  for (size_t i = 4; i < line.words.size(); ++i) {
    const auto [key, value] = key_value(line.words[i]);
    if (key == "format") {
      column.format = value;
    } else if (key == "priority") {
      column.priority = static_cast<int>(parse_int(value).value_or(0));
    } else {
      return ORCH_AT(line, "unknown option " + quoted(line.words[i]));
    }
  }
  resource_->columns.push_back(std::move(column));
  return {};
}

// containers []Container required list=map key=name patch=name pb=2
Result<void> SchemaParser::read_field(const Line& line) {
  if (line.words.size() < 2) return ORCH_AT(line, "expected: NAME SHAPE ...");
  Field field;
  field.name = line.words[0];
  field.doc = line.doc;
  std::string_view shape = line.words[1];
  if (shape.starts_with('*')) {
    field.pointer = true;
    shape.remove_prefix(1);
  }
  ORCH_TRY(resolve_shape(line, shape, &field));
  for (size_t i = 2; i < line.words.size(); ++i) {
    const auto [key, value] = key_value(line.words[i]);
    ORCH_TRY(field_option(line, key, value, &field));
  }
  if (type_->find(field.name) != nullptr) {
    return ORCH_AT(line, "field " + quoted(field.name) + " stands twice");
  }
  type_->fields.push_back(std::move(field));
  return {};
}

Result<void> SchemaParser::field_option(const Line& line, std::string_view key,
                                        std::string_view value, Field* field) {
  if (key == "required") {
    field->required = true;
  } else if (key == "may_be_empty") {
    field->may_be_empty = true;
  } else if (key == "written") {
    field->always_written = true;
  } else if (key == "enum") {
    // Of an array: what its items may be.
    if (field->element != nullptr) {
      auto element = std::make_shared<Field>(*field->element);
      element->enum_values = list_of(value);
      field->element = std::move(element);
    } else {
      field->enum_values = list_of(value);
    }
  } else if (key == "default") {
    field->has_default = true;
    auto parsed = parse_json(value);
    field->default_value = parsed.ok() ? std::move(parsed).value() : Value(value);
  } else if (key == "list" && (value == "map" || value == "set")) {
    field->list_kind = value == "map" ? Field::ListKind::map : Field::ListKind::set;
  } else if (key == "key") {
    field->list_keys = list_of(value);
  } else if (key == "patch") {
    field->merge_list = true;
    field->merge_key = value;
  } else if (key == "retain_keys") {
    field->retain_keys = true;
  } else if (key == "atomic") {
    field->atomic_map = true;
  } else if (key == "pb") {
    const auto parts = split(value, '.');
    if (parts.size() > field->wire_path.size()) return ORCH_AT(line, "pb is too deep");
    for (size_t i = 0; i < parts.size(); ++i) {
      field->wire_path[i] = static_cast<int>(parse_int(parts[i]).value_or(0));
      if (field->wire_path[i] <= 0) return ORCH_AT(line, "pb needs a number");
    }
  } else {
    return ORCH_AT(line, "unknown option " + quoted(key));
  }
  return {};
}

Result<void> SchemaParser::resolve_shape(const Line& line, std::string_view text, Field* field) {
  for (const auto& [name, shape] : kScalars) {
    if (text == name) {
      field->shape = shape;
      return {};
    }
  }
  const bool array = text.starts_with("[]");
  if (array || (text.starts_with("map[") && text.ends_with(']'))) {
    field->shape = array ? Shape::array : Shape::map;
    const auto inner = array ? text.substr(2) : text.substr(4, text.size() - 5);
    const std::string key = group_.package + " " + std::string(inner);
    auto& element = elements_[key];
    if (element == nullptr) {
      auto made = std::make_shared<Field>();
      ORCH_TRY(resolve_shape(line, inner, made.get()));
      element = std::move(made);
    }
    field->element = element;
    return {};
  }
  const bool full = text.find('.') != std::string_view::npos;
  const auto type =
      declared_.find(full ? std::string(text) : group_.package + "." + std::string(text));
  if (type == declared_.end()) return ORCH_AT(line, "unknown type " + quoted(text));
  field->shape = Shape::object;
  field->type = type->second;
  return {};
}

Result<void> SchemaParser::finish() {
  for (const auto& type : schema_->types_) {
    type->fields.shrink_to_fit();
    type->wire_order = wire_order(type->fields);
    schema_->by_name_.emplace(type->name, type.get());
    if (!type->top_level) continue;
    const std::string gv = type->group.empty() ? type->version : type->group + "/" + type->version;
    schema_->by_document_.emplace(gv + " " + type->kind, type.get());
  }
  std::stable_sort(schema_->order_.begin(), schema_->order_.end(),
                   [this](const Resource* a, const Resource* b) {
                     if (a->group != b->group)
                       return group_order_[a->group] > group_order_[b->group];
                     return a->version > b->version;  // v2 before v1.
                   });
  for (const auto& resource : schema_->resources_) {
    const std::string gv = resource->api_version();
    schema_->by_path_.emplace(gv + " " + resource->plural, resource.get());
    schema_->by_kind_.emplace(gv + " " + resource->kind, resource.get());
  }
  for (const auto& [resource, version] : storage_) {
    const auto found = schema_->by_path_.find(version + " " + resource->plural);
    if (found == schema_->by_path_.end()) return bad_request("no version " + quoted(version));
    resource->storage = found->second;
  }
  return {};
}

#undef ORCH_AT

}  // namespace orch::api
