// Accept headers: whatever a client says, the answer is a form that is served or 406, and what the
// answer then says of itself is accepted as it stands.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "server/apiserver/media.h"

using namespace orch;
using namespace orch::apiserver;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool has_protobuf : {false, true}) {
    const auto media = negotiate(text, has_protobuf);
    if (!media.ok()) {
      ORCH_CHECK(media.status().code == 406);
      continue;
    }
    if (media->encoding == Media::Encoding::protobuf) ORCH_CHECK(has_protobuf);
    const auto again = negotiate(media->content_type(), has_protobuf);
    ORCH_CHECK(again.ok());
    ORCH_CHECK(again->encoding == media->encoding);
  }
  return 0;
}
