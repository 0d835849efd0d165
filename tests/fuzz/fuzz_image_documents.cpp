// What a registry, a secret and a pod's spec say of images: names, challenges, credentials,
// manifests and configurations. None crashes; a name that is accepted prints as one that is
// accepted as the same; digests that come out are digests.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/images/manifest.h"
#include "agent/images/reference.h"
#include "agent/images/registry.h"
#include "base/check.h"

using namespace orch;
using namespace orch::images;

namespace {

void check_reference(std::string_view text) {
  const auto reference = parse_reference(text);
  if (!reference.ok()) return;
  ORCH_CHECK(!reference->host.empty() && !reference->path.empty());
  ORCH_CHECK(!reference->version().empty());
  ORCH_CHECK(reference->digest.empty() || valid_digest(reference->digest));
  const auto again = parse_reference(reference->to_string());
  ORCH_CHECK(again.ok());
  ORCH_CHECK(again->to_string() == reference->to_string());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_reference(text);
  parse_challenge(text);
  find_credential(text, "docker.io");
  is_index(text);
  if (const auto chosen = choose_platform(text, "amd64"); chosen.ok())
    ORCH_CHECK(valid_digest(chosen->digest));
  if (const auto manifest = parse_manifest(text); manifest.ok()) {
    ORCH_CHECK(valid_digest(manifest->config.digest));
    ORCH_CHECK(manifest->layers.size() <= kMaxLayers);
    for (const Descriptor& layer : manifest->layers) {
      ORCH_CHECK(valid_digest(layer.digest));
      ORCH_CHECK(layer.size >= 0);
    }
  }
  (void)parse_config(text);
  return 0;
}
