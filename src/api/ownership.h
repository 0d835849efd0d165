// ownership: how an object falls into parts that can be owned one by one, and the four things that
// server-side apply does with such parts: name, compare, merge and remove them. Led by the schema:
// structs and maps fall into their fields, list=map by keys, list=set by values; scalars and
// what is atomic are owned whole. Pure. Called by api/apply.cpp alone.
// Follows: KEP-555, "Merge strategy".
#pragma once

#include <string>

#include "api/field_set.h"
#include "api/schema.h"

namespace orch::api {

// What a configuration names. Empty structs and maps are named themselves; others by what they
// hold. Items of lists are named besides what they hold.
FieldSet named_fields(const Type& type, const Value& object);

struct Comparison {
  FieldSet added, removed, modified;

  bool empty() const { return added.empty() && removed.empty() && modified.empty(); }
  FieldSet changed() const { return added.united(modified); }
};
// REQUIRES: both decoded. Absent and zero differ: bring both to the same form before.
Comparison compare_fields(const Type& type, const Value& from, const Value& to);

// `live` with all that `config` says. Items of lists follow config's order; items that live alone
// has stay near where they stood.
Value merge_fields(const Type& type, const Value& live, const Value& config);

// What is left of `object` without the members of `doomed`; emptied structs, maps and lists become
// null.
Value without_fields(const Type& type, const Value& object, const FieldSet& doomed);

// `set` and every field of a struct on the way to its members.
FieldSet with_parents(const Type& type, const FieldSet& set);

// Why a configuration can't be owned in parts, "" when it can: fields that the type doesn't know,
// items with the same key, items without one: `.spec.foo: field not declared in schema`.
std::string unownable(const Type& type, const Value& config);

}  // namespace orch::api
