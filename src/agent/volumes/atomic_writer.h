// atomic_writer: replaces all files of a volume at one instant, while containers read them.
//
// The files live in a folder of their own ("..2026..."); "..data" is a symbolic link to it, and
// what users see are links through "..data". Writing makes a new folder and renames a new "..data"
// over the old one. Follows the layout that Kubernetes documents for mounted ConfigMaps; programs
// watch "..data" to learn of changes.
#pragma once

#include <string>

#include "agent/volumes/payload.h"
#include "base/clock.h"
#include "base/result.h"

namespace orch::volumes {

struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;  // With fs_group set: files become readable for it.
  bool fs_group = false;

  bool operator==(const Owner&) const = default;
};

// Makes `volume_dir` hold exactly `payload`. Nothing is written when it does already; answers
// whether something was. A crash in between leaves the old files in place.
Result<bool> write_payload(const std::string& volume_dir, const Payload& payload,
                           const Owner& owner, Clock& clock);

// True when something was written there before.
bool has_payload(const std::string& volume_dir);

}  // namespace orch::volumes
