#include "api/protobuf_wire.h"

#include <algorithm>
#include <cstring>

namespace orch::api {

Status malformed_protobuf() { return bad_request("the body is no well-formed protobuf message"); }

Result<WireItem> WireReader::next() {
  WireItem item;
  const uint64_t tag = ORCH_TRY(varint());
  const uint64_t number = tag >> 3;
  if (number == 0 || number > uint64_t{kMaxFieldNumber}) return malformed_protobuf();
  item.number = static_cast<int>(number);
  item.wire = static_cast<Wire>(tag & 7);
  switch (item.wire) {
    case Wire::varint:
      item.scalar = ORCH_TRY(varint());
      return item;
    case Wire::fixed64:
      item.scalar = ORCH_TRY(fixed(8));
      return item;
    case Wire::fixed32:
      item.scalar = ORCH_TRY(fixed(4));
      return item;
    case Wire::bytes: {
      const uint64_t size = ORCH_TRY(varint());
      if (size > bytes_.size()) return malformed_protobuf();
      item.text = bytes_.substr(0, size);
      bytes_.remove_prefix(size);
      return item;
    }
  }
  return malformed_protobuf();
}

Result<uint64_t> WireReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (bytes_.empty()) return malformed_protobuf();
    const auto byte = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (!(byte & 0x80)) return value;
  }
  return malformed_protobuf();
}

Result<uint64_t> WireReader::fixed(size_t size) {
  if (bytes_.size() < size) return malformed_protobuf();
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= uint64_t{static_cast<unsigned char>(bytes_[i])} << (8 * i);
  }
  bytes_.remove_prefix(size);
  return value;
}

Result<uint64_t> SmallMessage::number(int field) const {
  if (items[field].wire != Wire::varint) return malformed_protobuf();
  return items[field].scalar;
}

Result<std::string_view> SmallMessage::text(int field) const {
  const WireItem& item = items[field];
  if (item.number != 0 && item.wire != Wire::bytes) return malformed_protobuf();
  return item.text;
}

Result<SmallMessage> read_small_message(std::string_view bytes) {
  SmallMessage small;
  for (WireReader reader(bytes); !reader.at_end();) {
    const WireItem item = ORCH_TRY(reader.next());
    if (item.number <= SmallMessage::kMax) small.items[item.number] = item;
  }
  return small;
}

void WireWriter::reserve(size_t bytes) {
  if (bytes <= at_) return;
  const size_t used = size();
  std::string larger(std::max(2 * buffer_.size(), used + bytes), '\0');
  std::memcpy(larger.data() + larger.size() - used, buffer_.data() + at_, used);
  at_ = larger.size() - used;
  buffer_ = std::move(larger);
}

void WireWriter::raw(std::string_view bytes) {
  if (bytes.empty()) return;
  reserve(bytes.size());
  at_ -= bytes.size();
  std::memcpy(buffer_.data() + at_, bytes.data(), bytes.size());
}

void WireWriter::varint(uint64_t value) {
  constexpr size_t kLongest = 10;
  char bytes[kLongest];
  size_t count = 0;
  for (; value >= 0x80; value >>= 7) bytes[count++] = static_cast<char>(value | 0x80);
  bytes[count++] = static_cast<char>(value);
  raw({bytes, count});
}

void WireWriter::number(int field, uint64_t value) {
  varint(value);
  tag(field, Wire::varint);
}

void WireWriter::fixed64(int field, uint64_t value) {
  char bytes[8];
  for (size_t i = 0; i < sizeof bytes; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  raw({bytes, sizeof bytes});
  tag(field, Wire::fixed64);
}

void WireWriter::text(int field, std::string_view bytes) {
  raw(bytes);
  varint(bytes.size());
  tag(field, Wire::bytes);
}

void WireWriter::enclose(int field, size_t mark) {
  varint(size() - mark);
  tag(field, Wire::bytes);
}

}  // namespace orch::api
