// The store's contract for watchers: which events they are told, once and in order, and when it
// ends.
#include <catch2/catch_test_macros.hpp>

#include "store/store.h"
#include "store/store_fixture.h"

namespace orch::store {
namespace {

TEST_CASE("the history is bounded, and what it forgot is Expired") {
  TestFolder folder;
  Options options;
  options.directory = folder.path();
  options.history_events = 3;
  auto store = open_store(options);
  for (int i = 0; i < 5; ++i) must(store->commit(put("/a/1")));  // Revisions 2..6, floor 3.
  Told told;
  const Status old = store->watch("/a/", 2, told.sink()).status();
  REQUIRE(old.gone());
  REQUIRE(old.message == "too old resource version: 2 (3)");
  REQUIRE(store->range({.prefix = "/a/", .at_revision = 2}).status().gone());
  REQUIRE(store->range({.prefix = "/a/", .at_revision = 3})->records.at(0)->revision == 3);
  const auto watch = store->watch("/a/", 3, told.sink());
  REQUIRE(watch.ok());
  REQUIRE(told.wait_for(3).front().revision == 4);
}

TEST_CASE("a watch tells the missed and the coming events once, in order, and no others") {
  TestFolder folder;
  auto store = open_store(folder);
  must(store->commit(put("/a/1", "one")));
  must(store->commit(put("/b/1")));
  must(store->commit(put("/a/1", "two")));
  Told all, folder_a, one_key, future;
  const auto w1 = store->watch("", 1, all.sink());
  const auto w2 = store->watch("/a/", 2, folder_a.sink());
  const auto w3 = store->watch("/a/1", 4, one_key.sink());
  const auto w4 = store->watch("/a/", 6, future.sink());
  must(store->commit(put("/a/10", "three")));  // 5
  must(store->commit(remove("/a/1")));         // 6
  must(store->commit(put("/a/1", "back")));    // 7

  std::vector<int64_t> revisions;
  for (const Event& event : all.wait_for(6)) revisions.push_back(event.revision);
  REQUIRE(revisions == std::vector<int64_t>{2, 3, 4, 5, 6, 7});
  const auto a = folder_a.wait_for(4);
  REQUIRE(a[0].revision == 4);
  REQUIRE(a[0].previous->revision == 2);
  REQUIRE(a[1].previous == nullptr);
  REQUIRE(a[2].type == EventType::remove);
  REQUIRE(a[2].record->bytes.find(R"("resourceVersion":"6")") != std::string_view::npos);
  REQUIRE(a[2].previous->revision == 4);
  const auto one = one_key.wait_for(2);
  REQUIRE(one[0].revision == 6);
  REQUIRE(one[1].revision == 7);
  REQUIRE(future.wait_for(1)[0].revision == 7);
  REQUIRE(folder_a.count() == 4);
  REQUIRE(one_key.count() == 2);
}

TEST_CASE("a quiet watch still knows how far it is") {
  TestFolder folder;
  auto store = open_store(folder);
  Told quiet, busy;
  const auto quiet_watch = *store->watch("/quiet/", 1, quiet.sink());
  const auto busy_watch = *store->watch("/a/", 1, busy.sink());
  must(store->commit(put("/a/1")));
  must(store->commit(put("/a/2")));
  busy.wait_for(2);
  must(store->commit(put("/a/3")));  // Its turn comes after the one before has ended.
  busy.wait_for(3);
  REQUIRE(quiet_watch->delivered_revision() >= 3);
  REQUIRE(quiet.count() == 0);
}

TEST_CASE("a watch can end itself in its sink, and is silent after its end") {
  TestFolder folder;
  auto store = open_store(folder);
  std::unique_ptr<Watch> self;
  int calls = 0;
  self = *store->watch("/a/", 1, [&](std::span<const Event>) {
    ++calls;
    self.reset();
  });
  Told after;
  const auto other = store->watch("/a/", 1, after.sink());
  must(store->commit(put("/a/1")));
  must(store->commit(put("/a/2")));
  after.wait_for(2);
  REQUIRE(calls == 1);

  Told ended;
  auto watch = *store->watch("/a/", 3, ended.sink());
  watch.reset();
  must(store->commit(put("/a/3")));
  after.wait_for(3);
  REQUIRE(ended.count() == 0);
}

TEST_CASE("a watch may outlive its store") {
  TestFolder folder;
  auto store = open_store(folder);
  Told told;
  const auto watch = *store->watch("/a/", 1, told.sink());
  store.reset();
  REQUIRE(watch->delivered_revision() == 1);
}

}  // namespace
}  // namespace orch::store
