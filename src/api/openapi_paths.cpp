#include "api/openapi_paths.h"

#include <algorithm>
#include <array>

#include "api/openapi_operation.h"
#include "base/check.h"

namespace orch::api {
namespace {

const Words kListParameters = {"allowWatchBookmarks",
                               "continue",
                               "fieldSelector",
                               "labelSelector",
                               "limit",
                               "resourceVersion",
                               "resourceVersionMatch",
                               "sendInitialEvents",
                               "timeoutSeconds",
                               "watch"};
const Words kWriteParameters = {"dryRun", "fieldManager", "fieldValidation"};
const Words kPatchParameters = {"dryRun", "fieldManager", "fieldValidation", "force"};
const Words kDeleteParameters = {"dryRun", "gracePeriodSeconds",
                                 "ignoreStoreReadErrorWithClusterBreakingPotential",
                                 "orphanDependents", "propagationPolicy"};
const Words kDeleteAllParameters = {"continue",
                                    "dryRun",
                                    "fieldSelector",
                                    "gracePeriodSeconds",
                                    "ignoreStoreReadErrorWithClusterBreakingPotential",
                                    "labelSelector",
                                    "limit",
                                    "orphanDependents",
                                    "propagationPolicy",
                                    "resourceVersion",
                                    "resourceVersionMatch",
                                    "sendInitialEvents",
                                    "timeoutSeconds"};
const Words kPatchTypes = {"application/json-patch+json", "application/merge-patch+json",
                           "application/strategic-merge-patch+json",
                           "application/apply-patch+yaml"};

// A verb as discovery calls it, and what it is in a document.
struct VerbForm {
  std::string_view verb, method, action;
  const char* id;        // How operationId begins.
  const char* sentence;  // Before the kind.
};
constexpr std::array<VerbForm, 7> kVerbs = {{
    {"list", "get", "list", "list", "Lists objects of the kind, or watches them: "},
    {"create", "post", "post", "create", "Makes an object of the kind "},
    {"deletecollection", "delete", "deletecollection", "delete", "Deletes all selected objects: "},
    {"get", "get", "get", "read", "Reads one object of the kind "},
    {"update", "put", "put", "replace", "Replaces one object of the kind "},
    {"patch", "patch", "patch", "patch", "Changes a part of one object of the kind "},
    {"delete", "delete", "delete", "delete", "Deletes one object of the kind "},
}};

const VerbForm& verb_form(std::string_view verb) {
  const auto found = std::find_if(kVerbs.begin(), kVerbs.end(),
                                  [&](const VerbForm& form) { return form.verb == verb; });
  ORCH_CHECK(found != kVerbs.end());
  return *found;
}

// All that is true of every operation of one resource.
struct Speaker {
  Dialect dialect;
  const Resource& resource;

  Operation begin(std::string_view verb, const std::string& type, const Value& kind) const {
    const VerbForm& form = verb_form(verb);
    Operation op;
    op.method = form.method;
    op.action = form.action;
    op.sentence = form.sentence + kind["kind"].as_string() + ".";
    op.tag = tag_of(resource.group, resource.version);
    op.kind = kind;
    op.answer = type;
    const std::string meta(kMetaOpenApiPrefix);
    if (verb == "list") {
      op.parameters = kListParameters;
      op.produces.push_back("application/json;stream=watch");
      op.produces.push_back("application/vnd.kubernetes.protobuf;stream=watch");
    } else if (verb == "create") {
      op.parameters = kWriteParameters;
      op.body = type;
      op.codes = {"200", "201", "202"};
    } else if (verb == "update") {
      op.parameters = kWriteParameters;
      op.body = type;
      op.codes = {"200", "201"};
    } else if (verb == "patch") {
      op.parameters = kPatchParameters;
      op.consumes = kPatchTypes;
      op.body = meta + "Patch";
      op.codes = {"200", "201"};
    } else if (verb == "delete" || verb == "deletecollection") {
      op.parameters = verb == "delete" ? kDeleteParameters : kDeleteAllParameters;
      op.body = meta + "DeleteOptions";
      op.answer = meta + "Status";
      if (verb == "delete") op.codes = {"200", "202"};
    }
    return op;
  }

  // "readCoreV1NamespacedPodStatus"
  std::string id(std::string_view verb, std::string_view sub = "") const {
    return std::string(verb_form(verb).id) + group_name(resource.group) +
           capital(resource.version) + (verb == "deletecollection" ? "Collection" : "") +
           (resource.namespaced ? "Namespaced" : "") + resource.kind + capital(sub);
  }

  void add(Value* path, Operation op) const {
    const std::string method(op.method);
    path->set(method, render_operation(dialect, op));
  }
};

Value path_item(Dialect dialect, const Words& parameters) {
  Value shared = Value::array();
  for (const std::string_view name : parameters) {
    shared.push_back(openapi_parameter(dialect, name));
  }
  return Value::object({{"parameters", std::move(shared)}});
}

bool has(const std::vector<std::string>& verbs, std::string_view verb) {
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

std::string root_of(std::string_view group, std::string_view version) {
  const std::string base = group.empty() ? "/api/" : "/apis/" + std::string(group) + "/";
  return base + std::string(version) + "/";
}

// exec, attach, port-forward and the proxies: what they speak is no document.
Value stream_path(const Speaker& speaker, const Subresource& sub, Words parameters) {
  Value path = path_item(speaker.dialect, parameters);
  const Resource& resource = speaker.resource;
  for (const auto& [verb, method] :
       {std::pair("get", "get"), std::pair("create", "post"), std::pair("update", "put"),
        std::pair("patch", "patch"), std::pair("delete", "delete")}) {
    if (!has(sub.verbs, verb)) continue;
    Operation op;
    op.method = method;
    op.action = "connect";
    op.id = "connect" + group_name(resource.group) + capital(resource.version) + capital(method) +
            (resource.namespaced ? "Namespaced" : "") + resource.kind + capital(sub.name) +
            (parameters.front() == "path" ? "WithPath" : "");
    op.sentence = "Opens a connection to " + sub.name + " of a " + resource.kind + ".";
    op.tag = tag_of(resource.group, resource.version);
    op.produces = {"*/*"};
    op.kind = kind_reference(resource.group, resource.version, sub.kind);
    speaker.add(&path, std::move(op));
  }
  return path;
}

Value subresource_path(const Speaker& speaker, const Subresource& sub, const Type& type,
                       Words parameters) {
  const Value kind = kind_reference(type.group, type.version, type.kind);
  const bool text = sub.name == "log";
  parameters.push_back("pretty");
  Value path = path_item(speaker.dialect, parameters);
  for (const char* verb : {"get", "create", "update", "patch"}) {
    if (!has(sub.verbs, verb)) continue;
    Operation op = speaker.begin(verb, text ? "" : type.openapi_name, kind);
    op.id = speaker.id(verb, sub.name);
    op.sentence.insert(op.sentence.size() - 1, ", through its subresource " + sub.name);
    if (text) op.produces = {"text/plain", "application/json", "application/yaml"};
    speaker.add(&path, std::move(op));
  }
  return path;
}

}  // namespace

void emit_paths(Dialect dialect, const Schema& schema, const Resource& resource, Types* further,
                const Emit& emit) {
  const Speaker speaker{dialect, resource};
  const Value kind = kind_reference(resource.group, resource.version, resource.kind);
  const std::string& type = resource.type->openapi_name;
  const std::string root = root_of(resource.group, resource.version);
  const std::string base =
      root + (resource.namespaced ? "namespaces/{namespace}/" : "") + resource.plural;
  const Words scope = resource.namespaced ? Words{"namespace"} : Words{};

  Words on_collection = scope;
  on_collection.push_back("pretty");
  Value collection = path_item(dialect, on_collection);
  for (const char* verb : {"list", "create", "deletecollection"}) {
    if (!resource.has_verb(verb)) continue;
    Operation op =
        speaker.begin(verb, verb == std::string_view("list") ? type + "List" : type, kind);
    op.id = speaker.id(verb);
    speaker.add(&collection, std::move(op));
  }
  emit(base, collection);
  if (resource.namespaced && resource.has_verb("list")) {
    Value everywhere = path_item(dialect, {"pretty"});
    Operation op = speaker.begin("list", type + "List", kind);
    op.id = "list" + group_name(resource.group) + capital(resource.version) + resource.kind +
            "ForAllNamespaces";
    speaker.add(&everywhere, std::move(op));
    emit(root + resource.plural, everywhere);
  }
  Words on_object = {"name"};
  on_object.insert(on_object.end(), scope.begin(), scope.end());
  Words on_item = on_object;
  on_item.push_back("pretty");
  Value item = path_item(dialect, on_item);
  for (const char* verb : {"get", "update", "patch", "delete"}) {
    if (!resource.has_verb(verb)) continue;
    Operation op = speaker.begin(verb, type, kind);
    op.id = speaker.id(verb);
    speaker.add(&item, std::move(op));
  }
  if (item.size() > 1) emit(base + "/{name}", item);
  for (const Subresource& sub : resource.subresources) {
    const std::string at = base + "/{name}/" + sub.name;
    const std::string group_version = sub.version.empty() ? resource.api_version()
                                      : sub.group.empty() ? sub.version
                                                          : sub.group + "/" + sub.version;
    const Type* spoken = schema.find_document_type(group_version, sub.kind);
    if (spoken != nullptr) {
      further->insert(spoken);
      emit(at, subresource_path(speaker, sub, *spoken, on_object));
      continue;
    }
    emit(at, stream_path(speaker, sub, on_object));
    if (sub.name != "proxy") continue;
    Words behind = {"path"};
    behind.insert(behind.end(), on_object.begin(), on_object.end());
    emit(at + "/{path}", stream_path(speaker, sub, behind));
  }
}

void emit_discovery_path(Dialect dialect, std::string_view group, std::string_view version,
                         const Emit& emit) {
  Operation op;
  op.method = "get";
  op.action = "get";
  op.id = "get" + group_name(group) + capital(version) + "APIResources";
  op.sentence = "Tells which resources there are.";
  op.tag = tag_of(group, version);
  op.answer = std::string(kMetaOpenApiPrefix) + "APIResourceList";
  op.produces = {"application/json"};
  Value path = Value::object({{"get", render_operation(dialect, op)}});
  path["get"].remove("x-kubernetes-action");
  emit(root_of(group, version), path);
}

}  // namespace orch::api
