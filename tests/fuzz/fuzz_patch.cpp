// Patches of a Pod: none crashes, and what comes out is still a document that can be read. A merge
// patch and a strategic one, applied twice, change nothing the second time unless they move lists.
// The first line is the document, the rest the patch.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/patch.h"
#include "base/check.h"

using namespace orch;
using namespace orch::api;

namespace {

void check_readable(const Result<Value>& patched) {
  if (!patched.ok()) {
    ORCH_CHECK(patched.status().code >= 400 && patched.status().code < 500);
    return;
  }
  const std::string json = to_json(*patched);
  const auto again = parse_json(json);
  // A patch may nest deeper than a document may; the pipeline refuses that by its own limit.
  if (again.ok()) ORCH_CHECK(*again == *patched);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Type* const pod = Schema::builtin().find_type("core/v1.Pod");
  ORCH_CHECK(pod);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  if (end == text.npos) return 0;
  const auto document = parse_json(text.substr(0, end));
  const auto patch = parse_json(text.substr(end + 1));
  if (!document.ok() || !patch.ok()) return 0;
  check_readable(apply_json_patch(*document, *patch));
  check_readable(apply_strategic_patch(*pod, *document, *patch));
  const auto merged = apply_merge_patch(*document, *patch);
  check_readable(merged);
  if (merged.ok()) {
    const auto twice = apply_merge_patch(*merged, *patch);
    ORCH_CHECK(twice.ok() && *twice == *merged);
  }
  return 0;
}
