// What a server's log holds and what its table says of it: whatever the bytes, an entry and a
// progress are read or refused, and what was read says the same when it is written again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "store/entry.h"

using namespace orch;
using namespace orch::store;

namespace {

std::string encode(const Entry& entry) {
  std::vector<const Write*> writes;
  for (const Write& write : entry.writes) writes.push_back(&write);
  std::string bytes = encode_entry(entry.origin, writes);
  stamp_entry(bytes.data(), entry.index, entry.term);
  return bytes;
}

void check_entry(std::string_view bytes) {
  const auto entry = decode_entry(bytes);
  if (!entry.ok()) return;
  for (const Write& write : entry->writes)
    ORCH_CHECK(!write.bytes || write.revision_at <= write.bytes->size());
  const std::string again = encode(*entry);
  ORCH_CHECK(again.size() % 8 == 0);
  const auto same = decode_entry(again);
  ORCH_CHECK(same.ok() && same->writes.size() == entry->writes.size());
  ORCH_CHECK(same->index == entry->index && same->term == entry->term);
  ORCH_CHECK(encode(*same) == again);
}

void check_progress(std::string_view bytes) {
  const auto progress = Progress::decode(bytes);
  if (!progress.ok()) return;
  const std::string again = progress->encode();
  const auto same = Progress::decode(again);
  ORCH_CHECK(same.ok() && same->encode() == again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_entry(bytes);
  check_progress(bytes);
  return 0;
}
