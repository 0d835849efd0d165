// encode: an object as the store takes it: canonical JSON with a gap where the revision's digits
// go, since the revision is born only when the write is applied. PURE.
#pragma once

#include <cstdint>
#include <string>

#include "api/json.h"
#include "api/schema.h"
#include "store/record.h"

namespace orch::apiserver {

struct Encoded {
  std::string bytes;         // With "resourceVersion":"" ...
  uint32_t revision_at = 0;  // ... whose digits stand here.

  // The object as it would read at `revision`.
  std::string at(int64_t revision) const;
  // Whether this is what the record holds already, its revision aside.
  bool same_as(const store::Record& record) const;
};

// REQUIRES: decoded; metadata is an object. metadata.resourceVersion counts for nothing.
Encoded encode_object(const api::Resource& resource, api::Value object);

// What the store holds was written by encode_object: it parses.
api::Value decode_stored(std::string_view bytes);

}  // namespace orch::apiserver
