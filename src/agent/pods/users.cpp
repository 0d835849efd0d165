#include "agent/pods/users.h"

#include <algorithm>
#include <optional>

#include "agent/pods/pod_spec.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

struct PasswdLine {
  std::string name;
  uint32_t uid = 0, gid = 0;
};

std::optional<uint32_t> parse_id(std::string_view text) {
  const auto number = parse_int(text);
  if (!number || *number < 0 || *number > INT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

std::optional<PasswdLine> find_passwd(std::string_view passwd, std::string_view user) {
  const auto wanted = parse_id(user);
  for (const auto line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto uid = parse_id(fields[2]), gid = parse_id(fields[3]);
    if (!uid || !gid) continue;
    if (fields[0] == user || (wanted && *wanted == *uid)) {
      return PasswdLine{std::string(fields[0]), *uid, *gid};
    }
  }
  return std::nullopt;
}

std::optional<uint32_t> find_group(std::string_view group, std::string_view name) {
  for (const auto line : split(group, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() >= 3 && fields[0] == name) return parse_id(fields[2]);
  }
  return std::nullopt;
}

void add_memberships(std::string_view group, const std::string& user, User* out) {
  for (const auto line : split(group, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto members = split(trim(fields[3]), ',');
    if (std::find(members.begin(), members.end(), user) == members.end()) continue;
    if (const auto gid = parse_id(fields[2]); gid && *gid != out->gid) out->groups.push_back(*gid);
  }
}

// The container's own setting, else the pod's; null when neither says.
const api::Value& setting(const UserInput& input, std::string_view name) {
  const auto& own = input.container["securityContext"][name];
  return own.is_null() ? input.pod["spec"]["securityContext"][name] : own;
}

Result<void> check_non_root(const UserInput& input, std::string_view image_user) {
  if (!setting(input, "runAsNonRoot").as_bool()) return {};
  const std::string where =
      "(pod: \"" + pod_label(input.pod) + "\", container: " + input.container["name"].as_string();
  if (const auto& user = setting(input, "runAsUser"); user.is_int()) {
    if (user.as_int() != 0) return {};
    return bad_request("container's runAsUser breaks non-root policy " + where + ")");
  }
  const auto uid = image_user.empty() ? std::optional<uint32_t>(0) : parse_id(image_user);
  if (!uid) {
    return bad_request("container has runAsNonRoot and image has non-numeric user (" +
                       std::string(image_user) + "), cannot verify user is non-root " + where +
                       ")");
  }
  if (*uid != 0) return {};
  return bad_request("container has runAsNonRoot and image will run as root " + where + ")");
}

}  // namespace

Result<User> container_user(const UserInput& input) {
  const auto parts = split(input.image_user, ':');
  ORCH_TRY(check_non_root(input, parts[0]));
  const auto& run_as = setting(input, "runAsUser");
  const std::string wanted =
      run_as.is_int() ? std::to_string(run_as.as_int()) : std::string(parts[0]);
  User user;
  if (!wanted.empty()) {
    const auto entry = find_passwd(input.passwd, wanted);
    const auto number = parse_id(wanted);
    if (!entry && !number) {
      return bad_request("unable to find user " + wanted + ": no matching entries in passwd file");
    }
    user.uid = entry ? entry->uid : *number;
    user.gid = entry ? entry->gid : 0;
    if (entry) add_memberships(input.group, entry->name, &user);
  } else {
    add_memberships(input.group, "root", &user);
  }
  if (parts.size() > 1 && !run_as.is_int()) {
    const auto gid = parse_id(parts[1]);
    const auto named = gid ? gid : find_group(input.group, parts[1]);
    if (!named) {
      return bad_request("unable to find group " + std::string(parts[1]) +
                         ": no matching entries in group file");
    }
    user.gid = *named;
  }
  if (const auto& group = setting(input, "runAsGroup"); group.is_int()) {
    user.gid = static_cast<uint32_t>(group.as_int());
  }
  const auto& pod_context = input.pod["spec"]["securityContext"];
  for (const auto& group : pod_context["supplementalGroups"].items()) {
    user.groups.push_back(static_cast<uint32_t>(group.as_int()));
  }
  if (const auto& group = pod_context["fsGroup"]; group.is_int()) {
    user.groups.push_back(static_cast<uint32_t>(group.as_int()));
  }
  std::sort(user.groups.begin(), user.groups.end());
  user.groups.erase(std::unique(user.groups.begin(), user.groups.end()), user.groups.end());
  return user;
}

}  // namespace orch::pods
