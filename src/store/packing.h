// Packing: numbers and texts one after the other, as the replicated log and the peers' messages
// hold them. Numbers are LEB128, texts have their length before them. Unpacking trusts nothing: it
// stays inside its bytes, and a failed read makes every later one fail.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace orch::store {

inline void pack_number(uint64_t number, std::string* out) {
  for (; number >= 0x80; number >>= 7) out->push_back(static_cast<char>(number | 0x80));
  out->push_back(static_cast<char>(number));
}

inline void pack_text(std::string_view text, std::string* out) {
  pack_number(text.size(), out);
  out->append(text);
}

class Unpacking {
 public:
  explicit Unpacking(std::string_view bytes) : rest_(bytes) {}

  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return fail();
  }
  std::string_view text() { return take(number()); }
  std::string_view take(uint64_t length) {
    if (!ok_ || length > rest_.size()) return fail(), std::string_view();
    const std::string_view value = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return value;
  }
  bool ok() const { return ok_; }
  std::string_view rest() const { return rest_; }

 private:
  uint64_t fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace orch::store
