// The list of hooks: the only place that names them all.
#include "api/hooks.h"

#include "api/hook_list.h"

namespace orch::api {

const Hook* find_hook(std::string_view name) {
  for (const auto& [hook_name, hook] : kHooks) {
    if (hook_name == name) return hook;
  }
  return nullptr;
}

}  // namespace orch::api
