// A copy of the whole state, as another server sends it or as it lies on disk: whatever the bytes,
// it is read or refused. The input is tried as it is, and with a checksum that fits it; what was
// read makes a copy that says the same, and no longer once a bit of that has changed.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/check.h"
#include "store/checksum.h"
#include "store/packing.h"
#include "store/state_copy.h"

using namespace orch;
using namespace orch::store;

namespace {

// With the zeros and the checksum that StateCopy would put behind it. "" for what has no pieces.
std::string sealed(std::string_view content) {
  Unpacking from(content);
  std::string_view unsummed = content;
  Checksum sum;
  from.number();
  from.text();
  from.number();
  for (uint64_t count = from.number(); count > 0 && from.ok(); --count) {
    for (int i = 0; i < 4; ++i) from.number();
    from.text();
    const std::string_view bytes = from.text();
    if (!from.ok()) return "";
    sum.add(unsummed.substr(0, unsummed.size() - from.rest().size() - bytes.size()));
    if (!bytes.empty()) sum.add(bytes);
    unsummed = from.rest();
  }
  if (!from.ok()) return "";
  std::string copy(content.substr(0, content.size() - from.rest().size()));
  const std::string tail(unsummed.substr(0, unsummed.size() - from.rest().size()));
  const std::string zeros((8 - copy.size() % 8) % 8, '\0');
  copy += zeros;
  if (!(tail + zeros).empty()) sum.add(tail + zeros);
  const uint64_t value = htole64(static_cast<uint64_t>(sum.value()));
  return copy.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string bytes_of(const StateCopy& copy) {
  std::string bytes;
  for (const std::string_view piece : copy.pieces()) bytes += piece;
  return bytes;
}

Result<State> read(std::string_view copy) {
  return read_state(copy, [](std::string_view, std::string_view) { return Tags{}; });
}

void check_copy_of(State state, size_t damage_at) {
  std::string bytes = bytes_of(StateCopy(std::move(state.records), state.revision, state.progress));
  ORCH_CHECK(bytes.size() % 8 == 0);
  auto again = read(bytes);
  ORCH_CHECK(again.ok());
  ORCH_CHECK(bytes_of(StateCopy(again->records, again->revision, again->progress)) == bytes);
  bytes[damage_at % bytes.size()] ^= static_cast<char>(1 << damage_at % 8);
  ORCH_CHECK(!check_copy(bytes).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)progress_of(bytes);
  ORCH_CHECK(check_copy(bytes).ok() || !read(bytes).ok());
  const std::string fitting = sealed(bytes);
  if (fitting.empty()) return 0;
  ORCH_CHECK(check_copy(fitting).ok());
  if (auto state = read(fitting); state.ok()) check_copy_of(*std::move(state), size * 2654435761u);
  return 0;
}
