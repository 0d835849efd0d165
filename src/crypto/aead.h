// AES-256-GCM (NIST SP 800-38D): bytes that nobody can read, and nobody can alter unnoticed,
// without the key. Pure.
//
// A nonce must never be used twice with one key. Random nonces keep that promise for 2^32 seals.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace orch::crypto {

inline constexpr size_t kAeadKeyBytes = 32;
inline constexpr size_t kAeadNonceBytes = 12;
inline constexpr size_t kAeadTagBytes = 16;

// nonce, ciphertext, tag. What it is `bound_to` isn't in the result, yet must be given again to
// open it.
std::string aead_seal(std::string_view key, std::string_view nonce, std::string_view plain,
                      std::string_view bound_to);

// Nothing when the key is another, what it is bound to is another, or a bit was altered.
std::optional<std::string> aead_open(std::string_view key, std::string_view sealed,
                                     std::string_view bound_to);

}  // namespace orch::crypto
