// continue_token: where the next page of a LIST begins, and of which revision it is. PURE.
// Follows: Kubernetes' API concepts, "Retrieving large results sets in chunks".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::apiserver {

struct ContinueToken {
  // As revision: go on with what stands now. Given when the list's own revision is forgotten.
  static constexpr int64_t kNewest = -1;

  int64_t revision = 0;
  std::string start_after;  // A store key below the list's prefix.
};

std::string encode_continue(const ContinueToken& token, std::string_view prefix);
// 400 for anything that encode_continue could not have made for this prefix.
Result<ContinueToken> decode_continue(std::string_view text, std::string_view prefix);

}  // namespace orch::apiserver
