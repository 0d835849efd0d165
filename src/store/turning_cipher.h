// For tests: a Cipher that turns values beneath /secrets/ around.
#pragma once

#include "store/cipher.h"

namespace orch::store {

class Turning final : public Cipher {
 public:
  std::optional<std::string> seal(std::string_view key, std::string_view value) const override {
    if (!key.starts_with("/secrets/")) return std::nullopt;
    return "turned:" + std::string(value.rbegin(), value.rend());
  }
  Result<std::optional<std::string>> open(std::string_view,
                                          std::string_view stored) const override {
    if (!stored.starts_with("turned:")) return std::optional<std::string>();
    if (stored.ends_with("?")) return internal_error("sealed with a secret that isn't here");
    return std::optional(std::string(stored.rbegin(), stored.rend() - 7));
  }
  bool is_stale(std::string_view key, std::string_view stored) const override {
    return key.starts_with("/secrets/") && !stored.starts_with("turned:");
  }
};

}  // namespace orch::store
