// What an etcd gateway says: whatever it is, it is read or refused, and what was read keeps the
// promises that its readers rely on.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "server/etcd/wire.h"

using namespace orch;
using namespace orch::etcd;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto seen = read_seen(text); seen.ok()) {
    ORCH_CHECK(seen->revision > 0);
    int64_t last = 0;
    for (const store::Kept& kept : seen->changes) {
      ORCH_CHECK(kept.key.starts_with("/"));
      ORCH_CHECK(kept.revision >= last && kept.revision <= seen->revision);
      ORCH_CHECK(kept.removed || kept.create_revision > 0);
      last = kept.revision;
    }
  }
  ORCH_CHECK(failure_of(400, text).code >= 400);
  const auto answer = api::parse_json(text);
  if (!answer.ok()) return 0;
  if (const auto page = read_page(*answer); page.ok()) {
    ORCH_CHECK(page->revision > 0);
    ORCH_CHECK(page->last_key.empty() || page->last_key.starts_with(kFolder));
    for (const store::Kept& kept : page->kept) ORCH_CHECK(kept.revision >= kept.create_revision);
  }
  if (const auto written = read_written(*answer); written.ok()) {
    ORCH_CHECK(written->revision > 0);
    store::Write write;
    write.key = "/a";
    if (!written->done) ORCH_CHECK(refusal(write, *written).code >= 400);
  }
  (void)read_leader(*answer);
  (void)read_lease(*answer);
  return 0;
}
