// pod_security_words: how the checks of pod_security_checks.cpp speak of containers. PURE.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"

namespace orch::admission {

using Texts = std::vector<std::string>;

std::string quoted(const Texts& texts);  // "a", "b"
std::string quoted(const std::set<std::string>& texts);
std::string some(std::string_view one, std::string_view many, size_t count);
std::string named_containers(const Texts& names);   // containers "a", "b"
std::string setters(bool pod, const Texts& names);  // pod and container "a"

// Containers of every sort, in the order in which they start.
template <class Visit>
void each_container(const api::Value& pod, Visit visit) {
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
    for (const api::Value& container : pod["spec"][list].items()) visit(container);
  }
}

template <class Is>
Texts containers_where(const api::Value& pod, Is is) {
  Texts names;
  each_container(pod, [&](const api::Value& container) {
    if (is(container)) names.push_back(container["name"].as_string());
  });
  return names;
}

}  // namespace orch::admission
