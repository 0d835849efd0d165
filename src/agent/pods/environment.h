// environment: a container's environment and command line. Pure; what has to be looked up in the
// cluster comes in through functions.
//
// Follows Kubernetes: "Define Dependent Environment Variables" for $(NAME), "Accessing the Service"
// for the service variables, "Downward API" for field references.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json.h"
#include "base/result.h"

namespace orch::pods {

using Environment = std::vector<std::pair<std::string, std::string>>;  // In order, names unique.

// $(NAME) is replaced when `variables` has it and stays otherwise; $$ is one dollar sign.
std::string expand(std::string_view text, const std::map<std::string, std::string>& variables);

// {SVC}_SERVICE_HOST and so on for every service with a cluster address, docker-link style.
Environment service_environment(const std::vector<api::Value>& services);

struct PodFacts {
  const api::Value& pod;
  std::string pod_ip, host_ip;
  int64_t node_cpu_milli = 0;  // What a container without limits may use: allocatable.
  int64_t node_memory_bytes = 0;
};

// fieldRef and the downward API: "metadata.name", "metadata.labels['a']", "status.podIP", ...
// 400 for a path that Kubernetes has not.
Result<std::string> field_value(const PodFacts& facts, std::string_view path);
// resourceFieldRef of `container` (or of the container that it names).
Result<std::string> resource_field_value(const PodFacts& facts, const api::Value& container,
                                         const api::Value& selector);

struct EnvironmentSources {
  // The object, or 404.
  std::function<Result<api::Value>(const std::string&name)> config_map, secret;
  Environment services;
};

// Of the container's spec alone (the image's is below it). Missing references that are not optional
// are failures in the words that kubectl shows for CreateContainerConfigError.
Result<Environment> container_environment(const PodFacts& facts, const api::Value& container,
                                          const EnvironmentSources& sources);

// What runs: spec.command over ENTRYPOINT, spec.args over CMD, which falls away with a command.
// 400 when nothing is left to run.
Result<std::vector<std::string>> container_args(const api::Value& container,
                                                const std::vector<std::string>& entrypoint,
                                                const std::vector<std::string>& cmd,
                                                const Environment& environment);

}  // namespace orch::pods
