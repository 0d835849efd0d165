// The store's contract for writers and readers, by real use on a real folder: what writes promise,
// what readers see, what is there again after a restart.
#include "store/store.h"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "store/snapshot.h"
#include "store/store_fixture.h"
#include "store/table.h"

namespace orch::store {
namespace {

std::vector<std::string> keys_of(const Range& range) {
  std::vector<std::string> keys;
  for (const RecordPtr& record : range.records) keys.emplace_back(record->key);
  return keys;
}

using Keys = std::vector<std::string>;

TEST_CASE("a write is born with a revision in its bytes, and is read back") {
  TestFolder folder;
  auto store = open_store(folder);
  REQUIRE(store->revision() == 1);
  REQUIRE(store->get("/pods/default/web") == nullptr);

  const Committed first = must(store->commit(put("/pods/default/web", "one", 0)));
  REQUIRE(first.revision == 2);
  REQUIRE(first.previous == nullptr);
  const RecordPtr read = store->get("/pods/default/web");
  REQUIRE(read == first.record);
  REQUIRE(read->bytes == R"({"metadata":{"resourceVersion":"2"},"data":"one"})");
  REQUIRE(read->bytes.substr(read->revision_at, read->revision_len) == "2");
  REQUIRE(read->create_revision == 2);

  const Committed second = must(store->commit(put("/pods/default/web", "two", 2)));
  REQUIRE(second.revision == 3);
  REQUIRE(second.previous == read);
  REQUIRE(second.record->create_revision == 2);
  REQUIRE(store->revision() == 3);

  const Committed gone = must(store->commit(remove("/pods/default/web", 3)));
  REQUIRE(gone.revision == 4);
  REQUIRE(gone.record->bytes == R"({"metadata":{"resourceVersion":"4"},"data":"two"})");
  REQUIRE(gone.previous == second.record);
  REQUIRE(store->get("/pods/default/web") == nullptr);
}

TEST_CASE("a lost race says how it was lost, and takes no revision") {
  TestFolder folder;
  auto store = open_store(folder);
  must(store->commit(put("/a/1")));
  REQUIRE(store->commit(put("/a/1", "x", 0)).status().already_exists());
  REQUIRE(store->commit(put("/a/1", "x", 1)).status().conflict());
  REQUIRE(store->commit(put("/a/2", "x", 2)).status().not_found());
  REQUIRE(store->commit(remove("/a/2")).status().not_found());
  REQUIRE(store->commit(remove("/a/1", 7)).status().conflict());
  REQUIRE(store->revision() == 2);
}

TEST_CASE("what can't be a write is refused at once") {
  TestFolder folder;
  auto store = open_store(folder);
  REQUIRE(store->commit(put("no-slash")).status().code == 400);
  REQUIRE(store->commit(put("/a/")).status().code == 400);
  REQUIRE(store->commit(put("/" + std::string(kMaxKeyBytes, 'k'))).status().code == 400);
  REQUIRE(store->commit(put("/a/1", std::string(kMaxRecordBytes, 'b'))).status().code == 413);
  Write outside = put("/a/1");
  outside.revision_at = 1'000'000;
  REQUIRE(store->commit(outside).status().code == 400);
}

TEST_CASE("tags are kept beside the bytes") {
  TestFolder folder;
  auto store = open_store(folder);
  Write write = put("/pods/default/web");
  write.tags = {.uid = "u-1",
                .labels = {{"app", "web"}, {"long", std::string(300, 'v')}, {"tier", ""}},
                .fields = {{"spec.nodeName", "node-1"}},
                .owners = {"u-0", "u-9"}};
  const PackedTags& tags = must(store->commit(write)).record->tags;
  REQUIRE(tags.uid() == "u-1");
  REQUIRE(tags.label("app") == "web");
  REQUIRE(tags.label("long")->size() == 300);
  REQUIRE(tags.label("tier") == "");
  REQUIRE(tags.label("ap") == std::nullopt);
  REQUIRE(tags.label("spec.nodeName") == std::nullopt);
  REQUIRE(tags.field("spec.nodeName") == "node-1");
  REQUIRE(tags.owned_by("u-9"));
  REQUIRE_FALSE(tags.owned_by("u-1"));
  REQUIRE(tags.labels().size() == 3);
  REQUIRE(tags.owners() == std::vector<std::string_view>{"u-0", "u-9"});
}

TEST_CASE("ranges: prefixes, pages, and what remains") {
  TestFolder folder;
  auto store = open_store(folder);
  for (const char* key :
       {"/pods/b/1", "/pods/a/2", "/pods/a/1", "/pod/x", "/podsy/z", "/pods/a/10"}) {
    must(store->commit(put(key)));
  }
  REQUIRE(keys_of(*store->range({.prefix = "/pods/"})) ==
          Keys{"/pods/a/1", "/pods/a/10", "/pods/a/2", "/pods/b/1"});
  REQUIRE(keys_of(*store->range({.prefix = "/pods/a/1"})) == Keys{"/pods/a/1"});
  REQUIRE(keys_of(*store->range({.prefix = "/none/"})).empty());
  REQUIRE(store->count("") == 6);
  REQUIRE(store->count("/pods/") == 4);
  REQUIRE(store->count("/pods/a/") == 3);
  REQUIRE(store->count("/pods/a/1") == 1);

  const Range page = *store->range({.prefix = "/pods/", .limit = 3});
  REQUIRE(keys_of(page) == Keys{"/pods/a/1", "/pods/a/10", "/pods/a/2"});
  REQUIRE(page.more);
  REQUIRE(page.remaining == 1);
  REQUIRE(page.revision == 7);
  const Range rest = *store->range({.prefix = "/pods/", .start_after = "/pods/a/2", .limit = 3});
  REQUIRE(keys_of(rest) == Keys{"/pods/b/1"});
  REQUIRE_FALSE(rest.more);
  REQUIRE(rest.remaining == 0);
}

TEST_CASE("a filter's limit counts what it keeps, now and then") {
  TestFolder folder;
  auto store = open_store(folder);
  for (int i = 0; i < 6; ++i) must(store->commit(put("/a/" + std::to_string(i))));
  const auto is_even = [](const Record& record) { return (record.key.back() - '0') % 2 == 0; };
  const auto page = [&](std::string_view after, size_t limit, int64_t revision) {
    return *store->range({"/a/", after, limit, revision, is_even});
  };
  for (const int64_t revision : {int64_t{0}, store->revision()}) {
    const Range first = page("", 2, revision);
    REQUIRE(keys_of(first) == Keys{"/a/0", "/a/2"});
    REQUIRE(first.more);
    REQUIRE(first.remaining == 0);
    const Range last = page("/a/2", 2, revision);
    REQUIRE(keys_of(last) == Keys{"/a/4"});
    REQUIRE_FALSE(last.more);
    REQUIRE_FALSE(page("", 3, revision).more);  // What comes after is dropped.
    if (revision == 0) must(store->commit(put("/b/1")));
  }
  const int64_t then = store->revision();
  must(store->commit(remove("/a/4")));
  must(store->commit(put("/a/6")));
  REQUIRE(keys_of(page("", 0, then)) == Keys{"/a/0", "/a/2", "/a/4"});
  REQUIRE(page("", 2, then).more);
  REQUIRE(keys_of(page("", 0, 0)) == Keys{"/a/0", "/a/2", "/a/6"});
}

TEST_CASE("an older state is read page by page while the world moves on") {
  TestFolder folder;
  auto store = open_store(folder);
  for (int i = 0; i < 6; ++i) must(store->commit(put("/a/" + std::to_string(i), "old")));
  const Range first = *store->range({.prefix = "/a/", .limit = 2});
  REQUIRE(first.revision == 7);
  REQUIRE(first.remaining == 4);

  must(store->commit(remove("/a/3")));
  must(store->commit(put("/a/2", "new")));
  must(store->commit(put("/a/25", "new")));
  must(store->commit(put("/a/9", "new")));
  must(store->commit(put("/a/3", "again")));
  must(store->commit(remove("/a/5")));

  const Range second = *store->range(
      {.prefix = "/a/", .start_after = "/a/1", .limit = 2, .at_revision = first.revision});
  REQUIRE(keys_of(second) == Keys{"/a/2", "/a/3"});
  REQUIRE(second.records[0]->bytes.find("old") != std::string_view::npos);
  REQUIRE(second.records[1]->bytes.find("old") != std::string_view::npos);
  REQUIRE(second.remaining == 2);
  REQUIRE(second.revision == 7);
  const Range third =
      *store->range({.prefix = "/a/", .start_after = "/a/3", .at_revision = first.revision});
  REQUIRE(keys_of(third) == Keys{"/a/4", "/a/5"});
  REQUIRE_FALSE(third.more);

  const Status future = store->range({.prefix = "/a/", .at_revision = 99}).status();
  REQUIRE(future.code == 504);
  REQUIRE(future.details.causes.at(0).reason == "ResourceVersionTooLarge");
}

TEST_CASE("everything is there again after a restart, and revisions go on") {
  TestFolder folder;
  {
    auto store = open_store(folder);
    must(store->commit(put("/a/1", "one")));
    must(store->commit(put("/a/2", "two")));
    must(store->commit(put("/a/1", "three")));
    must(store->commit(remove("/a/2")));  // 5: no row holds it.
  }
  auto store = open_store(folder);
  REQUIRE(store->revision() == 5);
  REQUIRE(store->count("") == 1);
  const RecordPtr record = store->get("/a/1");
  REQUIRE(record->bytes == R"({"metadata":{"resourceVersion":"4"},"data":"three"})");
  REQUIRE(record->create_revision == 2);
  REQUIRE(record->tags.uid() == "uid of /a/1");
  REQUIRE(must(store->commit(put("/a/2", "x", 0))).revision == 6);
  Told told;
  REQUIRE(store->watch("", 4, told.sink()).status().gone());
  REQUIRE(store->watch("", 5, told.sink()).ok());
}

TEST_CASE("relaxed writes are visible at once and on disk after a clean close") {
  TestFolder folder;
  {
    auto store = open_store(folder);
    must(store->commit(relaxed(put("/lease/a", "one"))));
    must(store->commit(relaxed(put("/lease/a", "two", 2))));
    must(store->commit(relaxed(put("/lease/b"))));
    must(store->commit(relaxed(remove("/lease/b"))));
    must(store->commit(put("/pods/1")));
    must(store->commit(relaxed(put("/pods/1", "later"))));
    REQUIRE(store->get("/lease/a")->revision == 3);
  }
  auto store = open_store(folder);
  REQUIRE(store->revision() == 7);  // No gap after a clean close.
  REQUIRE(store->count("") == 2);
  REQUIRE(store->get("/lease/a")->revision == 3);
  REQUIRE(store->get("/pods/1")->revision == 7);
}

TEST_CASE("a closed store refuses writes and goes on reading") {
  TestFolder folder;
  auto store = open_store(folder);
  must(store->commit(put("/a/1")));
  store->close();
  store->close();
  REQUIRE(store->commit(put("/a/2")).status().code == 503);
  REQUIRE(store->get("/a/1") != nullptr);
  REQUIRE(store->range({.prefix = ""})->records.size() == 1);
}

TEST_CASE("one process at a time") {
  TestFolder folder;
  auto store = open_store(folder);
  Options options;
  options.directory = folder.path();
  const auto second = Store::open(options, tag_by_key);
  REQUIRE_FALSE(second.ok());
  REQUIRE(second.status().message.find(folder.path()) != std::string::npos);
  store.reset();
  REQUIRE(Store::open(options, tag_by_key).ok());
}

TEST_CASE("a snapshot is a store of its own") {
  TestFolder folder, other;
  auto store = open_store(folder);
  must(store->commit(put("/a/1", "one")));
  must(store->commit(remove("/a/1")));
  must(store->commit(put("/a/2", "two")));
  const std::string copy = other.path() + "/orch.db";
  const Result<void> made = store->snapshot(copy);
  if (!made) FAIL(made.status().message);
  REQUIRE(std::filesystem::status(copy).permissions() == std::filesystem::perms(0600));
  REQUIRE(store->snapshot(copy).status().already_exists());
  REQUIRE(store->snapshot(other.path() + "/none/orch.db").status().code >= 500);
  must(store->commit(put("/a/3", "later")));
  auto restored = open_store(other);
  REQUIRE(restored->revision() == 4);
  REQUIRE(restored->count("") == 1);
  REQUIRE(restored->get("/a/2")->bytes == store->get("/a/2")->bytes);
}

TEST_CASE("a store never opens below a revision that was raised") {
  TestFolder folder;
  open_store(folder)->close();
  const std::string path = database_path(folder.path());
  REQUIRE(raise_revision(path, 5000).ok());
  REQUIRE(raise_revision(path, 10).ok());  // Never lowers.
  REQUIRE(*latest_revision(path) == 5000);
  auto store = open_store(folder);
  REQUIRE(must(store->commit(put("/a/1"))).revision == 5001);
  REQUIRE(store->watch("/a/", 4999, [](auto) {}).status().gone());
}

TEST_CASE("the WAL stays short under load") {
  TestFolder folder;
  Options options;
  options.directory = folder.path();
  options.checkpoint_bytes = 256u << 10;
  options.max_wal_bytes = 2u << 20;
  auto store = open_store(options);
  std::mutex mutex;
  std::condition_variable changed;
  int under_way = 0;
  uintmax_t longest = 0;
  for (int i = 0; i < 4000; ++i) {  // About 6,000 pages, 16 writes at a time.
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return under_way < 16; });
    ++under_way;
    store->commit(put("/a/" + std::to_string(i % 500), std::string(3000, 'w')), [&](auto result) {
      ORCH_CHECK(result.ok());
      const std::lock_guard answered(mutex);
      --under_way;
      changed.notify_one();
    });
    longest = std::max(longest, std::filesystem::file_size(folder.path() + "/orch.db-wal"));
  }
  store->close();
  // What is written during the passes before comes on top.
  REQUIRE(longest > options.checkpoint_bytes);
  REQUIRE(longest < 3 * options.max_wal_bytes);
}

TEST_CASE("a full queue refuses at once") {
  TestFolder folder;
  Options options;
  options.directory = folder.path();
  options.queue_writes = 2;
  auto store = open_store(options);
  std::mutex mutex;
  std::condition_variable changed;
  bool held = false, released = false;
  int answers = 0;
  const auto signal = [&](bool* what) {
    const std::lock_guard lock(mutex);
    *what = true;
    changed.notify_all();
  };
  // The first answer holds the thread of answers, so that the queue fills. (Only a test may.)
  store->commit(put("/a/0"), [&](Result<Committed>) {
    signal(&held);
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return released; });
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return held; });
  }
  const auto count = [&](Result<Committed> result) {
    REQUIRE(result.ok());
    const std::lock_guard lock(mutex);
    ++answers;
  };
  // Two wait in the queue, and as many may have been applied meanwhile.
  int refused = 0;
  for (int i = 1; i <= 5; ++i) {
    store->commit(put("/a/" + std::to_string(i)), [&](Result<Committed> result) {
      if (result.ok()) return count(std::move(result));
      REQUIRE(result.status().code == 429);
      ++refused;
    });
  }
  REQUIRE(refused >= 1);
  signal(&released);
  store->close();
  REQUIRE(answers == 5 - refused);
}

}  // namespace
}  // namespace orch::store
