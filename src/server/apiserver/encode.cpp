#include "server/apiserver/encode.h"

#include "api/canonical.h"
#include "base/check.h"

namespace orch::apiserver {
namespace {

// Keeps the member through canonicalization, which drops what is empty.
constexpr std::string_view kPlaceholder = "0";

// Writes an object; the member `gap_in` leads on to the gap: first metadata, in it the version.
void append_members(std::string* out, const api::Value& object, std::string_view gap_in,
                    uint32_t* value_at) {
  *out += '{';
  bool first = true;
  for (const auto& member : object.members()) {
    if (!first) *out += ',';
    first = false;
    api::append_json_string(out, member.name);
    *out += ':';
    if (member.name == "metadata" && gap_in == "metadata") {
      append_members(out, member.value, "resourceVersion", value_at);
    } else if (member.name == "resourceVersion" && gap_in == "resourceVersion") {
      *out += "\"\"";
      *value_at = static_cast<uint32_t>(out->size() - 1);
    } else {
      api::append_json(out, member.value);
    }
  }
  *out += '}';
}

}  // namespace

std::string Encoded::at(int64_t revision) const {
  return std::string(bytes).insert(revision_at, std::to_string(revision));
}

bool Encoded::same_as(const store::Record& record) const {
  if (record.revision_at != revision_at) return false;
  if (record.bytes.size() != bytes.size() + record.revision_len) return false;
  const std::string_view mine = bytes;
  return record.bytes.substr(0, revision_at) == mine.substr(0, revision_at) &&
         record.bytes.substr(revision_at + record.revision_len) == mine.substr(revision_at);
}

Encoded encode_object(const api::Resource& resource, api::Value object) {
  object.set("kind", resource.kind);
  object.set("apiVersion", resource.api_version());
  api::Value& metadata = object["metadata"];
  metadata.set("resourceVersion", kPlaceholder);
  metadata.remove("selfLink");
  const api::Value canonical = api::canonicalize(*resource.type, std::move(object));
  Encoded encoded;
  append_members(&encoded.bytes, canonical, "metadata", &encoded.revision_at);
  ORCH_CHECK(encoded.revision_at > 0);
  return encoded;
}

api::Value decode_stored(std::string_view bytes) {
  auto value = api::parse_json(bytes, {.max_bytes = bytes.size(), .duplicates = nullptr});
  ORCH_CHECK(value.ok());
  return *std::move(value);
}

}  // namespace orch::apiserver
