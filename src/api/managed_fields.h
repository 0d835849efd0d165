// managed_fields: metadata.managedFields as values: who owns which fields of an object, and since
// when. Pure. Used by api/apply.cpp.
// Follows: Kubernetes "Server-Side Apply", metav1.ManagedFieldsEntry.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/field_set.h"

namespace orch::api {

// More entries of operation Update than this: the oldest go into one named kOldUpdates.
inline constexpr size_t kMaxUpdateManagers = 10;
inline constexpr std::string_view kOldUpdates = "ancient-changes";
// The owner of what an object held before anything was applied or tracked.
inline constexpr std::string_view kBeforeFirstApply = "before-first-apply";
inline constexpr size_t kMaxManagerBytes = 128;

struct ManagedEntry {
  std::string manager;
  bool applied = false;  // Operation Apply; else Update.
  std::string api_version, subresource;
  std::string time;  // RFC 3339; "" = not known.
  FieldSet fields;

  // Appliers stay the same across versions of the API.
  bool same_manager(const ManagedEntry& other) const;
  // `"kubectl" using apps/v1`, as messages name it.
  std::string to_text() const;
};

using ManagedEntries = std::vector<ManagedEntry>;

// Of metadata.managedFields; null is none. 400 when it isn't that.
Result<ManagedEntries> parse_managed_fields(const Value& list);
// In Kubernetes' order: appliers first, then by time, name, version, subresource.
Value to_managed_fields(ManagedEntries entries);
// The same as the JSON that an object is stored with; "" for no entries.
std::string managed_fields_text(ManagedEntries entries);
// The same for one entry, whose fields come as their text.
std::string managed_fields_text(const ManagedEntry& entry, std::string_view fields);
// What becomes of such a text when `mine` changes fields that it owns already and nobody else does:
// another time, which may be another order. As nearly every write is one of many alike, it need
// not be taken apart for that. Nothing: it isn't so simple.
std::optional<std::string> retimed(std::string_view text, const ManagedEntry& mine,
                                   const FieldSet& changed);

// The entry of the same manager, or nullptr.
ManagedEntry* find_manager(ManagedEntries* entries, const ManagedEntry& like);
void drop_empty(ManagedEntries* entries);
void cap_updates(ManagedEntries* entries);

// True when a client asks to forget all owners: managedFields is [{}].
bool is_reset(const Value& list);

// The name of a writer who gives no fieldManager: the product of its User-Agent ("kubectl").
std::string manager_name(std::string_view field_manager, std::string_view user_agent);

}  // namespace orch::api
