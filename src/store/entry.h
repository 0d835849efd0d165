// Entry: a batch of writes as the replicated log carries it, and Progress: what of the log a
// replica has applied. Both are pure; replica.cpp uses them on the log's thread.
//
// Each server numbers its batches, and a batch counts once: a replica applies the one whose number
// follows the last that it applied from that server, and passes over any other. So a server
// may send its batches again and again, to whoever leads, until it sees them applied: nothing is
// lost and nothing happens twice when leaders change. (Ongaro, "Consensus", 6.3.)
//
// With a cipher the values lie in an entry as they lie in the table: what is sealed there is
// sealed here.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace orch::store {

// Whose batch it is. `boot` grows with each start of that server; `number` counts from 1 in it.
struct Origin {
  uint64_t server = 0, boot = 0, number = 0;
};

struct Entry {
  // Where the leader that proposed it put it. The replica that applies it checks that it is there:
  // a log that was damaged or misread on disk must not be applied at the wrong place.
  uint64_t index = 0, term = 0;
  Origin origin;
  std::vector<Write> writes;  // Without tags: each replica computes them from the bytes.
};

// The length is a multiple of 8, as libraft demands.
std::string encode_entry(const Origin& origin, std::span<const Write* const> writes,
                         const Cipher* cipher = nullptr);
// Fails on bytes that encode_entry() didn't make, and on values that the cipher can't open.
Result<Entry> decode_entry(std::string_view bytes, const Cipher* cipher = nullptr);
// Writes index and term into what encode_entry() made.
void stamp_entry(char* bytes, uint64_t index, uint64_t term);
// The index that was; 0 when these bytes are none of ours.
uint64_t stamped_index(std::string_view bytes);

class Progress {
 public:
  uint64_t index = 0, term = 0;  // Of the last entry that was applied.

  enum class Turn {
    next,
    repeated,  // It was applied before.
    early,     // One before it is missing; its server will send both again.
  };
  Turn look_at(const Origin& origin) const;
  void accept(const Origin& origin);
  // Servers of which nothing comes any more.
  template <class IsThere>
  void forget_unless(const IsThere& is_there) {
    std::erase_if(last_, [&](const auto& each) { return !is_there(each.first); });
  }
  // The last of `server`; boot 0 when there is none.
  Origin last_of(uint64_t server) const;

  std::string encode() const;
  static Result<Progress> decode(std::string_view bytes);

 private:
  std::map<uint64_t, Origin> last_;  // By server.
};

}  // namespace orch::store
