// Quantities: the canonical form keeps the value, and arithmetic never overflows. Two lines, two
// quantities.
//
// Canonical texts are stable, but for one step that Kubernetes takes as well: a binary quantity
// that needs no suffix ("2.5Ki" is "2560") is decimal when it is read again ("2048000" is "2048k").
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/quantity.h"
#include "base/check.h"
#include "base/strings.h"

using namespace orch;
using namespace orch::api;

namespace {

void check_canonical(const Quantity& quantity) {
  const std::string text = quantity.to_string();
  const auto again = Quantity::parse(text);
  ORCH_CHECK(again.ok());
  ORCH_CHECK(*again == quantity);
  const std::string decimal = again->to_string();
  ORCH_CHECK(decimal == text || quantity.format() == Quantity::Format::binary);
  ORCH_CHECK(Quantity::parse(decimal)->to_string() == decimal);
  ORCH_CHECK(again->value() == quantity.value());
  ORCH_CHECK(again->milli_value() == quantity.milli_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  const auto first = Quantity::parse(text.substr(0, end));
  if (!first.ok()) return 0;
  check_canonical(*first);
  if (end == text.npos) return 0;
  const auto second = Quantity::parse(text.substr(end + 1));
  if (!second.ok()) return 0;
  check_canonical(*first + *second);
  check_canonical(*first - *second);
  ORCH_CHECK((*first - *first).sign() == 0);
  ORCH_CHECK((*first + *second) == (*second + *first));
  ORCH_CHECK((*first < *second) == (*second > *first));
  return 0;
}
