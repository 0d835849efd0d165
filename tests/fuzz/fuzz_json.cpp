// Documents: what parse_json and parse_yaml accept is written in a form that they read back as the
// same value, and written again as the same bytes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/json.h"
#include "base/check.h"
#include "base/strings.h"

using namespace orch;
using namespace orch::api;

namespace {

void check_round_trips(const Value& value) {
  const std::string json = to_json(value);
  ORCH_CHECK(valid_utf8(json));
  const Result<Value> again = parse_json(json);
  ORCH_CHECK(again.ok());
  ORCH_CHECK(*again == value);
  ORCH_CHECK(to_json(*again) == json);
  const Result<Value> pretty = parse_json(to_json_pretty(value));
  ORCH_CHECK(pretty.ok() && *pretty == value);
  const Result<Value> yaml = parse_yaml(to_yaml(value));
  ORCH_CHECK(yaml.ok());
  ORCH_CHECK(*yaml == value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> duplicates;
  const ParseOptions options{1024, &duplicates};
  const auto json = parse_json(text, options);
  const auto yaml = parse_yaml(text, options);
  if (size > options.max_bytes) ORCH_CHECK(!json.ok() && !yaml.ok());
  if (json.ok()) check_round_trips(*json);
  if (yaml.ok()) check_round_trips(*yaml);
  return 0;
}
