// encode: an object as the store takes it: canonical JSON with a gap where the revision's digits
// go, since the revision is born only when the write is applied. PURE.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/json.h"
#include "api/schema.h"
#include "store/record.h"

namespace orch::apiserver {

// Stands for the revision until there is one; not empty, for what is empty isn't written.
inline constexpr std::string_view kNoRevision = "0";

struct Encoded {
  std::string bytes;         // With "resourceVersion":"" ...
  uint32_t revision_at = 0;  // ... whose digits stand here.

  // The object as it would read at `revision`.
  std::string at(int64_t revision) const;
  // Whether this is what the record holds already, its revision aside.
  bool same_as(const store::Record& record) const;
};

// REQUIRES: decoded; metadata is an object. metadata.resourceVersion counts for nothing. `owners`
// is the JSON of metadata.managedFields, "" when the object has its own, or none.
Encoded encode_object(const api::Resource& resource, api::Value object, std::string_view owners);

// What the store holds was written by encode_object: it parses.
api::Value decode_stored(std::string_view bytes);
// The same without metadata.managedFields, whose JSON, a part of `bytes`, is put into `owners` (""
// for none): it is half of a usual object, and few need it as a value.
api::Value decode_stored(std::string_view bytes, std::string_view* owners);
// The whole, for what many writes look at, such as namespaces, accounts and classes: parsed once
// and kept until there is a newer state, or something else needs the place. Thread-safe.
std::shared_ptr<const api::Value> decode_shared(const store::RecordPtr& record);

}  // namespace orch::apiserver
