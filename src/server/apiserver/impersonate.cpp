#include "server/apiserver/impersonate.h"

#include <utility>

#include "base/strings.h"

namespace orch::apiserver {
namespace {

constexpr std::string_view kUserHeader = "Impersonate-User";
constexpr std::string_view kGroupHeader = "Impersonate-Group";
constexpr std::string_view kUidHeader = "Impersonate-Uid";
constexpr std::string_view kExtraPrefix = "impersonate-extra-";
constexpr std::string_view kAuthentication = "authentication.k8s.io";

// "system:serviceaccount:ns:name" → {ns, name}; both "" for anybody else.
std::pair<std::string_view, std::string_view> account_of(std::string_view name) {
  if (!name.starts_with(kServiceAccountPrefix)) return {};
  name.remove_prefix(kServiceAccountPrefix.size());
  const size_t colon = name.find(':');
  if (colon == name.npos || name.find(':', colon + 1) != name.npos) return {};
  return {name.substr(0, colon), name.substr(colon + 1)};
}

Result<void> may_be(const User& user, const Authorizer& authorizer, std::string_view group,
                    std::string_view resource, std::string_view subresource, std::string_view ns,
                    std::string_view name) {
  Action action;
  action.verb = "impersonate";
  action.group = group;
  action.resource = resource;
  action.subresource = subresource;
  action.ns = ns;
  action.name = name;
  return authorizer.authorize(user, action);
}

}  // namespace

Result<User> impersonated(User user, const http::Request& request, const Authorizer& authorizer) {
  User other;
  other.name = request.headers.get(kUserHeader);
  other.uid = request.headers.get(kUidHeader);
  for (const std::string_view group : request.headers.all(kGroupHeader)) {
    other.groups.emplace_back(group);
  }
  for (const auto& [name, value] : request.headers.fields()) {
    const std::string lower = to_lower(name);
    if (!lower.starts_with(kExtraPrefix)) continue;
    const std::string key = lower.substr(kExtraPrefix.size());
    other.extra[percent_decode(key).value_or(key)].push_back(value);
  }
  if (other.name.empty()) {
    if (other.groups.empty() && other.uid.empty() && other.extra.empty()) return user;
    return internal_error("requested to act as somebody without impersonating a user");
  }

  const auto [ns, account] = account_of(other.name);
  if (account.empty()) {
    ORCH_TRY(may_be(user, authorizer, "", "users", "", "", other.name));
  } else {
    ORCH_TRY(may_be(user, authorizer, "", "serviceaccounts", "", ns, account));
  }
  for (const std::string& group : other.groups) {
    ORCH_TRY(may_be(user, authorizer, "", "groups", "", "", group));
  }
  for (const auto& [key, values] : other.extra) {
    for (const std::string& value : values) {
      ORCH_TRY(may_be(user, authorizer, kAuthentication, "userextras", key, "", value));
    }
  }
  if (!other.uid.empty()) {
    ORCH_TRY(may_be(user, authorizer, kAuthentication, "uids", "", "", other.uid));
  }
  if (!account.empty() && other.groups.empty()) {
    other.groups = {"system:serviceaccounts", "system:serviceaccounts:" + std::string(ns)};
  }
  const bool anonymous = other.name == "system:anonymous";
  const std::string_view everybody = anonymous ? "system:unauthenticated" : kAuthenticatedGroup;
  if (!other.in_group(everybody)) other.groups.emplace_back(everybody);
  return other;
}

}  // namespace orch::apiserver
