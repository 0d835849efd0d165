#include "api/apply.h"

#include <algorithm>
#include <map>
#include <utility>

#include "api/canonical.h"
#include "api/decode.h"
#include "api/managed_fields.h"
#include "api/new_fields.h"
#include "api/ownership.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr std::string_view kManagedFields = "managedFields";
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
// kubectl's manager when it applies on the server; it takes over from its own client-side apply.
constexpr std::string_view kKubectl = "kubectl";

void insert_path(FieldSet* set, std::initializer_list<const char*> names) {
  Path path;
  for (const char* name : names) path.push_back(PathStep::field(name));
  set->insert(path);
}

// What identifies an object is nobody's own.
const FieldSet& identity() {
  static const FieldSet fields = [] {
    FieldSet set;
    insert_path(&set, {"apiVersion"});
    insert_path(&set, {"kind"});
    insert_path(&set, {"metadata"});
    for (const char* name : {"name", "namespace", "creationTimestamp", "selfLink", "uid",
                             "clusterName", "generation", "managedFields", "resourceVersion"}) {
      insert_path(&set, {"metadata", name});
    }
    return set;
  }();
  return fields;
}

// What nobody comes to own by creating an object.
const FieldSet& left_out_of_new(bool without_status) {
  static const FieldSet whole = identity();
  static const FieldSet others = [] {
    FieldSet set = identity();
    insert_path(&set, {"status"});
    return set;
  }();
  return without_status ? others : whole;
}

// What a write to the subresource can't change (strategy.h takes the old): not owned by it either.
FieldSet out_of_reach(const Resource& resource, std::string_view subresource) {
  FieldSet set;
  if (subresource.empty() && resource.find_subresource("status") != nullptr) {
    insert_path(&set, {"status"});
  }
  if (subresource != "status") return set;
  for (const Field& field : resource.type->fields) {
    if (field.name != "status" && field.name != "metadata")
      set.insert({PathStep::field(field.name)});
  }
  insert_path(&set, {"metadata", "ownerReferences"});
  return set;
}

Comparison compare_reachable(const Type& type, const Value& from, const Value& to,
                             const FieldSet& ignored) {
  Comparison diff = compare_fields(type, from, to);
  for (FieldSet* set : {&diff.added, &diff.removed, &diff.modified}) {
    set->remove_trees(ignored);
  }
  return diff;
}

ManagedEntry entry_of(const Resource& resource, const Writer& writer, bool applied) {
  ManagedEntry entry;
  entry.manager = writer.manager;
  entry.applied = applied;
  entry.api_version = resource.api_version();
  entry.subresource = writer.subresource;
  return entry;
}

Value take_managed_fields(Value* object) {
  if (!std::as_const(*object)["metadata"].is_object()) return {};
  Value& metadata = (*object)["metadata"];
  Value* found = metadata.find(kManagedFields);
  if (found == nullptr) return {};
  Value list = std::move(*found);
  metadata.remove(kManagedFields);
  return list;
}

void set_managed_fields(Value* object, Value list) {
  Value& metadata = (*object)["metadata"];
  if (metadata.is_null()) metadata = Value::object();
  metadata.remove(kManagedFields);
  if (!list.empty()) metadata.set(kManagedFields, std::move(list));
}

// The object that every one grows from: what Go writes for a new struct.
Value nothing_yet(const Type& type) { return canonicalize(type, Value::object()); }

// What others own of the changed fields is theirs no more, nor what is gone.
void release(ManagedEntries* entries, const ManagedEntry* but, const Comparison& diff) {
  for (ManagedEntry& entry : *entries) {
    if (but != nullptr && entry.same_manager(*but)) continue;
    for (const FieldSet* lost : {&diff.added, &diff.modified, &diff.removed}) {
      entry.fields.remove(*lost);
    }
  }
}

// Structs and maps that would go for what stood in them (they are not in `named`) stay when others
// own something there.
FieldSet sparing(const FieldSet& doomed, const FieldSet* named, const FieldSet* others) {
  FieldSet out;
  for (const FieldSet::Node& node : doomed.nodes()) {
    const FieldSet::Node* mine = named == nullptr ? nullptr : named->find(node.step);
    const FieldSet::Node* theirs = others == nullptr ? nullptr : others->find(node.step);
    FieldSet::Node left{node.step, node.member, {}};
    const bool own_name = mine != nullptr && mine->member;
    if (!own_name && theirs != nullptr && !theirs->below.empty()) left.member = false;
    left.below = sparing(node.below, mine == nullptr ? nullptr : &mine->below,
                         theirs == nullptr ? nullptr : &theirs->below);
    if (!left.empty()) out.at(node.step) = std::move(left);
  }
  return out;
}

// One attempt to apply. `owners` come and go with it.
class Application {
 public:
  Application(const Resource& resource, const Value& live, const Value& config,
              const Writer& writer, ManagedEntries owners)
      : type_(*resource.type),
        live_(live),
        ignored_(out_of_reach(resource, writer.subresource)),
        owners_(std::move(owners)) {
    ManagedEntry mine = entry_of(resource, writer, true);
    mine.time = writer.time;
    mine.fields = named_fields(type_, config).without_trees(ignored_);
    ManagedEntry* before = find_manager(&owners_, mine);
    if (before != nullptr) {
      last_ = *before;
      *before = mine;
    } else {
      owners_.push_back(mine);
    }
    result_ = pruned(merge_fields(type_, live, config), std::move(mine));
    diff_ = compare_reachable(type_, live, result_, ignored_);
  }

  struct Conflict {
    const ManagedEntry* owner;
    FieldSet fields;
  };
  // In order of the owners' names. `allowed` are fields that may be taken.
  std::vector<Conflict> conflicts(const FieldSet& allowed) const {
    std::vector<Conflict> found;
    const FieldSet changed = diff_.changed().without(allowed);
    for (const ManagedEntry& owner : owners_) {
      if (owner.same_manager(mine_)) continue;
      FieldSet fields = owner.fields.shared_with(changed);
      if (!fields.empty()) found.push_back({&owner, std::move(fields)});
    }
    std::stable_sort(found.begin(), found.end(), [](const Conflict& a, const Conflict& b) {
      return a.owner->to_text() < b.owner->to_text();
    });
    return found;
  }

  // The end of an attempt that may be.
  Value finish() && {
    release(&owners_, &mine_, diff_);
    ManagedEntry& mine = *find_manager(&owners_, mine_);
    mine.fields.remove(identity());
    // The same fields with the same values: as if nothing had been sent.
    const bool same = last_.manager == mine.manager && last_.fields == mine.fields &&
                      last_.api_version == mine.api_version && live_ == result_;
    if (same) mine.time = last_.time;
    drop_empty(&owners_);
    set_managed_fields(&result_, to_managed_fields(std::move(owners_)));
    return std::move(result_);
  }

 private:
  // Takes away what this manager applied last time, not this time, and no other applier owns.
  Value pruned(const Value& merged, ManagedEntry mine) {
    mine_ = std::move(mine);
    if (last_.fields.empty()) return merged;
    FieldSet applied, others;
    for (const ManagedEntry& owner : owners_) {
      if (owner.applied) applied = applied.united(owner.fields);
      if (!owner.same_manager(mine_)) others = others.united(owner.fields);
    }
    const FieldSet last = with_parents(type_, last_.fields);
    const FieldSet all = with_parents(type_, named_fields(type_, merged));
    const auto standing = [&](const Value& value) {
      return with_parents(type_, named_fields(type_, value));
    };
    // Too much at first; then all that is owned comes back, then all that was never this manager's.
    const FieldSet left = standing(without_fields(type_, merged, last));
    const FieldSet owned = left.united(with_parents(type_, applied));
    const FieldSet kept = standing(without_fields(type_, merged, all.without(owned)));
    const FieldSet doomed = all.without(kept).shared_with(last);
    return without_fields(type_, merged, sparing(doomed, &last_.fields, &others));
  }

  const Type& type_;
  const Value& live_;
  const FieldSet ignored_;
  ManagedEntries owners_;
  ManagedEntry mine_, last_;  // This time's entry, and the one before it.
  Value result_;
  Comparison diff_;
};

Status conflict_status(const std::vector<Application::Conflict>& conflicts) {
  std::vector<StatusCause> causes;
  std::string message;
  for (const auto& [owner, fields] : conflicts) {
    message += (causes.empty() ? "" : "\n") + ("conflicts with " + owner->to_text() + ":");
    for (const Path& path : fields.paths()) {
      causes.push_back(
          {"FieldManagerConflict", "conflict with " + owner->to_text(), to_text(path)});
      message += "\n- " + to_text(path);
    }
  }
  if (causes.size() == 1) {
    message = "Apply failed with 1 conflict: " + causes[0].message + ": " + causes[0].field;
  } else {
    message = "Apply failed with " + std::to_string(causes.size()) + " conflicts: " + message;
  }
  Status status = conflict(std::move(message));
  status.details.causes = std::move(causes);
  return status;
}

// What kubectl set by its client-side apply and nobody has changed since: its server-side apply may
// take it without a fight.
FieldSet set_by_client(const Resource& resource, const Value& live) {
  const std::string& text = live["metadata"]["annotations"][kLastApplied].as_string();
  if (text.empty()) return {};
  auto parsed = parse_json(text);
  if (!parsed.ok()) return {};
  const auto config = decode(*resource.type, *std::move(parsed));
  if (!config.ok()) return {};
  const Comparison diff = compare_fields(*resource.type, *config, live);
  return named_fields(*resource.type, *config).without(diff.changed()).without(diff.removed);
}

// A kubectl that goes back to client-side apply finds what was applied last.
void note_last_applied(const Value& live, const Value& config, Value* object) {
  if (!live["metadata"]["annotations"].has(kLastApplied)) return;
  Value noted = config;
  if (Value* metadata = noted.find("metadata")) {
    if (Value* annotations = metadata->find("annotations")) annotations->remove(kLastApplied);
  }
  (*object)["metadata"]["annotations"].set(kLastApplied, to_json(noted) + "\n");
}

// The document as a configuration of the kind, in canonical scalars.
Result<Value> checked_config(const Resource& resource, const Value& config) {
  if (!config.is_object()) return bad_request("the configuration must be an object");
  const std::string& version = config["apiVersion"].as_string();
  if (version != resource.api_version()) {
    return bad_request("Incorrect version specified in apply patch. Specified patch version: " +
                       version + ", expected: " + resource.api_version());
  }
  if (!config["metadata"][kManagedFields].is_null()) {
    return bad_request("metadata.managedFields must be nil");
  }
  Value decoded = ORCH_TRY(decode(*resource.type, config));
  // Kubernetes has no reason for this one.
  std::string problem = unownable(*resource.type, config);
  if (!problem.empty()) {
    const Value& metadata = config["metadata"];
    Status status =
        internal_error("failed to create typed patch object (" + metadata["namespace"].as_string() +
                       "/" + metadata["name"].as_string() + "; " + resource.api_version() +
                       ", Kind=" + resource.kind + "): " + problem);
    status.reason.clear();
    return status;
  }
  return decoded;
}

// The owners of `live`. What it held before there were any belongs to no applier.
ManagedEntries owners_of(const Resource& resource, const Value& live, const Value& list) {
  auto parsed = parse_managed_fields(list);
  if (parsed.ok() && !parsed->empty()) return *std::move(parsed);
  Writer unknown;
  unknown.manager = kBeforeFirstApply;
  ManagedEntry entry = entry_of(resource, unknown, false);
  entry.fields = compare_fields(*resource.type, nothing_yet(*resource.type), live)
                     .changed()
                     .without_trees(out_of_reach(resource, ""))
                     .without(identity());
  if (entry.fields.empty()) return {};
  return {std::move(entry)};
}

Result<ManagedEntries> parse_owners(std::string_view text) {
  if (text.empty()) return ManagedEntries();
  return parse_managed_fields(ORCH_TRY(parse_json(text)));
}

}  // namespace

Result<Value> apply(const Resource& resource, const Value& live, const Value& config,
                    const Writer& writer) {
  const Value wanted = ORCH_TRY(checked_config(resource, config));
  Value base = live.is_null() ? nothing_yet(*resource.type) : live;
  const Value list = take_managed_fields(&base);
  ManagedEntries owners;
  if (!live.is_null()) owners = owners_of(resource, base, list);

  Application attempt(resource, base, wanted, writer, std::move(owners));
  const bool kubectl = writer.manager == kKubectl;
  if (!writer.force) {
    const auto conflicts = attempt.conflicts(kubectl ? set_by_client(resource, base) : FieldSet());
    if (!conflicts.empty()) return conflict_status(conflicts);
  }
  Value object = std::move(attempt).finish();
  if (kubectl) note_last_applied(base, config, &object);
  return decode(*resource.type, std::move(object));
}

std::string track_update(const Resource& resource, const Value& live, std::string_view owners,
                         Value* object, const Writer& writer) {
  const Value given = take_managed_fields(object);
  if (writer.subresource.empty() && is_reset(given)) return {};

  // Clients may edit the list; those who send none, or one that can't be read, don't mean it.
  Result<ManagedEntries> edited = ManagedEntries();
  const bool sent_back = !owners.empty() && to_json(given) == owners;
  if (writer.subresource.empty() && !sent_back) edited = parse_managed_fields(given);
  const bool is_edited = edited.ok() && !edited->empty();
  if (!live.is_null() && owners.empty() && !is_edited) return {};

  *object = canonicalize(*resource.type, std::move(*object));
  ManagedEntry mine = entry_of(resource, writer, false);
  mine.time = writer.time;
  if (live.is_null() && !is_edited && writer.subresource.empty()) {
    const bool has_status = resource.find_subresource("status") != nullptr;
    const std::string fields = new_fields(*resource.type, *object, left_out_of_new(has_status));
    return fields.empty() ? "" : managed_fields_text(mine, fields);
  }
  const FieldSet ignored = out_of_reach(resource, writer.subresource);
  const Value nothing = live.is_null() ? nothing_yet(*resource.type) : Value();
  const Value& from = live.is_null() ? nothing : live;
  Comparison diff = compare_reachable(*resource.type, from, *object, ignored);
  if (diff.empty() && !is_edited) return std::string(owners);
  for (FieldSet* set : {&diff.added, &diff.modified}) set->remove(identity());
  if (!is_edited && diff.removed.empty() && !owners.empty()) {
    const FieldSet changed = diff.changed();
    if (changed.empty()) return std::string(owners);
    if (auto text = retimed(owners, mine, changed)) return *std::move(text);
  }
  auto entries = is_edited ? std::move(edited) : parse_owners(owners);
  if (!entries.ok()) return {};
  if (!diff.empty()) {
    release(&*entries, nullptr, diff);
    mine.fields = diff.modified.empty() ? std::move(diff.added) : diff.changed();
    if (ManagedEntry* before = find_manager(&*entries, mine); before == nullptr) {
      entries->push_back(std::move(mine));
    } else if (!mine.fields.empty()) {
      mine.fields = mine.fields.united(before->fields);
      *before = std::move(mine);
    }
    drop_empty(&*entries);
    cap_updates(&*entries);
  }
  return managed_fields_text(*std::move(entries));
}

}  // namespace orch::api
