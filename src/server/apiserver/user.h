// user: who asks. A value that authentication makes and authorization and admission read.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace orch::apiserver {

inline constexpr std::string_view kMastersGroup = "system:masters";
inline constexpr std::string_view kNodesGroup = "system:nodes";
inline constexpr std::string_view kAuthenticatedGroup = "system:authenticated";
inline constexpr std::string_view kNodeUserPrefix = "system:node:";
inline constexpr std::string_view kServiceAccountPrefix = "system:serviceaccount:";

struct User {
  std::string name, uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;

  bool in_group(std::string_view group) const {
    return std::find(groups.begin(), groups.end(), group) != groups.end();
  }
  // "a" of a node's own identity (user system:node:a in system:nodes), else "".
  std::string_view node() const {
    const std::string_view view = name;
    if (!in_group(kNodesGroup) || !view.starts_with(kNodeUserPrefix)) return "";
    return view.substr(kNodeUserPrefix.size());
  }
};

}  // namespace orch::apiserver
