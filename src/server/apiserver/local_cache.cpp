#include "server/apiserver/local_cache.h"

#include <algorithm>
#include <mutex>

#include "base/check.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/selection.h"

namespace orch::apiserver {
namespace {

using Told = std::function<void(std::span<const store::Event>)>;

class StoreSubscription : public client::Cache::Subscription {
 public:
  // Tells what stands below `prefix` first, on this thread, then what changes.
  StoreSubscription(store::Store& store, const std::string& prefix, const Told& tell) {
    // The watch stands before the list is read, so that no change of either falls in between.
    const std::lock_guard lock(telling_);
    watch_ = watch_from_now(
        store, prefix,
        [this, tell](std::span<const store::Event> events) {
          const std::lock_guard in_turn(telling_);
          const auto first = std::ranges::find_if(events, [this](const store::Event& e) {
            return e.revision <= from_ || e.revision > told_;
          });
          if (first == events.end()) return;
          told_ = from_;  // What comes from here on is new, also of a state that went back.
          tell({first, events.end()});
        },
        &from_);
    const auto range = store.range({prefix, "", 0, 0});
    ORCH_CHECK(range.ok());
    std::vector<store::Event> stands;
    for (const auto& record : range->records) {
      stands.push_back({store::EventType::put, record->revision, record, nullptr});
    }
    told_ = range->revision;
    tell(stands);
  }

  static std::unique_ptr<store::Watch> watch_from_now(store::Store& store,
                                                      const std::string& prefix,
                                                      const store::Sink& sink, int64_t* from) {
    for (;;) {
      *from = store.revision();
      auto watch = store.watch(prefix, *from, sink, store::WhenReplaced::tell_differences);
      // Else a newer state took the place of the one that we asked about.
      if (watch) return *std::move(watch);
      ORCH_CHECK(watch.status().gone());
    }
  }

 private:
  std::mutex telling_;
  int64_t from_ = 0, told_ = 0;          // The watch's; and what is in between was in the list.
  std::unique_ptr<store::Watch> watch_;  // Last: its destructor waits for the sink.
};

class RevisionSubscription : public client::Cache::Subscription {
 public:
  explicit RevisionSubscription(std::unique_ptr<store::Watch> watch) : watch_(std::move(watch)) {}

 private:
  const std::unique_ptr<store::Watch> watch_;
};

client::Change change_of(const api::Resource& resource, const store::Event& event) {
  using Type = client::Change::Type;
  client::Change change;
  const KeyParts parts = key_parts(resource, event.record->key);
  change.type = event.type == store::EventType::remove ? Type::deleted
                : event.previous                       ? Type::modified
                                                       : Type::added;
  change.key = {std::string(parts.ns), std::string(parts.name)};
  change.revision = event.revision;
  change.bytes = event.record->bytes;
  if (event.previous) change.previous = event.previous->bytes;
  return change;
}

}  // namespace

std::optional<api::Value> LocalCache::get(const api::Resource& resource,
                                          const client::ObjectKey& key) const {
  const auto record = store_.get(store_key(resource, key.ns, key.name));
  if (!record) return std::nullopt;
  return decode_stored(record->bytes);
}

std::vector<api::Value> LocalCache::list(const api::Resource& resource,
                                         const client::Filter& filter) const {
  // A selector that can't be read is our own caller's mistake.
  const auto selection = Selection::make(resource, filter.ns, "", filter.label_selector, "");
  ORCH_CHECK(selection.ok());
  const auto keep = [&](const store::Record& record) {
    if (!filter.owner_uid.empty() && !record.tags.owned_by(filter.owner_uid)) return false;
    if (!filter.field.empty() && record.tags.field(filter.field).value_or("") != filter.value) {
      return false;
    }
    return selection->matches(record);
  };
  store::TagMarks marks = selection->marks();
  if (!filter.owner_uid.empty()) marks.add_owner(filter.owner_uid);
  if (!filter.field.empty() && !filter.value.empty()) marks.add_field(filter.field, filter.value);
  const auto range = store_.range({selection->prefix(), "", 0, 0, keep, marks});
  ORCH_CHECK(range.ok());
  std::vector<api::Value> objects;
  for (const auto& record : range->records) objects.push_back(decode_stored(record->bytes));
  return objects;
}

std::unique_ptr<client::Cache::Subscription> LocalCache::subscribe(
    const api::Resource& resource, std::function<void(const client::Change&)> tell) {
  return follow(resource, store_prefix(resource, ""), std::move(tell));
}

std::unique_ptr<client::Cache::Subscription> LocalCache::subscribe_one(
    const api::Resource& resource, const client::ObjectKey& key,
    std::function<void(const client::Change&)> tell) {
  return follow(resource, store_key(resource, key.ns, key.name), std::move(tell));
}

std::unique_ptr<client::Cache::Subscription> LocalCache::follow(
    const api::Resource& resource, const std::string& prefix,
    std::function<void(const client::Change&)> tell) {
  return std::make_unique<StoreSubscription>(
      store_, prefix, [&resource, tell = std::move(tell)](std::span<const store::Event> events) {
        for (const auto& event : events) tell(change_of(resource, event));
      });
}

std::unique_ptr<client::Cache::Subscription> LocalCache::subscribe_revision(
    std::function<void(int64_t)> tell) {
  int64_t from = 0;
  const auto sink = [tell = std::move(tell)](std::span<const store::Event> events) {
    tell(events.back().revision);
  };
  return std::make_unique<RevisionSubscription>(
      StoreSubscription::watch_from_now(store_, "", sink, &from));
}

}  // namespace orch::apiserver
