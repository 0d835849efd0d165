#include "api/openapi_operation.h"

#include "api/openapi_paths.h"
#include "base/check.h"
#include "base/strings.h"

namespace orch::api {
namespace {

struct Parameter {
  const char* name;
  const char* type;
  const char* sentence;
};

constexpr Parameter kParameters[] = {
    {"allowWatchBookmarks", "boolean", "Ask a watch for BOOKMARK events between changes."},
    {"continue", "string", "The token of the page before, to go on with a list in pages."},
    {"dryRun", "string", "All: do everything but keep the outcome."},
    {"fieldManager", "string", "The name under which the change owns the fields that it sets."},
    {"fieldSelector", "string", "Only objects whose fields have these values."},
    {"fieldValidation", "string",
     "What to do with unknown and doubled fields: Ignore, Warn or Strict."},
    {"force", "boolean", "Take fields over from other managers that own them; for apply only."},
    {"gracePeriodSeconds", "integer", "How long the object may take to end; 0 ends it at once."},
    {"ignoreStoreReadErrorWithClusterBreakingPotential", "boolean",
     "Delete the object although it can not be read; dependents may be left behind."},
    {"labelSelector", "string", "Only objects whose labels match."},
    {"limit", "integer", "At most so many objects; the answer tells how to get the next ones."},
    {"orphanDependents", "boolean", "The older form of propagationPolicy."},
    {"pretty", "string", "true: write the answer with line breaks."},
    {"propagationPolicy", "string",
     "What becomes of dependents: Orphan, Background or Foreground."},
    {"resourceVersion", "string", "How fresh the answer must be, or after which a watch begins."},
    {"resourceVersionMatch", "string", "How to understand resourceVersion: Exact or NotOlderThan."},
    {"sendInitialEvents", "boolean", "Begin a watch with the objects that there are."},
    {"timeoutSeconds", "integer", "Ends a list or a watch after so long."},
    {"watch", "boolean", "Send the changes as they happen, instead of the list."},
};
constexpr Parameter kPathParameters[] = {
    {"name", "string", "The name of the object."},
    {"namespace", "string", "The namespace that the object is in."},
    {"path", "string", "The path to ask for behind the proxy."},
};

Value parameter(Dialect dialect, const Parameter& what, bool in_path) {
  Value value = Value::object({{"name", what.name}, {"in", in_path ? "path" : "query"}});
  value.set("description", what.sentence);
  if (in_path) value.set("required", true);
  if (dialect == Dialect::v2) {
    value.set("type", what.type);
    value.set("uniqueItems", true);
  } else {
    Value schema = plain_schema(what.type);
    schema.set("uniqueItems", true);
    value.set("schema", std::move(schema));
  }
  return value;
}

Value words(const Words& list) {
  Value value = Value::array();
  for (const std::string_view one : list) value.push_back(one);
  return value;
}

Value content(const Words& types, const Value& schema) {
  Value value = Value::object();
  for (const std::string_view type : types) {
    value.set(type, Value::object({{"schema", schema}}));
  }
  return value;
}

const char* meaning(std::string_view code) {
  if (code == "201") return "Created";
  return code == "202" ? "Accepted" : "OK";
}

Value answers(Dialect dialect, const Operation& op) {
  const Value schema =
      op.answer.empty() ? plain_schema("string") : schema_reference(dialect, op.answer);
  Value responses = Value::object();
  for (const char* code : op.codes) {
    Value response = Value::object({{"description", meaning(code)}});
    if (dialect == Dialect::v2) {
      response.set("schema", schema);
    } else {
      response.set("content", content(op.produces, schema));
    }
    responses.set(code, std::move(response));
  }
  responses.set("401", Value::object({{"description", "Unauthorized"}}));
  return responses;
}

void add_body(Dialect dialect, const Operation& op, Value* value, Value* parameters) {
  const Value schema = schema_reference(dialect, op.body);
  const bool required = op.action != "delete" && op.action != "deletecollection";
  if (dialect == Dialect::v2) {
    Value body = Value::object({{"name", "body"}, {"in", "body"}, {"schema", schema}});
    if (required) body.set("required", true);
    parameters->push_back(std::move(body));
    return;
  }
  Value body = Value::object(
      {{"content", content(op.action == "patch" ? op.consumes : Words{"*/*"}, schema)}});
  if (required) body.set("required", true);
  value->set("requestBody", std::move(body));
}

}  // namespace

Value openapi_parameter(Dialect dialect, std::string_view name) {
  if (dialect == Dialect::v2) {
    return Value::object({{"$ref", "#/parameters/" + std::string(name)}});
  }
  for (const Parameter& one : kParameters) {
    if (one.name == name) return parameter(dialect, one, false);
  }
  for (const Parameter& one : kPathParameters) {
    if (one.name == name) return parameter(dialect, one, true);
  }
  ORCH_CHECK(false);
}

std::string capital(std::string_view word) {
  std::string text(word);
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] -= 'a' - 'A';
  return text;
}

std::string group_name(std::string_view group) {
  if (group.empty()) return "Core";
  if (group.ends_with(".k8s.io")) group.remove_suffix(std::string_view(".k8s.io").size());
  std::string name;
  for (const std::string_view part : split(group, '.')) name += capital(part);
  return name;
}

std::string tag_of(std::string_view group, std::string_view version) {
  std::string name = group_name(group);
  name[0] += 'a' - 'A';
  return name + "_" + std::string(version);
}

Value render_operation(Dialect dialect, const Operation& op) {
  Value value = Value::object(
      {{"description", op.sentence}, {"operationId", op.id}, {"tags", Value::array({op.tag})}});
  Value parameters = Value::array();
  if (!op.body.empty()) add_body(dialect, op, &value, &parameters);
  for (const std::string_view name : op.parameters) {
    parameters.push_back(openapi_parameter(dialect, name));
  }
  if (!parameters.empty()) value.set("parameters", std::move(parameters));
  if (dialect == Dialect::v2) {
    value.set("consumes", op.action == "patch" ? words(op.consumes) : Value::array({"*/*"}));
    value.set("produces", words(op.produces));
    value.set("schemes", Value::array({"https"}));
  }
  value.set("responses", answers(dialect, op));
  value.set("x-kubernetes-action", op.action);
  if (!op.kind.is_null()) value.set("x-kubernetes-group-version-kind", op.kind);
  return value;
}

void emit_shared_parameters(const Emit& emit) {
  for (const Parameter& one : kParameters) emit(one.name, parameter(Dialect::v2, one, false));
  for (const Parameter& one : kPathParameters) emit(one.name, parameter(Dialect::v2, one, true));
}

}  // namespace orch::api
