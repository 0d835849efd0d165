// The disk of a replicated log is full for a while: whoever writes is told, and it heals by itself.
#include <filesystem>

#include "faults_fixture.h"

namespace orch::store {
namespace {

TEST_CASE("a full disk of the log refuses writes by name, and heals by itself") {
  Alone alone;
  faults::watch(alone.folder.path(), "/raft/");
  auto store = *alone.open();
  const std::string large(1u << 20, 'x');
  // The first copy of the state needs room, too.
  while (!alone.has_copy()) must(store->commit(put("/a/0", "x")));
  must(store->commit(put("/a/0", large)));
  faults::set_full(true);
  Status refused;
  int taken = 0;
  for (; taken < 100; ++taken) {
    const Result<Committed> done = store->commit(put("/a/" + std::to_string(taken), large));
    if (!done) {
      refused = done.status();
      break;
    }
  }
  CHECK(taken > 5);
  CHECK(refused.code == 503);
  CHECK(refused.message.find(alone.folder.path() + "/raft") != std::string::npos);
  CHECK(store->health() == Health::full);
  const int64_t revision = store->revision();
  CHECK(store->commit(put("/a/no", "x")).status().code == 503);
  CHECK(store->get("/a/no") == nullptr);
  CHECK(store->get("/a/0") != nullptr);

  faults::set_full(false);
  const auto look = [&] {
    std::promise<Result<void>> seen;
    store->sync([&](Result<void> result) { seen.set_value(std::move(result)); });
    must(seen.get_future().get());
  };
  while (store->health() == Health::full) look();
  CHECK(store->health() == Health::good);
  CHECK(must(store->commit(put("/a/yes", large))).revision == revision + 1);
  close_in_time(std::move(store));
  store = *alone.open();
  CHECK(store->get("/a/yes") != nullptr);
  CHECK(store->get("/a/no") == nullptr);
  close_in_time(std::move(store));
  faults::unwatch();
}

TEST_CASE("a quota that is used up at a COMMIT is a full disk") {
  TestFolder folder;
  auto store = open_store(folder);
  must(store->commit(put("/a/0")));
  faults::watch(folder.path(), "/orch.db-wal");
  faults::arm(Fault::quota, 1);
  const Status full = store->commit(put("/a/no")).status();
  CHECK(full.message.find("no space left") != std::string::npos);
  CHECK(store->health() == Health::full);
  must(store->commit(put("/a/yes")));
  CHECK(store->health() == Health::good);
  faults::unwatch();
}

TEST_CASE("a log of large objects is cut by its bytes") {
  namespace fs = std::filesystem;
  Alone alone;
  auto store = *alone.open();
  uintmax_t most = 0;
  for (int i = 0; i < 200; ++i) {
    must(store->commit(put("/a/" + std::to_string(i % 3), std::string(1u << 20, 'x'))));
    uintmax_t bytes = 0;
    std::error_code gone;
    for (const auto& file : fs::directory_iterator(alone.folder.path() + "/raft")) {
      const uintmax_t size = file.file_size(gone);
      if (!gone) bytes += size;
    }
    most = std::max(most, bytes);
  }
  CHECK(most < 140u << 20);
  close_in_time(std::move(store));
}

}  // namespace
}  // namespace orch::store
