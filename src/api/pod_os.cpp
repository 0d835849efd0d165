// What a pod may not say when it is meant for nodes of the other operating system.
// Follows: kubernetes.io "Windows containers in Kubernetes", compatibility of fields.
#include "api/pod_spec.h"

namespace orch::api {
namespace {

constexpr const char* kNotOnLinux = "windows options cannot be set for a linux pod";
constexpr const char* kNotOnWindows = "cannot be set for a windows pod";

void forbid(const Value& of, std::initializer_list<const char*> fields, const std::string& path,
            const char* why, Causes* causes) {
  for (const char* field : fields) {
    if (!of[field].empty()) add_forbidden(causes, at(path, field), why);
  }
}

}  // namespace

void validate_os(const Value& spec, const std::string& path, Causes* causes) {
  const Value& os = spec["os"]["name"];
  if (os.empty()) return;
  const bool on_linux = os.as_string() == "linux";
  if (!on_linux && os.as_string() != "windows") {
    return add_not_supported(causes, at(path, "os.name"), os, {"linux", "windows"});
  }
  const std::string security = at(path, "securityContext");
  if (on_linux) {
    forbid(spec["securityContext"], {"windowsOptions"}, security, kNotOnLinux, causes);
  } else {
    forbid(spec["securityContext"],
           {"appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy",
            "sysctls", "runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy"},
           security, kNotOnWindows, causes);
    forbid(spec, {"hostUsers", "shareProcessNamespace"}, path, kNotOnWindows, causes);
    for (const char* field : {"hostPID", "hostIPC"}) {
      if (spec[field].as_bool()) add_forbidden(causes, at(path, field), kNotOnWindows);
    }
  }
  for (const char* list : {"containers", "initContainers", "ephemeralContainers"}) {
    const Value& containers = spec[list];
    for (size_t i = 0; i < containers.size(); ++i) {
      const std::string here = at(at(at(path, list), i), "securityContext");
      const Value& own = containers[i]["securityContext"];
      if (on_linux) {
        forbid(own, {"windowsOptions"}, here, kNotOnLinux, causes);
      } else {
        forbid(own,
               {"appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities",
                "readOnlyRootFilesystem", "privileged", "allowPrivilegeEscalation", "procMount",
                "runAsUser", "runAsGroup"},
               here, kNotOnWindows, causes);
      }
    }
  }
}

}  // namespace orch::api
