// Writer: a DNS message while it is written: a buffer that remembers names for compression and can
// be cut back. Pure; used by wire.cpp alone. Follows RFC 1035, 4.1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "agent/dns/wire.h"
#include "base/check.h"

namespace orch::dns {

class Writer {
 public:
  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }

  void u8(uint8_t value) { bytes_ += static_cast<char>(value); }
  void u16(uint16_t value) {
    u8(static_cast<uint8_t>(value >> 8));
    u8(static_cast<uint8_t>(value));
  }
  void u32(uint32_t value) {
    u16(static_cast<uint16_t>(value >> 16));
    u16(static_cast<uint16_t>(value));
  }
  void set_u16(size_t at, uint16_t value) {
    bytes_[at] = static_cast<char>(value >> 8);
    bytes_[at + 1] = static_cast<char>(value);
  }

  // Suffixes written before are pointed to (RFC 1035, 4.1.4).
  void name(std::string_view text) {
    while (!text.empty()) {
      const auto known = compress_ ? places_.find(std::string(text)) : places_.end();
      if (known != places_.end()) {
        u16(kPointerTag | known->second);
        return;
      }
      if (bytes_.size() < 0x4000)
        places_.emplace(std::string(text), static_cast<uint16_t>(bytes_.size()));
      const size_t dot = text.find('.');
      label(text.substr(0, dot));
      text = dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
    }
    u8(0);
  }
  // SRV targets may not be compressed (RFC 2782).
  void plain_name(std::string_view text) {
    compress_ = false;
    name(text);
    compress_ = true;
  }

  void record(const Record& record) {
    name(record.name);
    u16(static_cast<uint16_t>(record.type));
    u16(kClassIn);
    u32(record.ttl_s);
    const size_t length_at = size();
    u16(0);
    std::visit([this](const auto& data) { put(data); }, record.data);
    set_u16(length_at, static_cast<uint16_t>(size() - length_at - 2));
  }

  // Forgets everything from `size` on.
  void cut(size_t size) {
    bytes_.resize(size);
    std::erase_if(places_, [&](const auto& place) { return place.second >= size; });
  }

 private:
  static constexpr uint16_t kPointerTag = 0xc000;

  void put(const Ipv4& ip) { u32(ip.value); }
  void put(const NameData& data) { name(data.name); }
  void put(const SrvData& data) {
    u16(data.priority);
    u16(data.weight);
    u16(data.port);
    plain_name(data.target);
  }
  void put(const SoaData& data) {
    name(data.primary);
    name(data.mailbox);
    for (const uint32_t value :
         {data.serial, data.refresh_s, data.retry_s, data.expire_s, data.minimum_s})
      u32(value);
  }
  void put(const RawData& data) { bytes_ += data.bytes; }
  void put(const TextData& data) {
    const std::string_view text = std::string_view(data.text).substr(0, 255);
    u8(static_cast<uint8_t>(text.size()));
    bytes_ += text;
  }

  void label(std::string_view text) {
    const size_t length_at = size();
    u8(0);
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\\' && i + 3 < text.size()) {
        u8(static_cast<uint8_t>((text[i + 1] - '0') * 100 + (text[i + 2] - '0') * 10 +
                                (text[i + 3] - '0')));
        i += 3;
      } else {
        u8(static_cast<uint8_t>(text[i]));
      }
    }
    ORCH_CHECK(size() - length_at - 1 <= kMaxLabelBytes);  // Names come from parsers that check.
    bytes_[length_at] = static_cast<char>(size() - length_at - 1);
  }

  std::string bytes_;
  std::unordered_map<std::string, uint16_t> places_;
  bool compress_ = true;
};

}  // namespace orch::dns
