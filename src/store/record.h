// Record: one revision of one object, immutable and shared by everybody who reads it: the index,
// the history, watchers, responses on their way out. It is two allocations: the Record with its
// counter, and one buffer that holds key, bytes and tags one after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace orch::store {

// What readers select by, kept beside the bytes so that a selector parses no JSON. The store
// doesn't interpret it.
struct Tags {
  std::string uid;
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<std::pair<std::string, std::string>> fields;  // Selectable, e.g. "spec.nodeName".
  std::vector<std::string> owners;                          // The uids of the owner references.
  // What no other record may hold at the same time (claims.h), e.g. "address 10.43.0.10".
  std::vector<std::string> claims = {};

  bool operator==(const Tags&) const = default;
};

// What a set of tags may hold, as 64 bits: each tag sets two of them. A set that lacks a bit of
// some tag doesn't have that tag; one that has both may have it. So a reader passes over nearly all
// that it doesn't mean without a look at the Records (a Bloom filter).
class TagMarks {
 public:
  void add_label(std::string_view name, std::string_view value) { add('l', name, value); }
  void add_field(std::string_view name, std::string_view value) { add('f', name, value); }
  void add_owner(std::string_view uid) { add('o', uid, ""); }
  bool may_hold(TagMarks wanted) const { return (bits_ & wanted.bits_) == wanted.bits_; }

 private:
  void add(char kind, std::string_view name, std::string_view value);
  uint64_t bits_ = 0;
};

// Tags as a Record holds them: length-prefixed strings in the Record's own buffer. Every view that
// is handed out lives as long as the Record. Look-ups walk the few bytes; nothing is allocated.
class PackedTags {
 public:
  using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

  std::string_view uid() const;
  std::optional<std::string_view> label(std::string_view name) const;
  std::optional<std::string_view> field(std::string_view name) const;
  bool owned_by(std::string_view uid) const;
  Pairs labels() const;  // In the order in which they were given.
  Pairs fields() const;
  std::vector<std::string_view> owners() const;
  std::vector<std::string_view> claims() const;
  bool has_claims() const { return packed_.front() != '\0'; }
  TagMarks marks() const;

 private:
  friend struct Record;
  std::string_view packed_;
};

struct Record;
using RecordPtr = std::shared_ptr<const Record>;

struct Record {
  std::string_view key;    // "/pods/default/web".
  std::string_view bytes;  // The whole object, resourceVersion filled in. Served as they are.
  int64_t create_revision = 0;
  int64_t revision = 0;
  int64_t row = 0;            // The store's own: where it stands on disk.
  uint32_t revision_at = 0;   // bytes.substr(revision_at, revision_len) are the decimal digits
  uint32_t revision_len = 0;  // of `revision`: the value of metadata.resourceVersion.
  PackedTags tags;

  // What a Record is made of. `bytes` come without the revision's digits, which are put in at
  // `revision_at` (<= bytes.size()).
  struct Parts {
    std::string_view key, bytes;
    uint32_t revision_at = 0;
    int64_t create_revision = 0, revision = 0, row = 0;
  };
  static RecordPtr make(const Parts& parts, const Tags& tags);

  // The same object as it is told to watchers when `revision` deleted it.
  RecordPtr at_deletion(int64_t revision) const;

  // What this Record takes from memory, the allocator's own words included (an estimate).
  size_t footprint_bytes() const;

  // Only make() can build one: the views above point into `buffer_`.
  class Token {
    friend struct Record;
    Token() = default;
  };
  explicit Record(Token) {}
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

 private:
  static RecordPtr build(const Parts& parts, std::string_view packed_tags);

  std::unique_ptr<char[]> buffer_;
};

}  // namespace orch::store
