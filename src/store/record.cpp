#include "store/record.h"

#include <charconv>
#include <cstring>
#include <functional>

#include "base/check.h"

namespace orch::store {

namespace {

// Packed tags: count, claim*, uid, count, (name, value)*, count, (name, value)*, count, owner*.
// Counts and lengths are LEB128, so nearly always one byte.
void append_number(size_t number, std::string* out) {
  for (; number >= 0x80; number >>= 7) out->push_back(static_cast<char>(number | 0x80));
  out->push_back(static_cast<char>(number));
}

void append_text(std::string_view text, std::string* out) {
  append_number(text.size(), out);
  out->append(text);
}

void append_pairs(const std::vector<std::pair<std::string, std::string>>& pairs, std::string* out) {
  append_number(pairs.size(), out);
  for (const auto& [name, value] : pairs) {
    append_text(name, out);
    append_text(value, out);
  }
}

std::string pack(const Tags& tags) {
  std::string out;
  append_number(tags.claims.size(), &out);
  for (const std::string& claim : tags.claims) append_text(claim, &out);
  append_text(tags.uid, &out);
  append_pairs(tags.labels, &out);
  append_pairs(tags.fields, &out);
  append_number(tags.owners.size(), &out);
  for (const std::string& owner : tags.owners) append_text(owner, &out);
  return out;
}

// Walks what pack() wrote; nothing else is ever given to it, so it checks nothing.
class Unpacker {
 public:
  explicit Unpacker(std::string_view packed) : rest_(packed) {}

  size_t number() {
    size_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<size_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
  std::string_view text() {
    const size_t length = number();
    const std::string_view value = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return value;
  }
  void skip_pairs() {
    for (size_t left = number(); left > 0; --left) {
      text();
      text();
    }
  }
  PackedTags::Pairs pairs() {
    PackedTags::Pairs all(number());
    for (auto& [name, value] : all) {
      name = text();
      value = text();
    }
    return all;
  }
  std::optional<std::string_view> value_of(std::string_view wanted) {
    for (size_t left = number(); left > 0; --left) {
      const std::string_view name = text();
      const std::string_view value = text();
      if (name == wanted) return value;
    }
    return std::nullopt;
  }

 private:
  std::string_view rest_;
};

Unpacker at_uid(std::string_view packed) {
  Unpacker walk(packed);
  for (size_t left = walk.number(); left > 0; --left) walk.text();
  return walk;
}

Unpacker at_labels(std::string_view packed) {
  Unpacker walk = at_uid(packed);
  walk.text();
  return walk;
}

Unpacker at_fields(std::string_view packed) {
  Unpacker walk = at_labels(packed);
  walk.skip_pairs();
  return walk;
}

Unpacker at_owners(std::string_view packed) {
  Unpacker walk = at_fields(packed);
  walk.skip_pairs();
  return walk;
}

}  // namespace

std::string_view PackedTags::uid() const { return at_uid(packed_).text(); }

std::optional<std::string_view> PackedTags::label(std::string_view name) const {
  return at_labels(packed_).value_of(name);
}

std::optional<std::string_view> PackedTags::field(std::string_view name) const {
  return at_fields(packed_).value_of(name);
}

bool PackedTags::owned_by(std::string_view uid) const {
  Unpacker walk = at_owners(packed_);
  for (size_t left = walk.number(); left > 0; --left) {
    if (walk.text() == uid) return true;
  }
  return false;
}

PackedTags::Pairs PackedTags::labels() const { return at_labels(packed_).pairs(); }
PackedTags::Pairs PackedTags::fields() const { return at_fields(packed_).pairs(); }

std::vector<std::string_view> PackedTags::owners() const {
  Unpacker walk = at_owners(packed_);
  std::vector<std::string_view> all(walk.number());
  for (std::string_view& owner : all) owner = walk.text();
  return all;
}

std::vector<std::string_view> PackedTags::claims() const {
  Unpacker walk(packed_);
  std::vector<std::string_view> all(walk.number());
  for (std::string_view& claim : all) claim = walk.text();
  return all;
}

void TagMarks::add(char kind, std::string_view name, std::string_view value) {
  constexpr size_t kSpread = 0x9e3779b97f4a7c15u;
  const std::hash<std::string_view> hash;
  const size_t sum = (hash(name) + static_cast<unsigned char>(kind)) * kSpread + hash(value);
  bits_ |= uint64_t{1} << (sum % 64) | uint64_t{1} << (sum / 64 % 64);
}

TagMarks PackedTags::marks() const {
  TagMarks marks;
  Unpacker walk = at_uid(packed_);
  walk.text();
  const auto each_pair = [&walk](auto add) {
    for (size_t left = walk.number(); left > 0; --left) {
      const std::string_view name = walk.text();
      add(name, walk.text());
    }
  };
  each_pair([&](std::string_view name, std::string_view value) { marks.add_label(name, value); });
  each_pair([&](std::string_view name, std::string_view value) { marks.add_field(name, value); });
  for (size_t left = walk.number(); left > 0; --left) marks.add_owner(walk.text());
  return marks;
}

RecordPtr Record::make(const Parts& parts, const Tags& tags) { return build(parts, pack(tags)); }

RecordPtr Record::at_deletion(int64_t deletion_revision) const {
  std::string without_digits(bytes.substr(0, revision_at));
  without_digits.append(bytes.substr(revision_at + revision_len));
  return build({.key = key,
                .bytes = without_digits,
                .revision_at = revision_at,
                .create_revision = create_revision,
                .revision = deletion_revision,
                .row = row},
               tags.packed_);
}

RecordPtr Record::build(const Parts& parts, std::string_view packed_tags) {
  ORCH_CHECK(parts.revision_at <= parts.bytes.size());
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, parts.revision).ptr;
  const std::string_view revision_text(digits, static_cast<size_t>(end - digits));

  const size_t bytes_size = parts.bytes.size() + revision_text.size();
  auto record = std::make_shared<Record>(Token());
  record->buffer_.reset(new char[parts.key.size() + bytes_size + packed_tags.size()]);
  char* at = record->buffer_.get();
  const auto append = [&at](std::string_view text) {
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    at += text.size();
    return at - text.size();
  };
  record->key = {append(parts.key), parts.key.size()};
  const char* const bytes = append(parts.bytes.substr(0, parts.revision_at));
  append(revision_text);
  append(parts.bytes.substr(parts.revision_at));
  record->bytes = {bytes, bytes_size};
  record->tags.packed_ = {append(packed_tags), packed_tags.size()};

  record->create_revision = parts.create_revision;
  record->revision = parts.revision;
  record->row = parts.row;
  record->revision_at = parts.revision_at;
  record->revision_len = static_cast<uint32_t>(revision_text.size());
  return record;
}

size_t Record::footprint_bytes() const {
  constexpr size_t kCounterBytes = 16;        // shared_ptr's.
  constexpr size_t kAllocatorBytes = 2 * 12;  // glibc: 8 per allocation, rounded up to 16.
  return sizeof(Record) + kCounterBytes + kAllocatorBytes + key.size() + bytes.size() +
         tags.packed_.size();
}

}  // namespace orch::store
