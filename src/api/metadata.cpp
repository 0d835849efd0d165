#include "api/metadata.h"

#include <algorithm>

#include "api/names.h"
#include "base/strings.h"

namespace orch::api {
namespace {

void validate_name(const Resource& resource, const Value& metadata, Causes* causes) {
  const Value& name = metadata["name"];
  const Value& prefix = metadata["generateName"];
  if (!prefix.empty()) {
    add_problems(causes, "metadata.generateName", prefix,
                 object_name_problems(resource.name_rule, prefix.as_string(), true));
  }
  if (name.empty()) {
    add_required(causes, "metadata.name", "name or generateName is required");
  } else {
    add_problems(causes, "metadata.name", name,
                 object_name_problems(resource.name_rule, name.as_string(), false));
  }
  const Value& ns = metadata["namespace"];
  if (!resource.namespaced) {
    if (!ns.empty()) add_forbidden(causes, "metadata.namespace", "not allowed on this type");
  } else if (ns.empty()) {
    add_required(causes, "metadata.namespace");
  } else {
    add_problems(causes, "metadata.namespace", ns, dns_label_problems(ns.as_string()));
  }
}

void validate_owners(const Value& owners, Causes* causes) {
  const std::string path = "metadata.ownerReferences";
  std::string controller;
  for (size_t i = 0; i < owners.size(); ++i) {
    const Value& owner = owners[i];
    const std::string here = at(path, i);
    for (const char* field : {"apiVersion", "kind", "name", "uid"}) {
      if (!owner[field].empty()) continue;
      if (field == std::string_view("apiVersion")) {
        add_invalid(causes, at(here, field), owner[field].as_string(), "version must not be empty");
      } else {
        add_invalid(causes, at(here, field), "", std::string(field) + " must not be empty");
      }
    }
    if (owner["kind"].as_string() == "Event") {
      add_invalid(
          causes, here, owner,
          owner["apiVersion"].as_string() + ", Kind=Event is disallowed from being an owner");
    }
    if (!owner["controller"].as_bool()) continue;
    if (!controller.empty()) {
      add_invalid(causes, path, owners,
                  "Only one reference can have Controller set to true. Found \"true\" in "
                  "references for " +
                      controller + " and " + owner["name"].as_string());
    }
    controller = owner["name"].as_string();
  }
}

void validate_finalizers(const Value& finalizers, Causes* causes) {
  const std::string path = "metadata.finalizers";
  bool orphan = false;
  bool foreground = false;
  for (size_t i = 0; i < finalizers.size(); ++i) {
    const std::string& name = finalizers[i].as_string();
    add_problems(causes, at(path, i), finalizers[i], qualified_name_problems(name));
    orphan |= name == "orphan";
    foreground |= name == "foregroundDeletion";
    if (name.find('/') == name.npos && name != "orphan" && name != "foregroundDeletion" &&
        name != "kubernetes") {
      add_invalid(causes, at(path, i), finalizers[i],
                  "name is neither a standard finalizer name nor is it fully qualified");
    }
  }
  if (orphan && foreground) {
    add_invalid(causes, path, finalizers,
                "finalizer orphan and foregroundDeletion cannot be both set");
  }
}

}  // namespace

void validate_labels(const Value& labels, const std::string& path, Causes* causes) {
  for (const Value::Member& label : labels.members()) {
    add_problems(causes, path, label.name, qualified_name_problems(label.name));
    add_problems(causes, path, label.value, label_value_problems(label.value.as_string()));
  }
}

void validate_annotations(const Value& annotations, const std::string& path, Causes* causes) {
  size_t bytes = 0;
  for (const Value::Member& one : annotations.members()) {
    add_problems(causes, path, one.name, qualified_name_problems(to_lower(one.name)));
    bytes += one.name.size() + one.value.as_string().size();
  }
  if (bytes > kMaxAnnotationBytes) add_too_long(causes, path, kMaxAnnotationBytes);
}

void validate_label_selector(const Value& selector, const std::string& path, Causes* causes) {
  validate_labels(selector["matchLabels"], at(path, "matchLabels"), causes);
  const Value& expressions = selector["matchExpressions"];
  for (size_t i = 0; i < expressions.size(); ++i) {
    const Value& one = expressions[i];
    const std::string here = at(at(path, "matchExpressions"), i);
    const std::string& op = one["operator"].as_string();
    const Value& values = one["values"];
    if (op == "In" || op == "NotIn") {
      if (values.empty()) {
        add_required(causes, at(here, "values"),
                     "must be specified when `operator` is 'In' or 'NotIn'");
      }
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (!values.empty()) {
        add_forbidden(causes, at(here, "values"),
                      "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
    } else {
      add_invalid(causes, at(here, "operator"), op, "not a valid selector operator");
    }
    add_problems(causes, at(here, "key"), one["key"].as_string(),
                 qualified_name_problems(one["key"].as_string()));
    for (size_t j = 0; j < values.size(); ++j) {
      add_problems(causes, at(at(here, "values"), j), values[j],
                   label_value_problems(values[j].as_string()));
    }
  }
}

void validate_metadata(const Resource& resource, const Value& object, Causes* causes) {
  if (resource.storage_prefix.empty()) return;  // A question, not a thing with a name.
  const Value& metadata = object["metadata"];
  validate_name(resource, metadata, causes);
  if (metadata["generation"].as_int() < 0) {
    add_invalid(causes, "metadata.generation", metadata["generation"],
                "must be greater than or equal to 0");
  }
  validate_labels(metadata["labels"], "metadata.labels", causes);
  validate_annotations(metadata["annotations"], "metadata.annotations", causes);
  validate_owners(metadata["ownerReferences"], causes);
  validate_finalizers(metadata["finalizers"], causes);
}

void validate_metadata_update(const Value& object, const Value& old, Causes* causes) {
  const Value& now = object["metadata"];
  const Value& was = old["metadata"];
  for (const char* field : {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
                            "deletionGracePeriodSeconds"}) {
    if (now[field] == was[field] || (now[field].empty() && was[field].empty())) continue;
    add_invalid(causes, at("metadata", field), now[field], "field is immutable");
  }
  if (was["deletionTimestamp"].is_null()) return;
  // An object that is being deleted takes no new finalizers.
  const Array& before = was["finalizers"].items();
  Value added = Value::array();
  for (const Value& finalizer : now["finalizers"].items()) {
    if (std::find(before.begin(), before.end(), finalizer) == before.end()) {
      added.push_back(finalizer);
    }
  }
  if (!added.empty()) {
    add_forbidden(causes, "metadata.finalizers",
                  "no new finalizers can be added if the object is being deleted, found new "
                  "finalizers " +
                      to_json(added));
  }
}

}  // namespace orch::api
