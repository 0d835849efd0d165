#include "server/admission/pod_security_checks.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <utility>

#include "base/strings.h"
#include "server/admission/pod_security_words.h"

namespace orch::admission {
namespace {

using api::Value;
using Finding = std::optional<SecurityViolation>;

constexpr std::string_view kAppArmorPrefix = "container.apparmor.security.beta.kubernetes.io/";
// Kubernetes' first release in which pods of Windows are told by spec.os and need less.
constexpr int kWindowsSince = 25;

bool is_one_of(std::string_view text, std::span<const std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_windows(const Value& pod) { return pod.at("spec.os.name").as_string() == "windows"; }

// --- baseline ---

Finding app_armor(const Value& pod) {
  const auto is_bad = [](const Value& profile) {
    const std::string& type = profile["type"].as_string();
    return !type.empty() && type != "RuntimeDefault" && type != "Localhost";
  };
  Texts details;
  std::set<std::string> types;
  const Value& whole = pod.at("spec.securityContext.appArmorProfile");
  if (is_bad(whole)) types.insert(whole["type"].as_string());
  const Texts bad = containers_where(pod, [&](const Value& container) {
    const Value& profile = container["securityContext"]["appArmorProfile"];
    if (is_bad(profile)) types.insert(profile["type"].as_string());
    return is_bad(profile);
  });
  if (!types.empty()) {
    details.push_back(setters(is_bad(whole), bad) + " must not set AppArmor profile type to " +
                      quoted(types));
  }
  std::set<std::string> annotations;
  for (const auto& [key, value] : pod.at("metadata.annotations").members()) {
    const std::string& profile = value.as_string();
    if (!key.starts_with(kAppArmorPrefix) || profile.empty() || profile == "runtime/default" ||
        profile.starts_with("localhost/")) {
      continue;
    }
    annotations.insert(key + "=" + quoted(Texts{profile}));
  }
  for (const std::string& annotation : annotations) details.push_back(annotation);
  if (details.empty()) return std::nullopt;
  return SecurityViolation{
      some("forbidden AppArmor profile", "forbidden AppArmor profiles", details.size()),
      join(details, ", ")};
}

// Containers that add a capability that is not `allowed`.
std::string forbidden_capabilities(const Value& pod, std::span<const std::string_view> allowed) {
  std::set<std::string> forbidden;
  const Texts bad = containers_where(pod, [&](const Value& container) {
    bool adds = false;
    for (const Value& each : container["securityContext"]["capabilities"]["add"].items()) {
      if (is_one_of(each.as_string(), allowed)) continue;
      forbidden.insert(each.as_string());
      adds = true;
    }
    return adds;
  });
  if (bad.empty()) return "";
  return named_containers(bad) + " must not include " + quoted(forbidden) +
         " in securityContext.capabilities.add";
}

Finding default_capabilities(const Value& pod) {
  static constexpr std::array<std::string_view, 13> kDefault = {
      "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",      "MKNOD",
      "NET_BIND_SERVICE", "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT"};
  const std::string detail = forbidden_capabilities(pod, kDefault);
  if (detail.empty()) return std::nullopt;
  return SecurityViolation{"non-default capabilities", detail};
}

Finding host_namespaces(const Value& pod) {
  Texts shared;
  for (const char* name : {"hostIPC", "hostNetwork", "hostPID"}) {
    if (pod["spec"][name].as_bool()) shared.push_back(std::string(name) + "=true");
  }
  if (shared.empty()) return std::nullopt;
  return SecurityViolation{"host namespaces", join(shared, ", ")};
}

Finding host_paths(const Value& pod) {
  Texts names;
  for (const Value& volume : pod["spec"]["volumes"].items()) {
    if (!volume["hostPath"].is_null()) names.push_back(volume["name"].as_string());
  }
  if (names.empty()) return std::nullopt;
  return SecurityViolation{"hostPath volumes",
                           some("volume ", "volumes ", names.size()) + quoted(names)};
}

Finding host_ports(const Value& pod) {
  std::set<std::string> ports;
  const Texts bad = containers_where(pod, [&](const Value& container) {
    bool uses = false;
    for (const Value& port : container["ports"].items()) {
      if (port["hostPort"].as_int() == 0) continue;
      ports.insert(std::to_string(port["hostPort"].as_int()));
      uses = true;
    }
    return uses;
  });
  if (bad.empty()) return std::nullopt;
  return SecurityViolation{"hostPort", named_containers(bad) + some(" uses ", " use ", bad.size()) +
                                           some("hostPort ", "hostPorts ", ports.size()) +
                                           join(Texts(ports.begin(), ports.end()), ", ")};
}

Finding privileged(const Value& pod) {
  const Texts bad = containers_where(pod, [](const Value& container) {
    return container["securityContext"]["privileged"].as_bool();
  });
  if (bad.empty()) return std::nullopt;
  return SecurityViolation{"privileged",
                           named_containers(bad) + " must not set securityContext.privileged=true"};
}

Finding proc_mount(const Value& pod) {
  std::set<std::string> kinds;
  const Texts bad = containers_where(pod, [&](const Value& container) {
    const std::string& kind = container["securityContext"]["procMount"].as_string();
    if (kind.empty() || kind == "Default") return false;
    kinds.insert(kind);
    return true;
  });
  if (bad.empty()) return std::nullopt;
  return SecurityViolation{
      "procMount",
      named_containers(bad) + " must not set securityContext.procMount to " + quoted(kinds)};
}

Finding se_linux(const Value& pod) {
  static constexpr std::array<std::string_view, 5> kTypes = {
      "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"};
  std::set<std::string> types;
  bool user = false, role = false;
  const auto is_bad = [&](const Value& options) {
    const bool bad_type = !is_one_of(options["type"].as_string(), kTypes);
    if (bad_type) types.insert(options["type"].as_string());
    user |= !options["user"].empty();
    role |= !options["role"].empty();
    return bad_type || !options["user"].empty() || !options["role"].empty();
  };
  const bool whole = is_bad(pod.at("spec.securityContext.seLinuxOptions"));
  const Texts bad = containers_where(pod, [&](const Value& container) {
    return is_bad(container["securityContext"]["seLinuxOptions"]);
  });
  if (!whole && bad.empty()) return std::nullopt;
  Texts data;
  if (!types.empty()) data.push_back(some("type ", "types ", types.size()) + quoted(types));
  if (user) data.push_back("user may not be set");
  if (role) data.push_back("role may not be set");
  return SecurityViolation{
      "seLinuxOptions",
      setters(whole, bad) + " set forbidden securityContext.seLinuxOptions: " + join(data, "; ")};
}

bool is_confined(const std::string& profile) {
  return profile == "RuntimeDefault" || profile == "Localhost";
}

// Profiles that are set, and to what they must not be.
Finding unconfined(const Value& pod) {
  std::set<std::string> types;
  const auto is_bad = [&](const Value& profile) {
    const std::string& type = profile["type"].as_string();
    if (profile.is_null() || is_confined(type)) return false;
    types.insert(type);
    return true;
  };
  const bool whole = is_bad(pod.at("spec.securityContext.seccompProfile"));
  const Texts bad = containers_where(pod, [&](const Value& container) {
    return is_bad(container["securityContext"]["seccompProfile"]);
  });
  if (!whole && bad.empty()) return std::nullopt;
  return SecurityViolation{"seccompProfile",
                           setters(whole, bad) +
                               " must not set securityContext.seccompProfile.type to " +
                               quoted(types)};
}

Finding sysctls(const Value& pod, int minor) {
  struct Safe {
    std::string_view name;
    int since;
  };
  static constexpr Safe kSafe[] = {{"kernel.shm_rmid_forced", 0},
                                   {"net.ipv4.ip_local_port_range", 0},
                                   {"net.ipv4.tcp_syncookies", 0},
                                   {"net.ipv4.ping_group_range", 0},
                                   {"net.ipv4.ip_unprivileged_port_start", 0},
                                   {"net.ipv4.ip_local_reserved_ports", 27},
                                   {"net.ipv4.tcp_keepalive_time", 29},
                                   {"net.ipv4.tcp_fin_timeout", 29},
                                   {"net.ipv4.tcp_keepalive_intvl", 29},
                                   {"net.ipv4.tcp_keepalive_probes", 29},
                                   {"net.ipv4.tcp_rmem", 32},
                                   {"net.ipv4.tcp_wmem", 32}};
  Texts forbidden;
  for (const Value& sysctl : pod.at("spec.securityContext.sysctls").items()) {
    const std::string& name = sysctl["name"].as_string();
    const bool safe = std::any_of(std::begin(kSafe), std::end(kSafe), [&](const Safe& each) {
      return each.name == name && minor >= each.since;
    });
    if (!safe) forbidden.push_back(name);
  }
  if (forbidden.empty()) return std::nullopt;
  return SecurityViolation{"forbidden sysctls", join(forbidden, ", ")};
}

Finding host_process(const Value& pod) {
  const bool whole = pod.at("spec.securityContext.windowsOptions.hostProcess").as_bool();
  const Texts bad = containers_where(pod, [](const Value& container) {
    return container["securityContext"]["windowsOptions"]["hostProcess"].as_bool();
  });
  if (!whole && bad.empty()) return std::nullopt;
  return SecurityViolation{
      "hostProcess",
      setters(whole, bad) + " must not set securityContext.windowsOptions.hostProcess=true"};
}

// --- restricted ---

Finding privilege_escalation(const Value& pod, int minor) {
  if (minor >= kWindowsSince && is_windows(pod)) return std::nullopt;
  const Texts bad = containers_where(pod, [](const Value& container) {
    return container["securityContext"]["allowPrivilegeEscalation"].as_bool(true);
  });
  if (bad.empty()) return std::nullopt;
  return SecurityViolation{
      "allowPrivilegeEscalation != false",
      named_containers(bad) + " must set securityContext.allowPrivilegeEscalation=false"};
}

Finding all_capabilities_dropped(const Value& pod, int minor) {
  if (minor >= kWindowsSince && is_windows(pod)) return std::nullopt;
  static constexpr std::array<std::string_view, 1> kAllowed = {"NET_BIND_SERVICE"};
  const Texts bad = containers_where(pod, [](const Value& container) {
    const auto& dropped = container["securityContext"]["capabilities"]["drop"].items();
    return std::none_of(dropped.begin(), dropped.end(),
                        [](const Value& each) { return each.as_string() == "ALL"; });
  });
  Texts details;
  if (!bad.empty()) {
    details.push_back(named_containers(bad) +
                      " must set securityContext.capabilities.drop=[\"ALL\"]");
  }
  const std::string added = forbidden_capabilities(pod, kAllowed);
  if (!added.empty()) details.push_back(added);
  if (details.empty()) return std::nullopt;
  return SecurityViolation{"unrestricted capabilities", join(details, "; ")};
}

Finding restricted_volumes(const Value& pod) {
  static constexpr std::array<std::string_view, 8> kAllowed = {
      "configMap", "csi",   "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
      "projected", "secret"};
  Texts names;
  std::set<std::string> types;
  for (const Value& volume : pod["spec"]["volumes"].items()) {
    for (const auto& [type, source] : volume.members()) {
      if (type == "name" || source.is_null() || is_one_of(type, kAllowed)) continue;
      names.push_back(volume["name"].as_string());
      types.insert(type);
    }
  }
  if (names.empty()) return std::nullopt;
  return SecurityViolation{
      "restricted volume types",
      some("volume ", "volumes ", names.size()) + quoted(names) +
          some(" uses ", " use ", names.size()) +
          some("restricted volume type ", "restricted volume types ", types.size()) +
          quoted(types)};
}

Finding run_as_non_root(const Value& pod) {
  const Value& whole = pod.at("spec.securityContext.runAsNonRoot");
  const bool pod_says_no = whole.is_bool() && !whole.as_bool();
  const auto own = [](const Value& container) -> const Value& {
    return container["securityContext"]["runAsNonRoot"];
  };
  const Texts bad = containers_where(pod, [&](const Value& container) {
    return own(container).is_bool() && !own(container).as_bool();
  });
  if (pod_says_no || !bad.empty()) {
    return SecurityViolation{
        "runAsNonRoot != true",
        setters(pod_says_no, bad) + " must not set securityContext.runAsNonRoot=false"};
  }
  const Texts silent = containers_where(
      pod, [&](const Value& container) { return !own(container).is_bool() && !whole.as_bool(); });
  if (silent.empty()) return std::nullopt;
  return SecurityViolation{
      "runAsNonRoot != true",
      "pod or " + named_containers(silent) + " must set securityContext.runAsNonRoot=true"};
}

Finding run_as_root_user(const Value& pod) {
  const auto is_root = [](const Value& context) {
    return context["runAsUser"].is_int() && context["runAsUser"].as_int() == 0;
  };
  const bool whole = is_root(pod.at("spec.securityContext"));
  const Texts bad = containers_where(
      pod, [&](const Value& container) { return is_root(container["securityContext"]); });
  if (!whole && bad.empty()) return std::nullopt;
  return SecurityViolation{"runAsUser=0", setters(whole, bad) + " must not set runAsUser=0"};
}

Finding confined(const Value& pod, int minor) {
  if (minor >= kWindowsSince && is_windows(pod)) return std::nullopt;
  if (Finding bad = unconfined(pod)) return bad;
  const bool whole = !pod.at("spec.securityContext.seccompProfile").is_null();
  const Texts silent = containers_where(pod, [&](const Value& container) {
    return !whole && container["securityContext"]["seccompProfile"].is_null();
  });
  if (silent.empty()) return std::nullopt;
  return SecurityViolation{"seccompProfile", "pod or " + named_containers(silent) +
                                                 " must set securityContext.seccompProfile.type to "
                                                 "\"RuntimeDefault\" or \"Localhost\""};
}

}  // namespace

const std::vector<SecurityCheck>& security_checks() {
  const auto timeless = [](Finding (*find)(const Value&)) {
    return [find](const Value& pod, int) { return find(pod); };
  };
  constexpr auto baseline = SecurityLevel::baseline, restricted = SecurityLevel::restricted;
  static const std::vector<SecurityCheck> all = {
      {baseline, 0, timeless(app_armor)},
      {baseline, 0, timeless(default_capabilities), true},
      {baseline, 0, timeless(host_namespaces)},
      {baseline, 0, timeless(host_paths), true},
      {baseline, 0, timeless(host_ports)},
      {baseline, 0, timeless(privileged)},
      {baseline, 0, timeless(proc_mount)},
      {baseline, 0, timeless(se_linux)},
      {baseline, 19, timeless(unconfined), true},
      {baseline, 0, sysctls},
      {baseline, 0, timeless(host_process)},
      {restricted, 8, privilege_escalation},
      {restricted, 22, all_capabilities_dropped},
      {restricted, 0, timeless(restricted_volumes)},
      {restricted, 0, timeless(run_as_non_root)},
      {restricted, 23, timeless(run_as_root_user)},
      {restricted, 19, confined},
  };
  return all;
}

}  // namespace orch::admission
