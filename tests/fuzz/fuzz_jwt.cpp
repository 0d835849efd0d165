// TokenVerifier on arbitrary tokens: never crashes, and accepts nothing that it did not sign. The
// input is tried as a token, and as claims and signature behind a header that the verifier knows.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "crypto/jwt.h"
#include "crypto/pki.h"

using namespace orch;
using namespace orch::crypto;

namespace {

struct Keys {
  KeyPair pair = generate_key().value();
  TokenVerifier verifier = TokenVerifier::create({pair.public_key}).value();
  // A valid token's header, with its dot.
  std::string header = [this] {
    const std::string token = TokenSigner::create(pair.private_key)->sign("{}").value();
    return token.substr(0, token.find('.') + 1);
  }();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Keys keys;
  const std::string input(reinterpret_cast<const char*>(data), size);
  ORCH_CHECK(!keys.verifier.verify(input).ok());
  ORCH_CHECK(!keys.verifier.verify(keys.header + input).ok());
  return 0;
}
