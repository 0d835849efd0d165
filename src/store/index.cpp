#include "store/index.h"

#include <algorithm>
#include <string>

namespace orch::store {

namespace {

bool is_folder(std::string_view prefix) { return prefix.empty() || prefix.back() == '/'; }

}  // namespace

bool matches_prefix(std::string_view key, std::string_view prefix) {
  return is_folder(prefix) ? key.starts_with(prefix) : key == prefix;
}

const RecordPtr* Index::Walk::peek() const {
  if (place_.block >= index_->blocks_.size()) return nullptr;
  return &index_->blocks_[place_.block][place_.slot].record;
}

void Index::Walk::next() { place_ = index_->normal({place_.block, place_.slot + 1}); }

Index::Place Index::normal(Place place) const {
  if (place.block < blocks_.size() && place.slot == blocks_[place.block].size()) {
    return {place.block + 1, 0};
  }
  return place;
}

Index::Place Index::lower_bound(std::string_view key) const {
  // The first block whose last key is not below `key` holds the place.
  const auto block = std::partition_point(
      blocks_.begin(), blocks_.end(), [key](const Block& b) { return b.back().record->key < key; });
  if (block == blocks_.end()) return {blocks_.size(), 0};
  const auto slot = std::partition_point(block->begin(), block->end(),
                                         [key](const Entry& e) { return e.record->key < key; });
  return {static_cast<size_t>(block - blocks_.begin()), static_cast<size_t>(slot - block->begin())};
}

Index::Place Index::upper_bound(std::string_view key) const {
  Place place = lower_bound(key);
  const RecordPtr* found = Walk(*this, place).peek();
  if (found != nullptr && (*found)->key == key) place = normal({place.block, place.slot + 1});
  return place;
}

Index::Place Index::end_of(std::string_view prefix) const {
  if (prefix.empty()) return {blocks_.size(), 0};
  if (!is_folder(prefix)) return upper_bound(prefix);
  std::string after(prefix);
  after.back() = '/' + 1;  // The first text that doesn't start with "…/".
  return lower_bound(after);
}

size_t Index::distance(Place from, Place to) const {
  if (to.block < from.block || (to.block == from.block && to.slot < from.slot)) return 0;
  size_t sum = to.slot;
  for (size_t block = from.block; block < to.block; ++block) sum += blocks_[block].size();
  return sum - from.slot;
}

const RecordPtr* Index::find(std::string_view key) const {
  const RecordPtr* found = from(key).peek();
  return found != nullptr && (*found)->key == key ? found : nullptr;
}

void Index::put(RecordPtr record) {
  Place place = lower_bound(record->key);
  if (place.block == blocks_.size()) {  // Greater than all: it goes to the end of the last block.
    if (blocks_.empty()) blocks_.emplace_back();
    place = {blocks_.size() - 1, blocks_.back().size()};
  }
  Block& block = blocks_[place.block];
  if (place.slot < block.size() && block[place.slot].record->key == record->key) {
    block[place.slot] = Entry(std::move(record));
    return;
  }
  const auto slot = block.begin() + static_cast<std::ptrdiff_t>(place.slot);
  const bool at_the_end = slot == block.end();
  block.emplace(slot, std::move(record));
  ++size_;
  if (block.size() <= kBlockRecords) return;

  // Split. Keys that come in order leave full blocks behind, others halves.
  const size_t keep = at_the_end ? kBlockRecords : kBlockRecords / 2;
  const auto middle = block.begin() + static_cast<std::ptrdiff_t>(keep);
  Block upper;
  upper.reserve(kBlockRecords + 1);
  std::move(middle, block.end(), std::back_inserter(upper));
  block.erase(middle, block.end());
  blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(place.block) + 1, std::move(upper));
}

bool Index::erase(std::string_view key) {
  const Place place = lower_bound(key);
  const RecordPtr* found = Walk(*this, place).peek();
  if (found == nullptr || (*found)->key != key) return false;
  Block& block = blocks_[place.block];
  block.erase(block.begin() + static_cast<std::ptrdiff_t>(place.slot));
  --size_;
  const auto at = blocks_.begin() + static_cast<std::ptrdiff_t>(place.block);
  const auto next = at + 1;
  if (block.empty()) {
    blocks_.erase(at);
  } else if (next != blocks_.end() && block.size() + next->size() <= kBlockRecords / 2) {
    std::move(next->begin(), next->end(), std::back_inserter(block));  // Few are left in both.
    blocks_.erase(next);
  }
  return true;
}

void Index::load(std::vector<RecordPtr> records) {
  blocks_.clear();
  size_ = records.size();
  for (size_t at = 0; at < records.size(); at += kBlockRecords) {
    const size_t end = std::min(at + kBlockRecords, records.size());
    Block& block = blocks_.emplace_back();
    block.reserve(end - at);
    for (size_t i = at; i < end; ++i) block.emplace_back(std::move(records[i]));
  }
}

Index::Walk Index::from(std::string_view key) const { return {*this, lower_bound(key)}; }
Index::Walk Index::after(std::string_view key) const { return {*this, upper_bound(key)}; }

size_t Index::count(std::string_view prefix) const {
  return distance(lower_bound(prefix), end_of(prefix));
}

size_t Index::count(std::string_view prefix, std::string_view start_after) const {
  if (start_after < prefix) return count(prefix);
  return distance(upper_bound(start_after), end_of(prefix));
}

}  // namespace orch::store
