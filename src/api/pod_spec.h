// What is demanded of pods beyond the table: in pods and in every template of pods. Pure.
// `path` is where the value stands ("spec", "spec.template.spec").
#pragma once

#include <string>

#include "api/causes.h"

namespace orch::api {

void validate_pod_spec(const Value& spec, const std::string& path, Causes* causes);
// Labels, annotations and the spec of a template.
void validate_pod_template(const Value& pod_template, const std::string& path, Causes* causes);

// Parts of validate_pod_spec, each in a file of its own.
void validate_containers(const Value& spec, const std::string& path, Causes* causes);
void validate_volumes(const Value& volumes, const std::string& path, Causes* causes);
void validate_volume_mounts(const Value& container, const Value& volumes, const std::string& path,
                            Causes* causes);
void validate_env(const Value& env, const std::string& path, Causes* causes);
void validate_env_from(const Value& sources, const std::string& path, Causes* causes);
// What variables, or files of a volume, may tell a pod of itself.
void validate_field_ref(const Value& ref, bool of_volume, const std::string& path, Causes* causes);
void validate_resource_ref(const Value& ref, bool of_volume, const std::string& path,
                           Causes* causes);
void validate_pod_security(const Value& spec, const std::string& path, Causes* causes);
void validate_container_security(const Value& security, const Value& spec, const std::string& path,
                                 Causes* causes);
void validate_os(const Value& spec, const std::string& path, Causes* causes);
void validate_resource_claims(const Value& spec, const std::string& path, Causes* causes);
void validate_scheduling(const Value& spec, const std::string& path, Causes* causes);

// {"cpu": "100m"}: names, amounts, whole numbers where needed. A node's list may also hold "pods".
void validate_resource_list(const Value& resources, const std::string& path, Causes* causes,
                            bool of_node = false);

// Must not be negative; absent will do.
void validate_not_negative(const Value& number, const std::string& path, Causes* causes);

}  // namespace orch::api
