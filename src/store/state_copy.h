// StateCopy: a whole state as one replica sends it to another, or keeps it in the log's place when
// the log gets long. Making one copies no object: the pieces point into the Records, which are
// immutable. It looks at every byte once, for the checksum: some 45 ms for 100,000 objects of 1
// KiB. Only what the cipher seals is made anew.
//
// Pure; on the log's thread.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/entry.h"
#include "store/store.h"

namespace orch::store {

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
