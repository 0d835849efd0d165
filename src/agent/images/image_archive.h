// Image archives: what `docker save` and OCI layouts put into one tar. Hostile input: only plain
// files with clean relative names are taken out, into a folder of ours, under limits.
#pragma once

#include <string>
#include <vector>

#include "agent/images/manifest.h"
#include "base/result.h"

namespace orch::images {

struct ArchiveLimits {
  int64_t max_bytes = int64_t{32} << 30;
  int64_t max_files = 10'000;
};

// One image in the unpacked archive. Digests are of the files and were checked.
struct ArchivedImage {
  std::vector<std::string> names;  // Normalized; may be empty.
  std::string config_json;
  std::string id;  // Digest of the configuration.
  struct Layer {
    std::string digest, path;
  };
  std::vector<Layer> layers;
};

// Unpacks `archive_path` into `folder` and reads what it holds for this machine's platform.
Result<std::vector<ArchivedImage>> read_image_archive(const std::string& archive_path,
                                                      const std::string& folder,
                                                      const ArchiveLimits& limits = {});

}  // namespace orch::images
