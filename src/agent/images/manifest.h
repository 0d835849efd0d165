// Manifests and configurations: the JSON documents of an image, read with limits. Pure.
// Follows: OCI image specification 1.1 (and Docker's schema 2, which has the same fields).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/images/images.h"
#include "base/result.h"

namespace orch::images {

inline constexpr size_t kMaxManifestBytes = 4u << 20;
inline constexpr size_t kMaxLayers = 120;  // What one overlay mount's options hold.

struct Descriptor {
  std::string digest;
  int64_t size = 0;
  std::string media_type;
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // Lowest first.
};

// "amd64", "arm64": as images name this machine.
std::string machine_architecture();

// True when the document is an index (or manifest list) of several platforms.
bool is_index(std::string_view json);
// The manifest for linux on `architecture`. 404 when the index has none.
Result<Descriptor> choose_platform(std::string_view index_json, std::string_view architecture);
Result<Manifest> parse_manifest(std::string_view json);
Result<ImageConfig> parse_config(std::string_view json);

}  // namespace orch::images
