// libraft's files as log_check.h looks at them before libraft does: whatever stands in them, the
// look ends, and counts no entry that isn't there. A part of the input is tried as a segment, and
// both of its halves as a server's term and vote.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "store/log_check.h"

using namespace orch;
using namespace orch::store;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const SegmentFacts facts = read_segment(bytes);
  constexpr size_t kEntryHeadBytes = 16;
  ORCH_CHECK(facts.entries <= size / kEntryHeadBytes);
  // What was cut off holds no more than the whole.
  ORCH_CHECK(read_segment(bytes.substr(0, size / 2)).entries <= facts.entries);
  const std::string_view first = bytes.substr(0, size / 2), second = bytes.substr(size / 2);
  (void)metadata_fit(first, second);
  (void)metadata_fit(first, "");
  (void)metadata_fit("", second);
  return 0;
}
