// The cells of volumes, claims, their classes and drivers.
#include <string>
#include <utility>
#include <vector>

#include "api/table_cells.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr std::string_view kOldClass = "volume.beta.kubernetes.io/storage-class";
constexpr std::string_view kIsDefault = "storageclass.kubernetes.io/is-default-class";

std::string short_modes(const Value& modes) {
  constexpr std::pair<std::string_view, std::string_view> kModes[] = {
      {"ReadWriteOnce", "RWO"},
      {"ReadOnlyMany", "ROX"},
      {"ReadWriteMany", "RWX"},
      {"ReadWriteOncePod", "RWOP"},
  };
  std::vector<std::string> parts;
  for (const auto& [mode, text] : kModes)
    for (const Value& given : modes.items())
      if (given.as_string() == mode) {
        parts.emplace_back(text);
        break;
      }
  return join(parts, ",");
}

Value volume_modes(const Value& o, WallTime) { return short_modes(o["spec"]["accessModes"]); }

Value volume_claim(const Value& o, WallTime) {
  const Value& claim = o["spec"]["claimRef"];
  if (claim.is_null()) return "";
  return claim["namespace"].as_string() + "/" + claim["name"].as_string();
}

Value phase(const Value& o, WallTime) {
  if (!o["metadata"]["deletionTimestamp"].is_null()) return "Terminating";
  return o["status"]["phase"].as_string();
}

Value storage_class(const Value& o, WallTime) {
  const Value& old = o["metadata"]["annotations"][kOldClass];
  return (old.is_null() ? o["spec"]["storageClassName"] : old).as_string();
}

// What a claim has is known once it is bound.
Value claim_capacity(const Value& o, WallTime) {
  if (o["spec"]["volumeName"].empty()) return "";
  return o["status"]["capacity"]["storage"].as_string();
}
Value claim_modes(const Value& o, WallTime) {
  return o["spec"]["volumeName"].empty() ? "" : short_modes(o["status"]["accessModes"]);
}

Value storage_class_name(const Value& o, WallTime) {
  const bool chosen = o["metadata"]["annotations"][kIsDefault].as_string() == "true";
  return o["metadata"]["name"].as_string() + (chosen ? " (default)" : "");
}

Value driver_count(const Value& o, WallTime) { return count_of(o["spec"]["drivers"]); }
Value token_audiences(const Value& o, WallTime) {
  const Value& requests = o["spec"]["tokenRequests"];
  return requests.is_null() ? "<unset>" : joined(requests, "audience");
}
Value lifecycle_modes(const Value& o, WallTime) {
  std::vector<std::string> modes;
  for (const Value& mode : o["spec"]["volumeLifecycleModes"].items())
    modes.push_back(mode.as_string());
  return or_none(join(modes, ","));
}

constexpr Cell kStorageCells[] = {
    {"volume_modes", volume_modes},
    {"volume_claim", volume_claim},
    {"phase", phase},
    {"storage_class", storage_class},
    {"claim_capacity", claim_capacity},
    {"claim_modes", claim_modes},
    {"storage_class_name", storage_class_name},
    {"driver_count", driver_count},
    {"token_audiences", token_audiences},
    {"lifecycle_modes", lifecycle_modes},
};

}  // namespace

std::span<const Cell> storage_cells() { return kStorageCells; }

}  // namespace orch::api
