#include "server/apiserver/encode.h"

#include <array>
#include <functional>
#include <mutex>
#include <utility>

#include "api/canonical.h"
#include "api/json_cut.h"
#include "base/check.h"

namespace orch::apiserver {
namespace {

constexpr size_t kUsualBytes = 4096;

// Metadata with a gap for the version, and the owners at its end, where their place is.
void append_metadata(const api::Value& metadata, std::string_view owners, Encoded* out) {
  std::string& bytes = out->bytes;
  char separator = '{';
  for (const auto& member : metadata.members()) {
    bytes += std::exchange(separator, ',');
    api::append_json_string(&bytes, member.name);
    bytes += ':';
    if (member.name == "resourceVersion") {
      bytes += "\"\"";
      out->revision_at = static_cast<uint32_t>(bytes.size() - 1);
    } else {
      api::append_json(&bytes, member.value);
    }
  }
  if (!owners.empty()) bytes.append(",\"managedFields\":").append(owners);
  bytes += '}';
}

class SharedValues {
 public:
  std::shared_ptr<const api::Value> get(const store::RecordPtr& record) {
    Slot& slot = slots_[std::hash<std::string_view>()(record->key) % slots_.size()];
    {
      const std::lock_guard lock(mutex_);
      if (slot.record == record) return slot.value;
    }
    auto value = std::make_shared<const api::Value>(decode_stored(record->bytes));
    if (record->bytes.size() > kMaxBytes) return value;
    const std::lock_guard lock(mutex_);
    slot = {record, value};
    return value;
  }

 private:
  static constexpr size_t kSlots = 64, kMaxBytes = 8u << 10;
  struct Slot {
    store::RecordPtr record;
    std::shared_ptr<const api::Value> value;
  };
  std::mutex mutex_;
  std::array<Slot, kSlots> slots_;
};

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

Encoded encode_object(const api::Resource& resource, api::Value object, std::string_view owners) {
  object.set("kind", resource.kind);
  object.set("apiVersion", resource.api_version());
  api::Value& metadata = object["metadata"];
  metadata.set("resourceVersion", kNoRevision);
  metadata.remove("selfLink");
  const api::Value canonical = api::canonicalize(*resource.type, std::move(object));
  Encoded encoded;
  std::string& bytes = encoded.bytes;
  bytes.reserve(kUsualBytes);
  char separator = '{';
  for (const auto& member : canonical.members()) {
    bytes += std::exchange(separator, ',');
    api::append_json_string(&bytes, member.name);
    bytes += ':';
    if (member.name == "metadata") {
      append_metadata(member.value, owners, &encoded);
    } else {
      api::append_json(&bytes, member.value);
    }
  }
  bytes += '}';
  ORCH_CHECK(encoded.revision_at > 0);
  return encoded;
}

api::Value decode_stored(std::string_view bytes) {
  auto value = api::parse_json(bytes, {.max_bytes = bytes.size(), .duplicates = nullptr});
  ORCH_CHECK(value.ok());
  return *std::move(value);
}

api::Value decode_stored(std::string_view bytes, std::string_view* owners) {
  constexpr std::string_view kName = ",\"managedFields\":";
  *owners = {};
  // Its place is the end of the metadata, never the beginning: a comma goes with it.
  const std::string_view metadata = api::member_text(bytes, "metadata");
  const std::string_view list = api::member_text(metadata, "managedFields");
  const size_t at = list.empty() ? 0 : static_cast<size_t>(list.data() - bytes.data());
  if (!bytes.substr(0, at).ends_with(kName)) return decode_stored(bytes);
  *owners = list;
  std::string rest(bytes.substr(0, at - kName.size()));
  rest.append(bytes.substr(at + list.size()));
  return decode_stored(rest);
}

std::shared_ptr<const api::Value> decode_shared(const store::RecordPtr& record) {
  static SharedValues* const values = new SharedValues;  // Lives as long as the process.
  return values->get(record);
}

}  // namespace orch::apiserver
