// Parsing and writing of addresses; see the header.
#include "base/net_address.h"

#include "base/strings.h"

namespace orch {

std::string Ipv4::text() const {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += std::to_string(value >> shift & 0xff);
    if (shift > 0) out += '.';
  }
  return out;
}

std::string Cidr::text() const { return base.text() + "/" + std::to_string(bits); }

std::optional<Ipv4> parse_ipv4(std::string_view text) {
  if (text.size() > 15) return std::nullopt;
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  uint32_t value = 0;
  for (const std::string_view part : parts) {
    if (part.empty() || part.size() > 3 || (part.size() > 1 && part[0] == '0')) return std::nullopt;
    uint32_t number = 0;
    for (const char c : part) {
      if (c < '0' || c > '9') return std::nullopt;
      number = number * 10 + static_cast<uint32_t>(c - '0');
    }
    if (number > 255) return std::nullopt;
    value = value << 8 | number;
  }
  return Ipv4{value};
}

std::optional<Cidr> parse_cidr(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto base = parse_ipv4(text.substr(0, slash));
  const std::string_view length = text.substr(slash + 1);
  if (!base || length.empty() || length.size() > 2) return std::nullopt;
  int bits = 0;
  for (const char c : length) {
    if (c < '0' || c > '9') return std::nullopt;
    bits = bits * 10 + (c - '0');
  }
  if (bits > 32 || (length.size() > 1 && length[0] == '0')) return std::nullopt;
  Cidr out{*base, bits};
  out.base.value &= out.mask();
  return out;
}

}  // namespace orch
