#include "api/managed_fields.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

#include "api/json_cut.h"
#include "base/clock.h"

namespace orch::api {
namespace {

constexpr std::string_view kApply = "Apply";
constexpr std::string_view kUpdate = "Update";
constexpr std::string_view kFieldsV1 = "FieldsV1";

int64_t seconds_of(const std::string& time) {
  WallTime when;
  if (time.empty() || !parse_time(time, &when)) return 0;
  return std::chrono::duration_cast<std::chrono::seconds>(when.time_since_epoch()).count();
}

Result<ManagedEntry> parse_entry(const Value& value) {
  ManagedEntry entry;
  const std::string& operation = value["operation"].as_string();
  if (operation != kApply && operation != kUpdate) {
    return bad_request("managedFields: operation must be Apply or Update, not \"" + operation +
                       "\"");
  }
  if (value["fieldsType"].as_string() != kFieldsV1) {
    return bad_request("managedFields: fieldsType must be FieldsV1");
  }
  entry.manager = value["manager"].as_string();
  entry.applied = operation == kApply;
  entry.api_version = value["apiVersion"].as_string();
  entry.subresource = value["subresource"].as_string();
  entry.time = value["time"].as_string();
  if (!value["fieldsV1"].is_null()) {
    entry.fields = ORCH_TRY(FieldSet::parse_fields(value["fieldsV1"]));
  }
  return entry;
}

Value to_value(const ManagedEntry& entry) {
  Value value = Value::object({{"manager", entry.manager},
                               {"operation", entry.applied ? kApply : kUpdate},
                               {"apiVersion", entry.api_version}});
  if (!entry.time.empty()) value.set("time", entry.time);
  value.set("fieldsType", kFieldsV1);
  value.set("fieldsV1", entry.fields.to_fields());
  if (!entry.subresource.empty()) value.set("subresource", entry.subresource);
  return value;
}

void append_member(std::string* out, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  *out += out->back() == '{' ? "\"" : ",\"";
  out->append(name).append("\":");
  append_json_string(out, text);
}

void append_text(std::string* out, const ManagedEntry& entry, std::string_view fields) {
  *out += '{';
  append_member(out, "manager", entry.manager);
  append_member(out, "operation", entry.applied ? kApply : kUpdate);
  append_member(out, "apiVersion", entry.api_version);
  append_member(out, "time", entry.time);
  append_member(out, "fieldsType", kFieldsV1);
  out->append(",\"fieldsV1\":").append(fields);
  append_member(out, "subresource", entry.subresource);
  *out += '}';
}

void sort_entries(ManagedEntries* entries) {
  const auto key = [](const ManagedEntry& e) {
    return std::make_tuple(!e.applied, seconds_of(e.time), std::string_view(e.manager),
                           std::string_view(e.api_version), std::string_view(e.subresource));
  };
  std::stable_sort(entries->begin(), entries->end(),
                   [&](const ManagedEntry& a, const ManagedEntry& b) { return key(a) < key(b); });
}

// The sets of texts that were met lately: those of a controller's pods are all the same.
class KnownSets {
 public:
  // Null when it is no set.
  std::shared_ptr<const FieldSet> get(std::string_view text) {
    const size_t hash = std::hash<std::string_view>()(text);
    Slot& slot = slots_[hash % slots_.size()];
    {
      const std::lock_guard lock(mutex_);
      if (slot.set && slot.text == text) return slot.set;
    }
    const auto value = parse_json(text);
    if (!value.ok()) return nullptr;
    auto parsed = FieldSet::parse_fields(*value);
    if (!parsed.ok()) return nullptr;
    auto set = std::make_shared<const FieldSet>(*std::move(parsed));
    if (text.size() > kMaxBytes) return set;
    const std::lock_guard lock(mutex_);
    slot = {std::string(text), set};
    return set;
  }

 private:
  static constexpr size_t kSlots = 64, kMaxBytes = 8u << 10;
  struct Slot {
    std::string text;
    std::shared_ptr<const FieldSet> set;
  };
  std::mutex mutex_;
  std::array<Slot, kSlots> slots_;
};

std::string_view unquoted(std::string_view text) {
  return text.size() < 2 ? std::string_view() : text.substr(1, text.size() - 2);
}

}  // namespace

bool ManagedEntry::same_manager(const ManagedEntry& other) const {
  return manager == other.manager && applied == other.applied && subresource == other.subresource &&
         (applied || api_version == other.api_version);
}

std::string ManagedEntry::to_text() const {
  std::string text = to_json(Value(manager));
  if (!subresource.empty()) text += " with subresource " + to_json(Value(subresource));
  if (!applied) text += " using " + api_version;
  return text;
}

Result<ManagedEntries> parse_managed_fields(const Value& list) {
  ManagedEntries entries;
  if (list.is_null()) return entries;
  if (!list.is_array()) return bad_request("managedFields: not a list");
  for (const Value& item : list.items()) {
    ManagedEntry entry = ORCH_TRY(parse_entry(item));
    if (ManagedEntry* twin = find_manager(&entries, entry)) {
      *twin = std::move(entry);  // The last one counts.
    } else {
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

Value to_managed_fields(ManagedEntries entries) {
  sort_entries(&entries);
  Array list;
  list.reserve(entries.size());
  for (const ManagedEntry& entry : entries) list.push_back(to_value(entry));
  return Value(std::move(list));
}

std::string managed_fields_text(ManagedEntries entries) {
  if (entries.empty()) return {};
  sort_entries(&entries);
  std::string text = "[";
  for (const ManagedEntry& entry : entries) {
    if (text.size() > 1) text += ',';
    std::string fields;
    entry.fields.append_fields(&fields);
    append_text(&text, entry, fields);
  }
  return text + "]";
}

std::string managed_fields_text(const ManagedEntry& entry, std::string_view fields) {
  std::string text = "[";
  append_text(&text, entry, fields);
  return text + "]";
}

std::optional<std::string> retimed(std::string_view text, const ManagedEntry& mine,
                                   const FieldSet& changed) {
  static KnownSets* const known = new KnownSets;  // Lives as long as the process.
  struct Part {
    bool update;
    int64_t seconds;
    std::string_view manager, version, subresource;
    std::string text;
    bool operator<(const Part& other) const {
      return std::tie(update, seconds, manager, version, subresource) <
             std::tie(other.update, other.seconds, other.manager, other.version, other.subresource);
    }
  };
  std::vector<Part> parts;
  bool simple = true, found = false;
  for_each_item(text, [&](std::string_view entry) {
    std::string_view operation, time, fields;
    Part part{};
    for_each_member(entry, [&](std::string_view name, std::string_view value) {
      if (name == "manager") part.manager = unquoted(value);
      if (name == "operation") operation = unquoted(value);
      if (name == "apiVersion") part.version = unquoted(value);
      if (name == "time") time = unquoted(value);
      if (name == "fieldsV1") fields = value;
      if (name == "subresource") part.subresource = unquoted(value);
      return true;
    });
    part.update = operation == kUpdate;
    const auto set = known->get(fields);
    // Escaped texts neither compare nor sort as what they stand for.
    if (!set || part.manager.find('\\') != part.manager.npos) simple = false;
    if (!simple) return false;
    part.text = entry;
    const bool is_mine = part.update && part.manager == mine.manager &&
                         part.version == mine.api_version && part.subresource == mine.subresource;
    if (is_mine) {
      found = true;
      simple = !time.empty() && changed.without(*set).empty();
      if (!simple) return false;
      part.text.replace(static_cast<size_t>(time.data() - entry.data()), time.size(), mine.time);
    } else {
      simple = changed.shared_with(*set).empty();
    }
    part.seconds = seconds_of(std::string(is_mine ? std::string_view(mine.time) : time));
    parts.push_back(std::move(part));
    return simple;
  });
  if (!simple || !found) return std::nullopt;
  std::stable_sort(parts.begin(), parts.end());
  std::string out;
  for (const Part& part : parts) out += (out.empty() ? "[" : ",") + part.text;
  return out + "]";
}

ManagedEntry* find_manager(ManagedEntries* entries, const ManagedEntry& like) {
  for (ManagedEntry& entry : *entries) {
    if (entry.same_manager(like)) return &entry;
  }
  return nullptr;
}

void drop_empty(ManagedEntries* entries) {
  std::erase_if(*entries, [](const ManagedEntry& entry) { return entry.fields.empty(); });
}

// Oldest first, one bucket per version of the API. The first of a version only goes into its bucket
// when a second one follows, since a bucket of one would save nothing.
void cap_updates(ManagedEntries* entries) {
  const auto is_update = [](const ManagedEntry& entry) { return !entry.applied; };
  size_t updates = static_cast<size_t>(std::count_if(entries->begin(), entries->end(), is_update));
  if (updates <= kMaxUpdateManagers) return;
  ManagedEntries old, kept;
  for (ManagedEntry& entry : *entries) (entry.applied ? kept : old).push_back(std::move(entry));
  std::stable_sort(old.begin(), old.end(), [](const ManagedEntry& a, const ManagedEntry& b) {
    return std::make_tuple(seconds_of(a.time), std::string_view(a.manager)) <
           std::make_tuple(seconds_of(b.time), std::string_view(b.manager));
  });
  std::map<std::string, ManagedEntry> buckets;
  size_t next = 0;
  for (; next < old.size() && updates > kMaxUpdateManagers; ++next) {
    ManagedEntry& entry = old[next];
    const auto [bucket, first] = buckets.try_emplace(entry.api_version, entry);
    if (first) continue;
    ManagedEntry& into = bucket->second;
    into.manager = kOldUpdates;
    into.subresource.clear();
    into.fields = into.fields.united(entry.fields);
    into.time = entry.time;
    --updates;
  }
  for (auto& [version, bucket] : buckets) kept.push_back(std::move(bucket));
  std::move(old.begin() + static_cast<ptrdiff_t>(next), old.end(), std::back_inserter(kept));
  *entries = std::move(kept);
}

bool is_reset(const Value& list) {
  return list.is_array() && list.size() == 1 && list[0].is_object() && list[0].empty();
}

std::string manager_name(std::string_view field_manager, std::string_view user_agent) {
  if (!field_manager.empty()) return std::string(field_manager);
  std::string name;
  for (const char c : user_agent.substr(0, user_agent.find('/'))) {
    if (name.size() == kMaxManagerBytes) break;
    if (c >= ' ' && c <= '~') name += c;
  }
  return name;
}

}  // namespace orch::api
