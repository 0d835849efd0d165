// The rules for environments, and for what a pod may be told of itself: by variables and by files
// of the downward API.
// Follows: kubernetes.io "Downward API".
#include <algorithm>
#include <string>

#include "api/names.h"
#include "api/pod_spec.h"
#include "base/strings.h"

namespace orch::api {
namespace {

const std::vector<std::string> kEnvFields = {"metadata.name",
                                             "metadata.namespace",
                                             "metadata.uid",
                                             "spec.nodeName",
                                             "spec.serviceAccountName",
                                             "status.hostIP",
                                             "status.hostIPs",
                                             "status.podIP",
                                             "status.podIPs"};
const std::vector<std::string> kFileFields = {"metadata.annotations", "metadata.labels",
                                              "metadata.name", "metadata.namespace",
                                              "metadata.uid"};
const std::vector<std::string> kAmounts = {
    "limits.cpu",   "limits.ephemeral-storage",   "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory"};

// The key of metadata.labels['key']; "" when the path has no subscript.
std::string_view subscript(std::string_view path) {
  for (const std::string_view map : {"metadata.labels['", "metadata.annotations['"}) {
    if (path.starts_with(map) && path.ends_with("']") && path.size() > map.size() + 2) {
      return path.substr(map.size(), path.size() - map.size() - 2);
    }
  }
  return "";
}

void validate_env_source(const Value& source, const std::string& path, Causes* causes) {
  if (source["fieldRef"].is_object()) {
    validate_field_ref(source["fieldRef"], false, at(path, "fieldRef"), causes);
  }
  if (source["resourceFieldRef"].is_object()) {
    validate_resource_ref(source["resourceFieldRef"], false, at(path, "resourceFieldRef"), causes);
  }
  for (const char* kind : {"configMapKeyRef", "secretKeyRef"}) {
    const Value& key = source[kind]["key"];
    if (key.empty()) continue;  // The table has complained, or it is another source.
    add_problems(causes, at(at(path, kind), "key"), key, data_key_problems(key.as_string()));
  }
}

}  // namespace

void validate_field_ref(const Value& ref, bool of_volume, const std::string& path, Causes* causes) {
  const std::string& field = ref["fieldPath"].as_string();
  const std::string here = at(path, "fieldPath");
  if (field.empty()) return;  // The table has complained.
  if (const std::string_view key = subscript(field); !key.empty()) {
    add_problems(causes, here, field,
                 qualified_name_problems(
                     field.starts_with("metadata.annotations") ? to_lower(key) : std::string(key)));
    return;
  }
  constexpr std::string_view kLabels[] = {"metadata.labels", "metadata.annotations",
                                          "spec.restartPolicy", "spec.schedulerName",
                                          "status.phase"};
  const auto& known = of_volume ? kFileFields : kEnvFields;
  const bool label =
      std::find(std::begin(kLabels), std::end(kLabels), field) != std::end(kLabels) ||
      std::find(kEnvFields.begin(), kEnvFields.end(), field) != kEnvFields.end();
  if (!label) {
    return add_invalid(causes, here, field,
                       "error converting fieldPath: field label not supported: " + field);
  }
  if (std::find(known.begin(), known.end(), field) == known.end()) {
    add_not_supported(causes, here, field, known);
  }
}

void validate_resource_ref(const Value& ref, bool of_volume, const std::string& path,
                           Causes* causes) {
  if (of_volume && ref["containerName"].empty()) add_required(causes, at(path, "containerName"));
  const std::string& name = ref["resource"].as_string();
  if (name.empty()) return;  // The table has complained.
  const bool huge =
      name.starts_with("limits.hugepages-") || name.starts_with("requests.hugepages-");
  if (!huge && std::find(kAmounts.begin(), kAmounts.end(), name) == kAmounts.end()) {
    return add_not_supported(causes, at(path, "resource"), name, kAmounts);
  }
  const Value& divisor = ref["divisor"];
  const std::string& unit = divisor.as_string();
  if (unit.empty() || unit == "0" || unit == "1") return;
  if (name.ends_with(".cpu")) {
    if (unit != "1m") {
      add_invalid(causes, at(path, "divisor"), divisor,
                  "only divisor's values 1m and 1 are supported with the cpu resource");
    }
    return;
  }
  constexpr std::string_view kUnits[] = {"1k",  "1M",  "1G",  "1T",  "1P",  "1E",
                                         "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"};
  if (std::find(std::begin(kUnits), std::end(kUnits), unit) == std::end(kUnits)) {
    add_invalid(causes, at(path, "divisor"), divisor,
                "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are "
                "supported with the " +
                    name.substr(name.find('.') + 1) + " resource");
  }
}

void validate_env(const Value& env, const std::string& path, Causes* causes) {
  for (size_t i = 0; i < env.size(); ++i) {
    const Value& one = env[i];
    const std::string here = at(path, i);
    if (!one["name"].empty()) {
      add_problems(causes, at(here, "name"), one["name"],
                   env_name_problems(one["name"].as_string()));
    }
    const Value& source = one["valueFrom"];
    if (source.is_null()) continue;
    if (!one["value"].empty()) {
      add_invalid(causes, at(here, "valueFrom"), "",
                  "may not be specified when `value` is not empty");
    }
    if (source.size() == 0) {
      add_invalid(causes, at(here, "valueFrom"), "",
                  "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
                  "`secretKeyRef`");
    } else if (source.size() > 1) {
      add_invalid(causes, at(here, "valueFrom"), "",
                  "may not have more than one field specified at a time");
    }
    validate_env_source(source, at(here, "valueFrom"), causes);
  }
}

void validate_env_from(const Value& sources, const std::string& path, Causes* causes) {
  for (size_t i = 0; i < sources.size(); ++i) {
    const bool map = sources[i]["configMapRef"].is_object();
    const bool secret = sources[i]["secretRef"].is_object();
    if (map && secret) {
      add_invalid(causes, at(path, i), "", "may not have more than one field specified at a time");
    } else if (!map && !secret) {
      add_invalid(causes, at(path, i), "", "must specify one of: `configMapRef` or `secretRef`");
    }
    const Value& prefix = sources[i]["prefix"];
    if (!prefix.empty()) {
      add_problems(causes, at(at(path, i), "prefix"), prefix,
                   env_name_problems(prefix.as_string()));
    }
  }
}

}  // namespace orch::api
