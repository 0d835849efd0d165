// apply: server-side apply, and the bookkeeping of owners for every other write. An applier sends
// the fields that it cares about, and owns them from then on: others who change them by applying
// get a conflict, and what it sends no more goes away unless somebody else applied it too. Other
// writers (PUT, POST, the other patches) own what they change and never conflict.
//
// Pure: the time is given. Called by the server's write pipeline (server/apiserver/planner.h):
//
//   apply:         read → apply → decode → default → prepare → admit → validate → store
//   other writes:  read → merge → decode → default → prepare → admit → track_update → validate
//                  → store
//
// Follows: KEP-555, Kubernetes "Server-Side Apply", structured-merge-diff's semantics. Owners keep
// their fields as they stand when another version of the API is written: versions of a kind share
// the paths of their fields here. A null in a configuration counts as a field that isn't there.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "api/schema.h"
#include "base/result.h"

namespace orch::api {

// Who writes, and how.
struct Writer {
  std::string_view manager;           // fieldManager; see manager_name() of managed_fields.h.
  std::string_view subresource = "";  // "" for the resource itself, "status", "scale", ...
  std::string_view time;              // RFC 3339, seconds.
  bool force = false;                 // Of an apply: takes over what others own.
};

// The object as it should become, with metadata.managedFields brought up to date; not yet
// defaulted. `live` is what the store holds (canonical), null when there is nothing. `config` is
// the client's document.
// 400: config isn't of the kind; 500: it can't be owned in parts (Kubernetes answers so); 409 with
// one cause per field: others own what it would change.
Result<Value> apply(const Resource& resource, const Value& live, const Value& config,
                    const Writer& writer);

// The managedFields, as JSON ("" for none), that `object` gets which is about to replace `live`
// (null: to be created). `live` is without its own, whose text is `owners`; those that a client
// sent are taken out of `object`, which comes into canonical form. Nothing changed: they are as
// they were, times and all. Objects without owners, made before they were tracked or stripped of
// them
// ([{}]), stay without until somebody applies.
// REQUIRES: decoded, defaulted and prepared (api/strategy.h).
std::string track_update(const Resource& resource, const Value& live, std::string_view owners,
                         Value* object, const Writer& writer);

}  // namespace orch::api
