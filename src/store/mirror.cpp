// A value as an engine keeps it: the place of the revision in decimal digits, a line end, and the
// bytes without the revision's digits: the engine's own revision of the key is put in there. The
// cipher seals all of that.
#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "store/cipher.h"
#include "store/engine.h"
#include "store/machine.h"

namespace orch::store {

std::string Mirror::value_of(const Write& write) const {
  std::string value = std::to_string(write.revision_at) + "\n" + write.bytes.value_or("");
  std::optional<std::string> sealed;
  if (cipher_ != nullptr) sealed = cipher_->seal(write.key, value);
  return sealed ? *std::move(sealed) : value;
}

RecordPtr Mirror::get(std::string_view key) const { return machine_.get(key); }

Result<RecordPtr> Mirror::record_of(const Kept& kept) const {
  std::optional<std::string> opened;
  if (cipher_ != nullptr) opened = ORCH_TRY(cipher_->open(kept.key, kept.value));
  const std::string_view value = opened ? *opened : kept.value;
  uint32_t revision_at = 0;
  const char* const end = value.data() + value.size();
  const auto [at, error] = std::from_chars(value.data(), end, revision_at);
  const size_t head = static_cast<size_t>(at - value.data()) + 1;
  if (error != std::errc() || at == end || *at != '\n' || revision_at > value.size() - head) {
    return internal_error("the value of \"" + kept.key + "\" is none that orch has written");
  }
  const std::string_view bytes = value.substr(head);
  // Without the digits it is JSON as well, and they are no tag.
  return Record::make({.key = kept.key,
                       .bytes = bytes,
                       .revision_at = revision_at,
                       .create_revision = kept.create_revision,
                       .revision = kept.revision,
                       .row = kept.create_revision},
                      tagger_(kept.key, bytes));
}

Write Mirror::again(const Record& record) const {
  Write write;
  write.key = record.key;
  write.bytes = record.bytes.substr(0, record.revision_at);
  write.bytes->append(record.bytes.substr(record.revision_at + record.revision_len));
  write.revision_at = record.revision_at;
  write.expected_revision = record.revision;
  write.tags = tagger_(write.key, *write.bytes);
  return write;
}

Result<void> Mirror::replace(std::vector<Kept> all, int64_t revision) {
  std::vector<RecordPtr> records;
  records.reserve(all.size());
  std::vector<Write> stale;
  for (Kept& kept : all) {
    records.push_back(ORCH_TRY(record_of(kept)));
    if (cipher_ != nullptr && cipher_->is_stale(kept.key, kept.value)) {
      stale.push_back(again(*records.back()));
    }
    kept.value = {};
  }
  stale_ = std::move(stale);
  std::ranges::sort(records, {}, [](const RecordPtr& record) { return record->key; });
  return machine_.restore(std::move(records), revision, "");
}

Result<std::vector<Event>> Mirror::apply(std::vector<Kept> changes, int64_t revision) {
  std::vector<Event> events;
  events.reserve(changes.size());
  std::unordered_map<std::string_view, RecordPtr> now;  // Keys changed so far; null: removed.
  for (const Kept& kept : changes) {
    const auto changed = now.find(kept.key);
    Event event{.type = EventType::put,
                .revision = kept.revision,
                .record = nullptr,
                .previous = changed != now.end() ? changed->second : machine_.get(kept.key)};
    if (kept.removed) {
      if (!event.previous) continue;
      event.type = EventType::remove;
      event.record = event.previous->at_deletion(kept.revision);
    } else {
      event.record = ORCH_TRY(record_of(kept));
    }
    now.insert_or_assign(kept.key, kept.removed ? nullptr : event.record);
    events.push_back(std::move(event));
  }
  machine_.bring_in(events, revision);
  return events;
}

}  // namespace orch::store
