// Every hook and the name that rows of the schema call it by. Included by hooks.cpp and tests.
#pragma once

#include <string_view>
#include <utility>

#include "api/hooks.h"

namespace orch::api {

inline constexpr std::pair<std::string_view, const Hook*> kHooks[] = {
    {"", nullptr},
};

}  // namespace orch::api
