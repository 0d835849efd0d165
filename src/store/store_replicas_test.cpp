// What the rooms above count on when a store is one of several: who follows hears everything first,
// a state that was taken whole is told as differences, and what only one may have is given once.
#include <catch2/catch_test_macros.hpp>
#include <future>
#include <map>

#include "store/claims.h"
#include "store/store.h"
#include "store/store_fixture.h"

namespace orch::store {
namespace {

RecordPtr record_at(const std::string& key, int64_t revision, Tags tags = {}) {
  return Record::make({.key = key,
                       .bytes = body(std::to_string(revision)),
                       .revision_at = kHead.size(),
                       .create_revision = revision,
                       .revision = revision,
                       .row = revision},
                      tags);
}

// "put /a/1 5 (was 3)", "remove /a/2 9 (was 4)".
std::string text_of(const Event& event) {
  std::string text = event.type == EventType::put ? "put " : "remove ";
  text += std::string(event.record->key) + " " + std::to_string(event.revision);
  if (event.previous) text += " (was " + std::to_string(event.previous->revision) + ")";
  return text;
}

std::vector<std::string> texts_of(std::span<const Event> events) {
  std::vector<std::string> all;
  for (const Event& event : events) all.push_back(text_of(event));
  return all;
}

using Texts = std::vector<std::string>;

TEST_CASE("who follows the store hears what stands, then each change before its caller does") {
  TestFolder folder;
  must(open_store(folder)->commit(put("/a/1")));
  std::vector<std::string> heard;
  Options options;
  options.directory = folder.path();
  options.follow = [&](std::span<const Event> events) {
    for (const Event& event : events) heard.push_back(text_of(event));
  };
  auto store = open_store(options);
  const int64_t first = store->revision();
  REQUIRE(heard == Texts{"put /a/1 " + std::to_string(first)});
  const int64_t second = must(store->commit(put("/a/1"))).revision;
  REQUIRE(heard.back() ==
          "put /a/1 " + std::to_string(second) + " (was " + std::to_string(first) + ")");
  const int64_t third = must(store->commit(remove("/a/1"))).revision;
  REQUIRE(heard.back() ==
          "remove /a/1 " + std::to_string(third) + " (was " + std::to_string(second) + ")");
  REQUIRE_FALSE(store->commit(remove("/a/1")).ok());
  REQUIRE(heard.size() == 3);
}

TEST_CASE("a state that was taken is told as differences, or ends the watch") {
  TestFolder folder;
  std::vector<std::string> heard;
  Options options;
  options.directory = folder.path();
  options.follow = [&](std::span<const Event> events) { heard = texts_of(events); };
  auto store = StoreInside::open(options, tag_by_key);
  const RecordPtr kept = must(store->commit(put("/a/1"))).record;  // 2
  must(store->commit(put("/a/2")));                                // 3
  must(store->commit(put("/a/3")));                                // 4
  must(store->commit(put("/b/1")));                                // 5
  Told ends, differs, elsewhere;
  const auto w1 = store->watch("/a/", 5, ends.sink());
  const auto w2 = store->watch("/a/", 5, differs.sink(), WhenReplaced::tell_differences);
  const auto w3 = store->watch("/c/", 5, elsewhere.sink(), WhenReplaced::tell_differences);

  replace_state(*store, {kept, record_at("/a/2", 8), record_at("/a/4", 7), record_at("/b/1", 9)},
                12);
  ends.wait_for_end();
  REQUIRE(ends.count() == 0);
  const Texts differences{"put /a/4 7", "put /a/2 8 (was 3)", "remove /a/3 12 (was 4)"};
  REQUIRE(texts_of(differs.wait_for(3)) == differences);
  REQUIRE(heard == Texts{"put /a/4 7", "put /a/2 8 (was 3)", "put /b/1 9 (was 5)",
                         "remove /a/3 12 (was 4)"});
  REQUIRE(store->revision() == 12);

  // It goes on; who was ended hears no more.
  must(store->commit(put("/c/1")));
  REQUIRE(texts_of(elsewhere.wait_for(1)) == Texts{"put /c/1 13"});
  must(store->commit(put("/a/1")));
  REQUIRE(text_of(differs.wait_for(4).back()) == "put /a/1 14 (was 2)");
  REQUIRE(ends.count() == 0);
}

TEST_CASE("after a state that was older, watches hear its new events, and say how far they are") {
  TestFolder folder;
  Options options;
  options.directory = folder.path();
  auto store = StoreInside::open(options, tag_by_key);
  for (int i = 0; i < 20; ++i) must(store->commit(put("/a/1")));  // 2..21
  Told loop, all;
  const auto w1 = store->watch("/a/", 21, loop.sink(), WhenReplaced::tell_differences);
  must(store->commit(put("/a/1")));
  loop.wait_for(1);
  replace_state(*store, {record_at("/a/1", 3)}, 5);
  REQUIRE(text_of(loop.wait_for(2).back()) == "put /a/1 3 (was 22)");
  const auto w2 = store->watch("", store->revision(), all.sink());
  REQUIRE((*w2)->delivered_revision() == 5);
  REQUIRE((*w1)->delivered_revision() == 5);
  must(store->commit(put("/a/1")));
  all.wait_for(1);  // Whoever else is told has been, by the turn's end;
  must(store->commit(put("/a/1")));
  all.wait_for(2);  // it ended.
  REQUIRE(texts_of(loop.wait_for(4)) == Texts{"put /a/1 22 (was 21)", "put /a/1 3 (was 22)",
                                              "put /a/1 6 (was 3)", "put /a/1 7 (was 6)"});
  REQUIRE((*w2)->delivered_revision() <= 7);
}

TEST_CASE("a watcher has heard all of the old state before it hears the differences") {
  TestFolder folder;
  Options options;
  options.directory = folder.path();
  auto store = StoreInside::open(options, tag_by_key);
  Told told;
  const auto watch =
      store->watch("", store->revision(), told.sink(), WhenReplaced::tell_differences);
  std::map<std::string, int64_t> known;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i) {
      store->commit(put("/a/" + std::to_string(i)), [](const Result<Committed>&) {});
      store->commit(remove("/a/" + std::to_string(i / 2)), [](const Result<Committed>&) {});
    }
    const int64_t revision = store->revision() + 1000;
    replace_state(*store, {record_at("/a/7", revision)}, revision);
  }
  must(store->commit(put("/end")));
  std::vector<Event> events;
  do {
    events = told.wait_for(events.size() + 1);
  } while (events.back().record->key != "/end");
  for (const Event& event : events) {
    const std::string key(event.record->key);
    REQUIRE((event.previous ? event.previous->revision : 0) == known[key]);
    known[key] = event.type == EventType::put ? event.revision : 0;
  }
  std::erase_if(known, [](const auto& each) { return each.second == 0; });
  REQUIRE(known.size() == 2);
}

Write claiming(std::string key, std::vector<std::string> claims) {
  Write write = put(std::move(key));
  write.tags.claims = std::move(claims);
  return write;
}

TEST_CASE("what one record claims no other gets, until it lets go") {
  TestFolder folder;
  auto store = open_store(folder);
  must(store->commit(claiming("/a/1", {"port 1", "port 2"})));
  const Status lost = store->commit(claiming("/a/2", {"port 3", "port 2"})).status();
  REQUIRE(lost.conflict());
  REQUIRE(is_claim_held(lost));
  REQUIRE(store->get("/a/2") == nullptr);
  must(store->commit(claiming("/a/2", {"port 3"})));
  must(store->commit(claiming("/a/1", {"port 2", "port 4"})));  // Its own is no obstacle.
  must(store->commit(claiming("/a/3", {"port 1"})));
  must(store->commit(remove("/a/1")));
  must(store->commit(claiming("/a/4", {"port 2", "port 4"})));
  REQUIRE_FALSE(is_claim_held(store->commit(put("/a/4", "x", 1)).status()));
}

TEST_CASE("writes of one batch that claim the same: the first gets it") {
  TestFolder folder;
  auto store = open_store(folder);
  std::promise<void> all;
  std::vector<bool> won;
  const auto note = [&](const Result<Committed>& result) {
    won.push_back(result.ok());
    if (won.size() == 4) all.set_value();
  };
  // The first one's callback runs on the writer's thread: meanwhile the rest queue up as one batch.
  std::promise<void> go;
  store->commit(put("/x"), [&](const Result<Committed>&) { go.get_future().wait(); });
  store->commit(claiming("/a/1", {"ip"}), note);
  store->commit(claiming("/a/2", {"ip"}), note);
  store->commit(remove("/a/1"), note);
  store->commit(claiming("/a/3", {"ip"}), note);
  go.set_value();
  all.get_future().wait();
  REQUIRE(won == std::vector<bool>{true, false, true, true});
  REQUIRE(is_claim_held(store->commit(claiming("/a/4", {"ip"})).status()));
}

TEST_CASE("claims stand after a restart, and go with the state that is replaced") {
  TestFolder folder;
  Options options;
  options.directory = folder.path();
  const auto tagger = [](std::string_view key, std::string_view) {
    Tags tags;
    tags.claims = {"of " + std::string(key)};
    return tags;
  };
  must((*Store::open(options, tagger))->commit(claiming("/a/1", {"of /a/1"})));
  const auto store = StoreInside::open(options, tagger);
  REQUIRE(is_claim_held(store->commit(claiming("/a/2", {"of /a/1"})).status()));
  Tags theirs;
  theirs.claims = {"other"};
  replace_state(*store, {record_at("/a/9", 50, theirs)}, 50);
  REQUIRE(is_claim_held(store->commit(claiming("/a/2", {"other"})).status()));
  must(store->commit(claiming("/a/2", {"of /a/1"})));
}

TEST_CASE("a write that counted is refused once there is more than it counted") {
  TestFolder folder;
  auto store = open_store(folder);
  must(store->commit(put("/pods/x/1")));
  const auto counting = [&](const std::string& key, int64_t revision) {
    Write write = put(key);
    write.counted = {"/pods/x/", revision};
    return write;
  };
  const int64_t then = store->revision();
  must(store->commit(put("/pods/x/1")));  // What was there may change,
  must(store->commit(put("/pods/y/1")));  // and what is elsewhere doesn't count.
  must(store->commit(counting("/pods/x/2", then)));
  REQUIRE(store->commit(counting("/pods/x/3", then)).status().conflict());
  must(store->commit(counting("/pods/x/3", store->revision())));
}

}  // namespace
}  // namespace orch::store
