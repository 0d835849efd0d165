// The rules for security contexts, of a pod and of its containers.
// Follows: kubernetes.io "Configure a Security Context", "Using sysctls", "User Namespaces".
#include <algorithm>
#include <set>
#include <string>

#include "api/names.h"
#include "api/pod_spec.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr size_t kMaxSysctlName = 253;
constexpr std::string_view kSysctlPart = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?";

bool is_sysctl_part(std::string_view part) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !part.empty() && plain(part.front()) && plain(part.back()) &&
         std::all_of(part.begin(), part.end(),
                     [&](char c) { return plain(c) || c == '-' || c == '_'; });
}

// "net.ipv4.ip_forward" or "net/ipv4/ip_forward".
bool is_sysctl_name(std::string_view name) {
  if (name.size() > kMaxSysctlName) return false;
  std::string dotted(name);
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  const auto parts = split(dotted, '.');
  return std::all_of(parts.begin(), parts.end(), is_sysctl_part);
}

bool is_of_ipc(std::string_view name) {
  return name == "kernel.sem" || name.starts_with("kernel.shm") || name.starts_with("kernel.msg") ||
         name.starts_with("fs.mqueue.");
}

void validate_sysctls(const Value& sysctls, const Value& spec, const std::string& path,
                      Causes* causes) {
  std::set<std::string> seen;
  for (size_t i = 0; i < sysctls.size(); ++i) {
    const std::string here = at(at(path, i), "name");
    const std::string& name = sysctls[i]["name"].as_string();
    if (name.empty()) continue;  // The table has complained.
    if (!is_sysctl_name(name)) {
      const std::string part(kSysctlPart);
      add_invalid(
          causes, here, name,
          "must have at most 253 characters and match regex ^(" + part + "[\\./])*" + part + "$");
    } else if (!seen.insert(name).second) {
      add_duplicate(causes, here, name);
    }
    if (spec["hostIPC"].as_bool() && is_of_ipc(name)) {
      add_invalid(causes, here, name, "may not be set if 'hostIPC' is true");
    }
    if (spec["hostNetwork"].as_bool() && name.starts_with("net.")) {
      add_invalid(causes, here, name, "may not be set if 'hostNetwork' is true");
    }
  }
}

// seccompProfile and appArmorProfile alike: a file of the node is named by Localhost alone.
void validate_profile(const Value& profile, const char* what, const std::string& path,
                      Causes* causes) {
  if (profile.is_null()) return;
  const Value& file = profile["localhostProfile"];
  const std::string here = at(path, "localhostProfile");
  if (profile["type"].as_string() == "Localhost") {
    if (file.empty()) {
      add_required(causes, here, std::string("must be set when ") + what + " type is Localhost");
    } else {
      add_problems(causes, here, file, local_path_problems(file.as_string()));
    }
  } else if (!file.is_null()) {
    add_invalid(causes, here, file,
                std::string("can only be set when ") + what + " type is Localhost");
  }
}

void validate_profiles(const Value& security, const std::string& path, Causes* causes) {
  validate_profile(security["seccompProfile"], "seccomp", at(path, "seccompProfile"), causes);
  validate_profile(security["appArmorProfile"], "AppArmor", at(path, "appArmorProfile"), causes);
}

void validate_ids(const Value& security, std::initializer_list<const char*> fields,
                  const std::string& path, Causes* causes) {
  for (const char* field : fields) {
    if (security[field].is_null()) continue;
    add_problems(causes, at(path, field), security[field], id_problems(security[field].as_int()));
  }
}

// A pod with users of its own has namespaces of its own.
void validate_host_users(const Value& spec, const std::string& path, Causes* causes) {
  if (spec["hostUsers"].is_null() || spec["hostUsers"].as_bool()) return;
  for (const char* field : {"hostNetwork", "hostPID", "hostIPC"}) {
    if (!spec[field].as_bool()) continue;
    add_forbidden(causes, at(path, field), "when `hostUsers` is false");
  }
}

}  // namespace

void validate_pod_security(const Value& spec, const std::string& path, Causes* causes) {
  const Value& security = spec["securityContext"];
  const std::string here = at(path, "securityContext");
  validate_ids(security, {"runAsUser", "runAsGroup", "fsGroup"}, here, causes);
  const Value& groups = security["supplementalGroups"];
  for (size_t i = 0; i < groups.size(); ++i) {
    add_problems(causes, at(at(here, "supplementalGroups"), i), groups[i],
                 id_problems(groups[i].as_int()));
  }
  validate_sysctls(security["sysctls"], spec, at(here, "sysctls"), causes);
  validate_profiles(security, here, causes);
  validate_host_users(spec, path, causes);
  if (spec["shareProcessNamespace"].as_bool() && spec["hostPID"].as_bool()) {
    add_invalid(causes, at(path, "shareProcessNamespace"), spec["shareProcessNamespace"],
                "ShareProcessNamespace and HostPID cannot both be enabled");
  }
}

void validate_container_security(const Value& security, const Value& spec, const std::string& path,
                                 Causes* causes) {
  validate_ids(security, {"runAsUser", "runAsGroup"}, path, causes);
  validate_profiles(security, path, causes);
  if (security["procMount"].as_string() == "Unmasked" &&
      (spec["hostUsers"].is_null() || spec["hostUsers"].as_bool())) {
    add_invalid(causes, at(path, "procMount"), security["procMount"],
                "`hostUsers` must be false to use `Unmasked`");
  }
  const Value& escalation = security["allowPrivilegeEscalation"];
  if (escalation.is_null() || escalation.as_bool()) return;
  if (security["privileged"].as_bool()) {
    add_invalid(causes, path, security,
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
  }
  const Array& added = security.at("capabilities.add").items();
  if (std::find(added.begin(), added.end(), Value("CAP_SYS_ADMIN")) != added.end()) {
    add_invalid(causes, path, security,
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                "CAP_SYS_ADMIN");
  }
}

}  // namespace orch::api
