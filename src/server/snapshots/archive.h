// archive: a folder of files as one file, and back. It is a tar compressed with gzip, so that
// everybody's tools can look inside; its first entry, manifest.json, says what it is. At its end
// stands a SHA-256 of all before it, in the header of an empty gzip member: whatever was changed or
// cut off is found before anything is taken out. (zstd would be smaller and quicker, and half a
// megabyte more of executable.)
//
// libarchive's skin. Blocking; any thread. Follows: POSIX pax; RFC 1952 (members, extra fields).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace orch::snapshots {

struct Manifest {
  std::string created;  // RFC 3339
  int64_t revision = 0;
  int64_t objects = 0;
};

inline constexpr size_t kMaxManifestBytes = 64u << 10;
inline constexpr size_t kMaxFiles = 1000;

// All files below `folder`, in the new file `path` (0600), synced.
Result<void> pack(const std::string& folder, const Manifest& manifest, const std::string& path);

// The first entry alone, without a look at the rest; quick.
Result<Manifest> read_manifest(const std::string& path);
// Reads all and compares it with the SHA-256.
Result<Manifest> check(const std::string& path);
// The same, and writes the files below `folder`, which is made (0700, files 0600); not synced.
Result<Manifest> unpack(const std::string& path, const std::string& folder);

}  // namespace orch::snapshots
