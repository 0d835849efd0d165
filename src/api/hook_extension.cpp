// What extends the API: definitions of custom resources, and APIs that others serve.
// Follows: kubernetes.io "Extend the Kubernetes API with CustomResourceDefinitions" (structural
// schemas among them), "Configure the Aggregation Layer".
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "api/hook_list.h"
#include "api/names.h"
#include "api/webhook.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr int kMaxSchemaDepth = 64;
constexpr size_t kMaxSelectableFields = 8;
constexpr int64_t kMaxGroupPriority = 20'000;
constexpr int64_t kMaxVersionPriority = 1'000;
constexpr std::string_view kApproval = "api-approved.kubernetes.io";

// ---- CustomResourceDefinition ----

void default_definition(Value& definition) {
  Value& names = definition["spec"]["names"];
  const std::string kind = std::as_const(names)["kind"].as_string();
  if (kind.empty()) return;
  if (std::as_const(names)["singular"].empty()) names.set("singular", to_lower(kind));
  if (std::as_const(names)["listKind"].empty()) names.set("listKind", kind + "List");
}

std::string storage_version(const Value& definition) {
  for (const Value& version : definition.at("spec.versions").items()) {
    if (version["storage"].as_bool()) return version["name"].as_string();
  }
  return "";
}

void prepare_definition(Value& definition) {
  const std::string version = storage_version(definition);
  Value stored = Value::array();
  if (!version.empty()) stored.push_back(version);
  const Value names = Value::object({{"plural", ""}, {"kind", ""}});
  definition.set("status", Value::object({{"conditions", Value::array()},
                                          {"acceptedNames", names},
                                          {"storedVersions", std::move(stored)}}));
}

// Objects may lie in the store in every version that was the storage version once.
void prepare_definition_update(Value& definition, const Value&, std::string_view subresource) {
  const std::string version = storage_version(definition);
  if (subresource == "status" || version.empty()) return;
  Value& stored = definition["status"]["storedVersions"];
  const Array& known = std::as_const(stored).items();
  if (std::find(known.begin(), known.end(), Value(version)) == known.end()) {
    stored.push_back(version);
  }
}

void validate_names(const Value& names, const std::string& path, Causes& causes) {
  const auto label = [&](const char* name, const std::string& text) {
    if (text.empty()) return;
    add_problems(&causes, at(path, name), text, dns_label_1035_problems(text));
  };
  label("plural", names["plural"].as_string());
  label("singular", names["singular"].as_string());
  label("kind", to_lower(names["kind"].as_string()));
  label("listKind", to_lower(names["listKind"].as_string()));
  for (const char* list : {"shortNames", "categories"}) {
    for (size_t i = 0; i < names[list].size(); ++i) {
      const std::string& text = names[list][i].as_string();
      add_problems(&causes, at(at(path, list), i), text, dns_label_1035_problems(text));
    }
  }
  if (!names["kind"].empty() && names["kind"] == names["listKind"]) {
    add_invalid(&causes, at(path, "listKind"), names["listKind"],
                "kind and listKind may not be the same");
  }
}

// A structural schema says of every value which type it has.
void validate_schema(const Value& schema, const std::string& path, int depth, Causes& causes) {
  if (depth == 0) return add_forbidden(&causes, path, "the schema is nested too deeply");
  const bool loose = schema["x-kubernetes-int-or-string"].as_bool() ||
                     schema["x-kubernetes-preserve-unknown-fields"].as_bool();
  static const std::vector<std::string> kTypes = {"array",  "boolean", "integer",
                                                  "number", "object",  "string"};
  const Value& type = schema["type"];
  if (type.empty()) {
    if (!loose)
      add_required(&causes, at(path, "type"), "must not be empty for specified object fields");
  } else if (std::find(kTypes.begin(), kTypes.end(), type.as_string()) == kTypes.end()) {
    add_not_supported(&causes, at(path, "type"), type, kTypes);
  }
  for (const char* name :
       {"$ref", "definitions", "dependencies", "patternProperties", "id", "additionalItems"}) {
    if (!schema[name].empty()) add_forbidden(&causes, at(path, name), "must not be used");
  }
  if (schema["uniqueItems"].as_bool()) {
    add_forbidden(&causes, at(path, "uniqueItems"),
                  "uniqueItems cannot be set to true since the runtime complexity becomes "
                  "quadratic");
  }
  if (!schema["properties"].empty() && schema["additionalProperties"].is_object()) {
    add_forbidden(&causes, at(path, "additionalProperties"),
                  "additionalProperties and properties are mutual exclusive");
  }
  for (const Value::Member& member : schema["properties"].members()) {
    validate_schema(member.value, at_key(at(path, "properties"), member.name), depth - 1, causes);
  }
  if (schema["items"].is_array()) {
    add_forbidden(&causes, at(path, "items"), "items must be a schema object and not an array");
  } else if (schema["items"].is_object()) {
    validate_schema(schema["items"], at(path, "items"), depth - 1, causes);
  } else if (type.as_string() == "array") {
    add_required(&causes, at(path, "items"), "must be specified");
  }
  if (schema["additionalProperties"].is_object()) {
    validate_schema(schema["additionalProperties"], at(path, "additionalProperties"), depth - 1,
                    causes);
  }
}

void validate_columns(const Value& columns, const std::string& path, Causes& causes) {
  static const std::vector<std::string> kTypes = {"boolean", "date", "integer", "number", "string"};
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string here = at(path, i);
    const Value& type = columns[i]["type"];
    if (!type.empty() &&
        std::find(kTypes.begin(), kTypes.end(), type.as_string()) == kTypes.end()) {
      add_not_supported(&causes, at(here, "type"), type, kTypes);
    }
    const Value& json_path = columns[i]["jsonPath"];
    if (!json_path.empty() && !json_path.as_string().starts_with('.')) {
      add_invalid(&causes, at(here, "jsonPath"), json_path,
                  "must be a simple json path starting with .");
    }
  }
}

void validate_scale_path(const Value& scale, const char* name, std::string_view under,
                         const std::string& path, Causes& causes) {
  const Value& given = scale[name];
  if (given.empty() || given.as_string().starts_with("." + std::string(under) + ".")) return;
  add_invalid(&causes, at(path, name), given, "should be a json path under ." + std::string(under));
}

void validate_version(const Value& version, const std::string& path, Causes& causes) {
  const std::string& name = version["name"].as_string();
  if (!name.empty()) {
    add_problems(&causes, at(path, "name"), name, dns_label_1035_problems(name));
  }
  const Value& schema = version["schema"]["openAPIV3Schema"];
  const std::string schema_path = at(path, "schema.openAPIV3Schema");
  if (schema.is_null()) {
    add_required(&causes, schema_path, "schemas are required");
  } else {
    if (schema["type"].as_string() != "object") {
      add_invalid(&causes, at(schema_path, "type"), schema["type"], "must be object at the root");
    }
    validate_schema(schema, schema_path, kMaxSchemaDepth, causes);
  }
  validate_columns(version["additionalPrinterColumns"], at(path, "additionalPrinterColumns"),
                   causes);
  const Value& scale = version["subresources"]["scale"];
  const std::string scale_path = at(path, "subresources.scale");
  validate_scale_path(scale, "specReplicasPath", "spec", scale_path, causes);
  validate_scale_path(scale, "statusReplicasPath", "status", scale_path, causes);
  const size_t selectable = version["selectableFields"].size();
  if (selectable > kMaxSelectableFields) {
    add_too_many(&causes, at(path, "selectableFields"), selectable, kMaxSelectableFields);
  }
}

void validate_versions(const Value& versions, Causes& causes) {
  const std::string path = "spec.versions";
  std::set<std::string> seen;
  int stored = 0, served = 0;
  for (size_t i = 0; i < versions.size(); ++i) {
    const Value& version = versions[i];
    validate_version(version, at(path, i), causes);
    stored += version["storage"].as_bool() ? 1 : 0;
    served += version["served"].as_bool() ? 1 : 0;
    if (!seen.insert(version["name"].as_string()).second) {
      add_invalid(&causes, at(at(path, i), "name"), version["name"],
                  "must contain unique version names");
    }
  }
  if (versions.empty()) return;  // The table has complained.
  if (stored != 1) {
    add_invalid(&causes, path, versions, "must have exactly one version marked as storage version");
  }
  if (served == 0) {
    add_invalid(&causes, path, versions, "must have at least one version marked as served");
  }
}

void validate_conversion(const Value& conversion, Causes& causes) {
  const std::string path = "spec.conversion";
  const Value& webhook = conversion["webhook"];
  if (conversion["strategy"].as_string() != "Webhook") {
    if (!webhook.is_null()) {
      add_forbidden(&causes, at(path, "webhook"),
                    "should not be set when strategy is not set to Webhook");
    }
    return;
  }
  if (webhook.is_null()) {
    add_required(&causes, at(path, "webhook"), "required when strategy is set to Webhook");
    return;
  }
  validate_webhook_client(webhook["clientConfig"], at(path, "webhook.clientConfig"), causes);
}

bool is_protected_group(std::string_view group) {
  return group == "k8s.io" || group == "kubernetes.io" || group.ends_with(".k8s.io") ||
         group.ends_with(".kubernetes.io");
}

void validate_definition(const Value& definition, Causes& causes) {
  const Value& spec = definition["spec"];
  const std::string& group = spec["group"].as_string();
  const std::string& plural = spec["names"]["plural"].as_string();
  const std::string& name = definition.at("metadata.name").as_string();
  if (!group.empty() && !plural.empty() && name != plural + "." + group) {
    add_invalid(&causes, "metadata.name", name, "must be spec.names.plural+\".\"+spec.group");
  }
  if (!group.empty()) {
    add_problems(&causes, "spec.group", group, dns_subdomain_problems(group));
    if (group.find('.') == group.npos) {
      add_invalid(&causes, "spec.group", group, "should be a domain with at least one dot");
    }
  }
  if (is_protected_group(group) &&
      definition["metadata"]["annotations"][kApproval].as_string().empty()) {
    add_required(&causes, "metadata.annotations[api-approved.kubernetes.io]",
                 "protected groups must have approval annotation \"api-approved.kubernetes.io\", "
                 "see https://github.com/kubernetes/enhancements/pull/1111");
  }
  validate_names(spec["names"], "spec.names", causes);
  validate_versions(spec["versions"], causes);
  validate_conversion(spec["conversion"], causes);
  if (spec["preserveUnknownFields"].as_bool()) {
    add_invalid(&causes, "spec.preserveUnknownFields", true,
                "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                "spec.versions[*].schema instead");
  }
  const Value& stored = definition.at("status.storedVersions");
  for (size_t i = 0; i < stored.size(); ++i) {
    const Array& versions = spec["versions"].items();
    const bool known = std::any_of(versions.begin(), versions.end(),
                                   [&](const Value& one) { return one["name"] == stored[i]; });
    if (known) continue;
    add_invalid(&causes, at("status.storedVersions", i), stored[i], "must appear in spec.versions");
  }
}

void validate_definition_update(const Value& definition, const Value& old, std::string_view,
                                Causes& causes) {
  for (const char* path : {"spec.group", "spec.scope", "spec.names.plural"}) {
    if (definition.at(path) == old.at(path)) continue;
    add_invalid(&causes, path, definition.at(path), "field is immutable");
  }
}

// ---- APIService ----

void validate_api_service(const Value& api_service, Causes& causes) {
  const Value& spec = api_service["spec"];
  const std::string& name = api_service.at("metadata.name").as_string();
  const std::string wanted = spec["version"].as_string() + "." + spec["group"].as_string();
  if (name != wanted) {
    add_invalid(&causes, "metadata.name", name,
                "must be `spec.version+\".\"+spec.group`: \"" + wanted + "\"");
  }
  if (!spec["group"].empty()) {
    add_problems(&causes, "spec.group", spec["group"],
                 dns_subdomain_problems(spec["group"].as_string()));
  }
  if (spec["version"].empty()) {
    add_required(&causes, "spec.version");
  } else {
    add_problems(&causes, "spec.version", spec["version"],
                 dns_label_1035_problems(spec["version"].as_string()));
  }
  const auto within = [&](const char* field, int64_t most) {
    const int64_t given = spec[field].as_int();
    if (given > 0 && given <= most) return;
    add_invalid(&causes, at("spec", field), spec[field],
                "must be positive and less than " + std::to_string(most));
  };
  within("groupPriorityMinimum", kMaxGroupPriority);
  within("versionPriority", kMaxVersionPriority);
  const Value& service = spec["service"];
  const bool trusts_blindly = spec["insecureSkipTLSVerify"].as_bool();
  if (service.is_null()) {
    if (!spec["caBundle"].empty()) {
      add_invalid(&causes, "spec.caBundle", spec["caBundle"],
                  "local APIServices may not have a caBundle");
    }
    if (trusts_blindly) {
      add_invalid(&causes, "spec.insecureSkipTLSVerify", true,
                  "local APIServices may not have insecureSkipTLSVerify");
    }
    return;
  }
  for (const char* member : {"namespace", "name"}) {
    if (service[member].empty()) add_required(&causes, at("spec.service", member));
  }
  const Value& port = service["port"];
  add_problems(&causes, "spec.service.port", port, port_number_problems(port.as_int()));
  if (trusts_blindly && !spec["caBundle"].empty()) {
    add_invalid(&causes, "spec.insecureSkipTLSVerify", true,
                "may not be true if caBundle is present");
  }
}

}  // namespace

const Hook kCustomResourceDefinitionHook = {
    .defaults = default_definition,
    .prepare_create = prepare_definition,
    .prepare_update = prepare_definition_update,
    .validate = validate_definition,
    .validate_update = validate_definition_update,
};

const Hook kApiServiceHook = {
    .validate = validate_api_service,
};

}  // namespace orch::api
