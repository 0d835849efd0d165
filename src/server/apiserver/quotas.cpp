#include "server/apiserver/quotas.h"

#include <set>
#include <utility>

#include "api/resources.h"
#include "base/check.h"
#include "base/strings.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"

namespace orch::apiserver {
namespace {

using admission::Quantities;
using api::Value;

constexpr size_t kMaxCountedFolders = 64;  // Namespaces whose counts are kept.

const api::Resource& quota_resource() {
  static const api::Resource* const resource =
      api::Schema::builtin().find("", "v1", "resourcequotas");
  ORCH_CHECK(resource != nullptr);
  return *resource;
}

// Kinds whose objects may come to use more after they were made.
bool may_grow(const api::Resource& resource) {
  return resource.group.empty() && (resource.plural == "pods" || resource.plural == "services" ||
                                    resource.plural == "persistentvolumeclaims");
}

const api::Resource* find_counted(const admission::Counted& counted) {
  for (const api::Resource* each : api::Schema::builtin().resources()) {
    const bool named = each->group == counted.group && each->plural == counted.plural;
    if (named && each->namespaced && !each->storage_prefix.empty()) return each;
  }
  return nullptr;
}

// What of `usage` the quota limits.
Quantities limited_by(const Quantities& hard, const Quantities& usage) {
  Quantities part;
  for (const auto& [name, amount] : usage) {
    if (hard.contains(name)) part[name] = amount;
  }
  return part;
}

std::string identity(const Value& quota) {
  return quota.at("metadata.uid").as_string() + "@" +
         quota.at("metadata.resourceVersion").as_string();
}

}  // namespace

bool Quotas::concerns(const WriteRequest& request) const {
  if (request.ns.empty() || !request.subresource_name().empty()) return false;
  const bool creates = request.verb == Verb::create ||
                       (request.verb == Verb::patch && request.patch == PatchKind::apply) ||
                       (request.verb == Verb::update && request.resource->create_on_update);
  const bool grows =
      (request.verb == Verb::update || request.verb == Verb::patch) && may_grow(*request.resource);
  if (!creates && !grows) return false;
  return store_.count(store_prefix(quota_resource(), request.ns)) > 0;
}

Result<std::optional<store::Write::Counted>> Quotas::check(const WriteRequest& request,
                                                           const Value& old,
                                                           const Value& object) const {
  std::optional<store::Write::Counted> counted;
  if (!concerns(request)) return counted;
  counted = {store_prefix(*request.resource, request.ns), store_.revision()};
  const api::Resource& resource = *request.resource;
  const ResourceName name{resource.group, resource.plural, object.at("metadata.name").as_string()};
  const auto range = store_.range({store_prefix(quota_resource(), request.ns), "", 0, 0});
  ORCH_CHECK(range.ok());
  for (const auto& record : range->records) {
    const Value quota = decode_stored(record->bytes);
    if (!admission::quota_counts(quota, resource, object)) continue;
    const std::string& quota_name = quota.at("metadata.name").as_string();
    const Quantities hard = admission::parse_quantities(quota.at("spec.hard"));
    if (&resource == &api::resource::pods() && old.is_null()) {
      const auto missing = admission::unspecified(hard, object);
      if (!missing.empty()) {
        return forbidden(name,
                         "failed quota: " + quota_name + ": must specify " + join(missing, "; "));
      }
    }
    Quantities wanted = limited_by(hard, admission::usage_of(resource, object));
    if (!old.is_null() && admission::quota_counts(quota, resource, old)) {
      admission::subtract(&wanted, limited_by(hard, admission::usage_of(resource, old)));
    }
    std::erase_if(wanted, [](const auto& each) { return each.second.sign() <= 0; });
    if (wanted.empty()) continue;
    const Quantities in_use = used(request.ns, quota, wanted);
    Quantities exceeded;
    for (const auto& [what, amount] : wanted) {
      const auto standing = in_use.find(what);
      const api::Quantity before = standing == in_use.end() ? api::Quantity() : standing->second;
      if (before + amount > hard.at(what)) exceeded[what] = amount;
    }
    if (exceeded.empty()) continue;
    return forbidden(name, "exceeded quota: " + quota_name +
                               ", requested: " + admission::to_text(wanted, exceeded) +
                               ", used: " + admission::to_text(in_use, exceeded) +
                               ", limited: " + admission::to_text(hard, exceeded));
  }
  return counted;
}

Quantities Quotas::used(const std::string& ns, const Value& quota, const Quantities& names) const {
  const bool scoped = !quota.at("spec.scopes").empty() || !quota.at("spec.scopeSelector").empty();
  Quantities sum;
  std::set<const api::Resource*> to_count;
  for (const auto& [name, unused] : names) {
    const admission::Counted counted = admission::counted_by(name);
    const api::Resource* resource = find_counted(counted);
    if (resource == nullptr) continue;
    if (counted.number_only && !scoped) {
      sum[name] =
          api::Quantity::of(static_cast<int64_t>(store_.count(store_prefix(*resource, ns))));
    } else {
      to_count.insert(resource);
    }
  }
  for (const api::Resource* resource : to_count) {
    for (const auto& [name, amount] : count_objects(*resource, ns, quota)) {
      if (names.contains(name) && !sum.contains(name)) sum[name] = amount;
    }
  }
  return sum;
}

// An object is read once for each of its revisions, not for each look.
Quantities Quotas::count_objects(const api::Resource& resource, const std::string& ns,
                                 const Value& quota) const {
  const std::string folder = store_prefix(resource, ns);
  const auto range = store_.range({folder, "", 0, 0});
  ORCH_CHECK(range.ok());
  const std::string quota_id = identity(quota);
  const std::lock_guard lock(mutex_);
  if (counted_.size() >= kMaxCountedFolders && !counted_.contains(folder)) counted_.clear();
  CountedObjects before = std::exchange(counted_[folder], {});
  CountedObjects& now = counted_[folder];
  Quantities sum;
  for (const auto& record : range->records) {
    Counted& counted = now[std::string(record->key)];
    if (const auto known = before.find(record->key);
        known != before.end() && known->second.revision == record->revision) {
      counted = std::move(known->second);
    }
    if (counted.revision == 0 || !counted.counts.contains(quota_id)) {
      const Value object = decode_stored(record->bytes);
      if (counted.revision == 0) counted.usage = admission::usage_of(resource, object);
      counted.revision = record->revision;
      if (counted.counts.size() > kMaxCountedFolders) counted.counts.clear();
      counted.counts[quota_id] = admission::quota_counts(quota, resource, object);
    }
    if (counted.counts[quota_id]) admission::add(&sum, counted.usage);
  }
  return sum;
}

}  // namespace orch::apiserver
