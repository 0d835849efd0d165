// SHA-256 (FIPS 180-4) and comparison of secrets. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace orch::crypto {

// Incremental: update() as bytes come, finish once.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  // 64 lower-case hex digits, as image digests are written. Ends this object's use.
  std::string finish_hex();
  std::string finish_bytes();  // The same as 32 bytes.

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256_hex(std::string_view bytes);
std::string sha256_bytes(std::string_view bytes);

// Takes the same time wherever the texts differ (their lengths are no secret).
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace orch::crypto
