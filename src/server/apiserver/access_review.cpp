#include "server/apiserver/access_review.h"

#include "api/causes.h"

namespace orch::apiserver {
namespace {

using api::Value;

const std::string kAttributes = "spec.resourceAttributes";

void check_requirements(const std::string& path, const Value& requirements, api::Causes* causes) {
  for (size_t i = 0; i < requirements.size(); ++i) {
    const Value& one = requirements[i];
    const std::string here = api::at(path, i);
    if (one["key"].empty()) api::add_required(causes, api::at(here, "key"), "must be specified");
    const std::string& op = one["operator"].as_string();
    const bool listed = op == "In" || op == "NotIn";
    if (!listed && op != "Exists" && op != "DoesNotExist") {
      api::add_invalid(causes, api::at(here, "operator"), one["operator"],
                       "not a valid selector operator");
    } else if (listed && one["values"].empty()) {
      api::add_required(causes, api::at(here, "values"),
                        "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (!listed && !one["values"].empty()) {
      api::add_forbidden(causes, api::at(here, "values"),
                         "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  }
}

void check_selector(const char* name, const Value& attributes, api::Causes* causes) {
  const Value& selector = attributes[name];
  if (!selector.is_object()) return;
  const std::string path = api::at(kAttributes, name);
  const bool raw = !selector["rawSelector"].empty(), listed = !selector["requirements"].empty();
  if (raw && listed) {
    api::add_invalid(causes, api::at(path, "rawSelector"), selector["rawSelector"],
                     "may not specified at the same time as requirements");
  } else if (!raw && !listed) {
    api::add_required(causes, api::at(path, "requirements"),
                      std::string("when ") + api::at(kAttributes, name) +
                          " is specified, requirements or rawSelector is required");
  }
  check_requirements(api::at(path, "requirements"), selector["requirements"], causes);
}

api::Causes check_review(const std::string& kind, const Value& review) {
  api::Causes causes;
  const Value& spec = review["spec"];
  const Value& resource = spec["resourceAttributes"];
  const Value& path = spec["nonResourceAttributes"];
  if (resource.is_object() && path.is_object()) {
    api::add_invalid(&causes, "spec.nonResourceAttributes", path,
                     "cannot be specified in combination with resourceAttributes");
  } else if (!resource.is_object() && !path.is_object()) {
    api::add_invalid(
        &causes, kAttributes, "null",
        "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  }
  const bool asks_about_another = kind != "SelfSubjectAccessReview";
  if (asks_about_another && spec["user"].empty() && spec["groups"].empty()) {
    api::add_invalid(&causes, "spec.user", spec["user"].as_string(),
                     "at least one of user or group must be specified");
  }
  if (kind == "LocalSubjectAccessReview") {
    const Value& ns = review["metadata"]["namespace"];
    if (path.is_object()) {
      api::add_invalid(&causes, "spec.nonResourceAttributes", path,
                       "disallowed on this kind of request");
    } else if (resource["namespace"].as_string() != ns.as_string()) {
      api::add_invalid(&causes, "spec.resourceAttributes.namespace", resource["namespace"],
                       "must match metadata.namespace");
    }
  }
  check_selector("fieldSelector", resource, &causes);
  check_selector("labelSelector", resource, &causes);
  return causes;
}

// As it would stand in a query. Requirements of several values can't, and narrow nothing.
std::string selector_text(const Value& selector) {
  if (!selector["rawSelector"].empty()) return selector["rawSelector"].as_string();
  std::string text;
  for (const Value& one : selector["requirements"].items()) {
    if (one["operator"].as_string() != "In" || one["values"].size() != 1) continue;
    text += (text.empty() ? "" : ",") + one["key"].as_string() + "=" +
            one["values"].items().front().as_string();
  }
  return text;
}

}  // namespace

Result<void> read_access_review(const std::string& kind, const Value& review, AskedAction* asked) {
  if (auto causes = check_review(kind, review); !causes.empty()) {
    return invalid("authorization.k8s.io", kind, "", std::move(causes));
  }
  const Value& resource = review["spec"]["resourceAttributes"];
  const Value& path = review["spec"]["nonResourceAttributes"];
  Action& action = asked->action;
  if (path.is_object()) {
    action.verb = path["verb"].as_string();
    action.path = path["path"].as_string();
    return {};
  }
  action.verb = resource["verb"].as_string();
  action.group = resource["group"].as_string();
  action.resource = resource["resource"].as_string();
  action.subresource = resource["subresource"].as_string();
  action.ns = resource["namespace"].as_string();
  action.name = resource["name"].as_string();
  asked->field_selector = selector_text(resource["fieldSelector"]);
  action.field_selector = asked->field_selector;
  return {};
}

User reviewed_user(const Value& spec) {
  User user;
  user.name = spec["user"].as_string();
  user.uid = spec["uid"].as_string();
  for (const Value& group : spec["groups"].items()) user.groups.push_back(group.as_string());
  for (const auto& entry : spec["extra"].members()) {
    for (const Value& value : entry.value.items()) {
      user.extra[entry.name].push_back(value.as_string());
    }
  }
  return user;
}

}  // namespace orch::apiserver
