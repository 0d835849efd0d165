// Records lie below the run directory and travel between agent and shim: each is read or refused,
// and what was read is written as it was.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/runtime/record.h"
#include "base/check.h"

using namespace orch;
using namespace orch::runtime;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = Record::parse(text);
  if (record.ok()) ORCH_CHECK(record->render() == text);
  return 0;
}
