// Index: the current state in memory, ordered by key. A sorted list of sorted blocks of shared
// Records: 24 bytes an object (a tree node would take 72), neighbours side by side for range
// reads, and counting a range adds up block sizes instead of walking it. The keys are the Records'
// own; the marks of their tags lie beside them, so that a reader with a selector needs no look at
// most of them.
//
// Not synchronised: machine.h holds a lock over it.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "store/record.h"

namespace orch::store {

// Does `key` stand below `prefix`, as store.h defines it?
bool matches_prefix(std::string_view key, std::string_view prefix);

class Index {
  struct Place {
    size_t block = 0, slot = 0;
    bool operator==(const Place&) const = default;
  };

 public:
  // A walk in the order of keys. Ends at the index's end; any change of the index ends its
  // validity.
  class Walk {
   public:
    const RecordPtr* peek() const;  // Null at the end.
    TagMarks marks() const { return index_->blocks_[place_.block][place_.slot].marks; }
    void next();

   private:
    friend class Index;
    Walk(const Index& index, Place place) : index_(&index), place_(place) {}
    const Index* index_;
    Place place_;
  };

  const RecordPtr* find(std::string_view key) const;  // Null when there is none.
  void put(RecordPtr record);                         // In place of one with the same key.
  bool erase(std::string_view key);
  // Replaces everything. `records` sorted by key, no key twice.
  void load(std::vector<RecordPtr> records);

  Walk from(std::string_view key) const;   // The first key >= `key`.
  Walk after(std::string_view key) const;  // The first key > `key`.
  size_t size() const { return size_; }
  // How many keys are below `prefix`; the second form: and greater than `start_after`.
  size_t count(std::string_view prefix) const;
  size_t count(std::string_view prefix, std::string_view start_after) const;

 private:
  static constexpr size_t kBlockRecords = 128;
  struct Entry {
    explicit Entry(RecordPtr r) : record(std::move(r)), marks(record->tags.marks()) {}
    RecordPtr record;
    TagMarks marks;
  };
  using Block = std::vector<Entry>;

  Place lower_bound(std::string_view key) const;
  Place upper_bound(std::string_view key) const;
  Place end_of(std::string_view prefix) const;
  size_t distance(Place from, Place to) const;
  // A place one past a block's last record means the next block's first.
  Place normal(Place place) const;

  std::vector<Block> blocks_;  // None is empty.
  size_t size_ = 0;
};

}  // namespace orch::store
