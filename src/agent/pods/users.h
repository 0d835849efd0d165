// users: whom a container's process runs as. Pure: the image's /etc/passwd and /etc/group come in
// as texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/result.h"

namespace orch::pods {

struct User {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;  // Supplementary, sorted.

  bool operator==(const User&) const = default;
};

struct UserInput {
  const api::Value& pod;
  const api::Value& container;
  std::string image_user;  // "", "1000", "nginx:www"
  std::string passwd, group;
};

// runAsUser and runAsGroup of the container, of the pod, else the image's user; plus fsGroup and
// supplementalGroups. 400 with Kubernetes' words when runAsNonRoot forbids it, or when the image
// names a user that it does not have.
Result<User> container_user(const UserInput& input);

}  // namespace orch::pods
