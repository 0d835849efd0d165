// Strategy: what becomes of an object between a request and the store, for every kind the same
// steps, led by the schema and the kind's hook. Pure. Called by the server's write pipeline:
//
//   create:  decode → apply_defaults → prepare_create → (admission) → validate_create
//            → canonicalize → store
//   update:  decode → apply_defaults → prepare_update → (admission) → validate_update
//            → canonicalize → store
//
// metadata.name/namespace of the URL, uid, creationTimestamp, resourceVersion and managedFields are
// the caller's to set, before validate_*.
#pragma once

#include <string_view>

#include "api/causes.h"
#include "api/json.h"
#include "api/schema.h"

namespace orch::api {

// Drops what only the server may say: status (where /status exists), deletionTimestamp,
// generation (1 where counted).
void prepare_create(const Resource& resource, Value* object);

// `subresource`: "" for the resource itself, "status", "finalize", ... A write to the resource
// keeps the old status, a write to /status keeps everything else. Fields of metadata that are never
// changed by clients are taken over; generation goes up when what it counts has changed.
void prepare_update(const Resource& resource, const Value& old, Value* object,
                    std::string_view subresource);

// Empty when the object is good. invalid(resource.group, resource.kind, name, causes) otherwise.
Causes validate_create(const Resource& resource, const Value& object);
Causes validate_update(const Resource& resource, const Value& object, const Value& old,
                       std::string_view subresource);

// What a version that isn't the stored one (api/versions.h) demands of a document in its form.
// `old` is null when the object is to be created.
Causes validate_view(const Resource& resource, const Value& object, const Value& old);

// Required fields, closed sets of values: what the tables say. `path` is where `object` stands.
void validate_shape(const Type& type, const Value& object, const std::string& path, Causes* causes);

}  // namespace orch::api
