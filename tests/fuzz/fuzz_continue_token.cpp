// Continue tokens: clients may send anything back. What is accepted lies below the list's prefix,
// and says the same when it is encoded again. The input is tried as a token and as a token's text.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"
#include "server/apiserver/continue_token.h"

using namespace orch;
using namespace orch::apiserver;

namespace {

constexpr std::string_view prefix = "/pods/default/";

void check_token(std::string_view text) {
  const auto token = decode_continue(text, prefix);
  if (!token.ok()) {
    ORCH_CHECK(token.status().code == 400);
    return;
  }
  ORCH_CHECK(token->start_after.starts_with(prefix) && token->start_after.size() > prefix.size());
  ORCH_CHECK(token->revision > 0 || token->revision == ContinueToken::kNewest);
  const auto again = decode_continue(encode_continue(*token, prefix), prefix);
  ORCH_CHECK(again.ok());
  ORCH_CHECK(again->revision == token->revision && again->start_after == token->start_after);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_token(text);
  check_token(base64url_encode(text));
  return 0;
}
