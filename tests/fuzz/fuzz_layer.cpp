// Image layers are hostile: whatever names, links and orders one holds, nothing outside of the
// folder that it is unpacked into is made, changed or linked to.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/images/unpack.h"
#include "tar_text.h"

using namespace orch;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Playground playground;
  playground.write(playground.archive(), fuzz::tar_of({reinterpret_cast<const char*>(data), size}));
  const images::UnpackLimits limits{1 << 20, 200, 1024};
  const auto bytes = images::unpack_layer(playground.archive(), playground.root(), limits);
  if (bytes.ok()) ORCH_CHECK(*bytes >= 0 && *bytes <= limits.max_bytes);
  playground.check_untouched();
  return 0;
}
