// What libraft takes for a copy of the state, in the place of a log's beginning:
//
// - TableMark, where a server's own log got long. The state is in its table already, so this says
//   no more than how far that is on disk. What follows stays in the log, and a start applies it.
// - StateCopy: all of it, for another server that lacks too much. Making one copies no object: the
//   pieces point into the Records, which are immutable. It looks at every byte once, for the
//   checksum: some 45 ms for 100,000 objects of 1 KiB. Only what the cipher seals is made anew.
//
// Pure.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/entry.h"
#include "store/store.h"

namespace orch::store {

struct TableMark {
  uint64_t entry = 0;    // The last one that it stands for.
  uint64_t on_disk = 0;  // The last one of which no loss of power takes anything from the table.
};

std::string encode_mark(const TableMark& mark);
// Nothing when these bytes are none; damage (damage.h) when one of them has changed.
Result<std::optional<TableMark>> decode_mark(std::string_view bytes);

class StateCopy {
 public:
  StateCopy(std::vector<RecordPtr> records, int64_t revision, const Progress& progress,
            const Cipher* cipher = nullptr);

  // One after the other they are the copy. They live as long as this object.
  const std::vector<std::string_view>& pieces() const { return pieces_; }

 private:
  const std::vector<RecordPtr> records_;
  std::deque<std::string> sealed_;
  std::string heads_;  // What stands before each record's bytes, and around all of them.
  std::vector<std::string_view> pieces_;
};

struct State {
  std::vector<RecordPtr> records;  // Sorted by key.
  int64_t revision = 0;
  Progress progress;
};

// Only the progress, which stands at the beginning.
Result<Progress> progress_of(std::string_view copy);
// Damage (damage.h) when a byte of it has changed since it was made.
Result<void> check_copy(std::string_view copy);
// The same, and it fails when the cipher can't open a value.
Result<State> read_state(std::string_view copy, const Store::Tagger& tagger,
                         const Cipher* cipher = nullptr);

}  // namespace orch::store
