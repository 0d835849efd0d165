// JSON documents: what parse_json accepts stays the same value however it is written.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "round_trips.h"

using namespace orch;
using namespace orch::api;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> duplicates;
  const ParseOptions options{1024, &duplicates};
  const auto parsed = parse_json(text, options);
  if (size > options.max_bytes) ORCH_CHECK(!parsed.ok());
  if (parsed.ok()) check_round_trips(*parsed);
  return 0;
}
