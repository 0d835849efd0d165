// Cipher: how some values are kept from whoever can read the disk. Memory holds every value as it
// is; the database, its write-ahead log and snapshots hold what seal() made of it. The store asks;
// which keys are covered, and with what, is its owner's to say (apiserver/encryption.h).
//
// Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::store {

class Cipher {
 public:
  virtual ~Cipher() = default;
  // Nothing when values beneath this key lie on disk as they are.
  virtual std::optional<std::string> seal(std::string_view key, std::string_view value) const = 0;
  // What seal() was given; nothing when `stored` isn't sealed. An error when it was sealed with a
  // secret that isn't here, or for another key, or was altered.
  virtual Result<std::optional<std::string>> open(std::string_view key,
                                                  std::string_view stored) const = 0;
  // Would seal() now leave something else on disk: a value that is not sealed and should be, or
  // with an old secret?
  virtual bool is_stale(std::string_view key, std::string_view stored) const = 0;
};

}  // namespace orch::store
