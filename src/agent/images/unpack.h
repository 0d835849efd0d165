// Unpacks one layer into a folder that becomes a lower of an overlay.
//
// A layer is hostile input. Every name is opened beneath the folder by descriptor (openat2,
// RESOLVE_IN_ROOT), so neither "..", nor an absolute name, nor a link inside the layer leads out.
// Names with ".." are refused outright. Device nodes are left out (a container gets its own /dev).
// Whiteouts become overlay's: ".wh.x" a 0/0 device "x", ".wh..wh..opq" an opaque folder.
// Follows: OCI image specification, "Image Layer Filesystem Changeset".
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace orch::images {

struct UnpackLimits {
  int64_t max_bytes = int64_t{32} << 30;  // Unpacked, of one layer.
  int64_t max_entries = 2'000'000;
  size_t max_path_bytes = 4096;
};

// `archive_path`: tar, plain or compressed by gzip or zstd. `folder` exists and is empty; on
// failure what is in it is the caller's to remove. Gives the bytes unpacked.
Result<int64_t> unpack_layer(const std::string& archive_path, const std::string& folder,
                             const UnpackLimits& limits = {});

}  // namespace orch::images
