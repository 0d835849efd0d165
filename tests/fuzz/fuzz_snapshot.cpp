// Snapshots come from a disk, or from whoever hands one to `orch snapshot restore`. The input is
// lines (tar_text.h), packed and sealed as archive.h says: whatever is inside, nothing is written
// outside of the folder. And as it is, unsealed: nothing of that is unpacked.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "crypto/digest.h"
#include "http/gzip.h"
#include "server/snapshots/archive.h"
#include "tar_text.h"

using namespace orch;

namespace {

std::string sealed(std::string archive) {
  constexpr std::string_view head{"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x24\0OR\x20\0", 16};
  constexpr std::string_view tail{"\x03\0\0\0\0\0\0\0\0\0", 10};
  const std::string digest = crypto::sha256_bytes(archive);
  return archive.append(head).append(digest).append(tail);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const fuzz::Playground playground;
  const std::string folder = playground.root() + "/restored";

  playground.write(playground.archive(), text);
  (void)snapshots::read_manifest(playground.archive());
  ORCH_CHECK(!snapshots::unpack(playground.archive(), folder).ok() && !file_exists(folder));

  playground.write(playground.archive(), sealed(http::gzip(fuzz::tar_of(text))));
  const auto unpacked = snapshots::unpack(playground.archive(), folder);
  if (unpacked.ok()) {
    const auto manifest = snapshots::check(playground.archive());
    ORCH_CHECK(manifest.ok() && manifest->revision == unpacked->revision);
  }
  playground.check_untouched();
  return 0;
}
