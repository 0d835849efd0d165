// Digests: SHA-256 (FIPS 180-4) by OpenSSL, and comparison without a timing trace.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace orch::crypto {

// Not thread-safe; one digest per object.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  std::string finish();      // 32 raw bytes. REQUIRES: called once, last.
  std::string finish_hex();  // 64 lower-case digits; the same rule.

 private:
  evp_md_ctx_st* context_;
};

std::string sha256(std::string_view bytes);      // 32 raw bytes.
std::string sha256_hex(std::string_view bytes);  // 64 lower-case digits.

// Takes the same time wherever the texts differ (their lengths may show).
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace orch::crypto
