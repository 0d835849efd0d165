// References: image names as people write them, made whole. Pure.
// Follows: the grammar of distribution/reference ("busybox" is docker.io/library/busybox:latest).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::images {

struct Reference {
  std::string host;    // "docker.io", "127.0.0.1:5000"
  std::string path;    // "library/busybox"
  std::string tag;     // "" when a digest alone was given.
  std::string digest;  // "sha256:<64 hex>" or "".

  std::string repository() const { return host + "/" + path; }
  // What the registry is asked for: the digest if there is one, else the tag.
  const std::string& version() const { return digest.empty() ? tag : digest; }
  // "docker.io/library/busybox:1.36"; with "@digest" when it has no tag.
  std::string to_string() const;
};

// Reason "InvalidImageName" when it is none.
Result<Reference> parse_reference(std::string_view text);

// "sha256:" and 64 lower-case hexadecimal digits.
bool valid_digest(std::string_view text);

}  // namespace orch::images
