// protobuf_wire: protobuf's wire format, without any knowledge of messages. WireReader takes bytes
// apart in place and trusts none of them; WireWriter writes from the last byte to the first, so
// that the length of a message is known by the time it is written, and nothing is moved or counted
// twice. Pure. Follows: protobuf.dev "Encoding" (groups, long gone from proto2, are refused).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::api {

enum class Wire : int { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

inline constexpr int kMaxFieldNumber = (1 << 29) - 1;

// One field of a message.
struct WireItem {
  int number = 0;
  Wire wire = Wire::varint;
  uint64_t scalar = 0;    // varint and fixed.
  std::string_view text;  // bytes; part of what the reader was given.
};

// 400, the only complaint about bytes that are no message.
Status malformed_protobuf();

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  bool at_end() const { return bytes_.empty(); }
  // REQUIRES: !at_end().
  Result<WireItem> next();
  Result<uint64_t> varint();

 private:
  Result<uint64_t> fixed(size_t size);

  std::string_view bytes_;
};

// The fields of a small message of scalars, by number; the last of each wins.
struct SmallMessage {
  static constexpr int kMax = 4;
  WireItem items[kMax + 1];

  // 400 when the field stands there in another form; the zero value when it doesn't stand there.
  Result<uint64_t> number(int field) const;
  Result<std::string_view> text(int field) const;
};
Result<SmallMessage> read_small_message(std::string_view bytes);

// Everything is written in front of what is there already: first the value, then its tag.
class WireWriter {
 public:
  explicit WireWriter(size_t expected_bytes) : buffer_(expected_bytes, '\0'), at_(expected_bytes) {}

  size_t size() const { return buffer_.size() - at_; }
  void raw(std::string_view bytes);
  void varint(uint64_t value);
  void tag(int number, Wire wire) { varint(uint64_t(number) << 3 | uint64_t(wire)); }

  // Whole fields.
  void number(int field, uint64_t value);
  void fixed64(int field, uint64_t value);
  void text(int field, std::string_view bytes);
  // What was written since size() was `mark` becomes the value of `field`.
  void enclose(int field, size_t mark);

  std::string take() { return buffer_.substr(at_); }

 private:
  // Room for `bytes` more; doubles, so that growing costs no more than writing.
  void reserve(size_t bytes);

  std::string buffer_;
  size_t at_;  // Of the first byte written.
};

}  // namespace orch::api
