// Image archives are hostile: whatever one holds, nothing is written outside of its folder, and
// the layers that it is said to have are files inside.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/images/image_archive.h"
#include "agent/images/reference.h"
#include "tar_text.h"

using namespace orch;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Playground playground;
  playground.write(playground.archive(), fuzz::tar_of({reinterpret_cast<const char*>(data), size}));
  const images::ArchiveLimits limits{1 << 20, 200};
  const auto found = images::read_image_archive(playground.archive(), playground.root(), limits);
  if (found.ok()) {
    for (const images::ArchivedImage& image : *found) {
      ORCH_CHECK(images::valid_digest(image.id));
      for (const auto& layer : image.layers) {
        ORCH_CHECK(images::valid_digest(layer.digest));
        const auto path = std::filesystem::canonical(layer.path).string();
        ORCH_CHECK(path.starts_with(std::filesystem::canonical(playground.root()).string() + "/"));
      }
    }
  }
  playground.check_untouched();
  return 0;
}
