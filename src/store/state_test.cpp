// The parts in memory against simple models, with many random operations: the index against a
// std::map, the history's view of the past against copies that were made at the time.
#include <catch2/catch_get_random_seed.hpp>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>

#include "store/history.h"
#include "store/index.h"
#include "store/store_fixture.h"

namespace orch::store {
namespace {

RecordPtr record_of(const std::string& key, int64_t revision) {
  return Record::make({.key = key,
                       .bytes = "value",
                       .revision_at = 0,
                       .create_revision = revision,
                       .revision = revision,
                       .row = 1},
                      {});
}

using Model = std::map<std::string, int64_t>;  // Key → revision.

Model content(const Index& index) {
  Model all;
  std::string last;
  for (auto walk = index.from(""); const RecordPtr* record = walk.peek(); walk.next()) {
    REQUIRE((*record)->key > last);
    last = (*record)->key;
    all[last] = (*record)->revision;
  }
  return all;
}

size_t count_in(const Model& model, const std::string& prefix, const std::string& after) {
  size_t count = 0;
  for (const auto& [key, revision] : model) count += matches_prefix(key, prefix) && key > after;
  return count;
}

TEST_CASE("marks never hide a tag, and hide nearly all others") {
  const auto name = [](int i) { return "name-" + std::to_string(i); };
  int shown = 0;
  for (int i = 0; i < 1000; ++i) {
    const Tags tags{.uid = "u",
                    .labels = {{"app", "web"}, {name(i), "on"}, {"group", name(i)}},
                    .fields = {{"spec.nodeName", name(i)}},
                    .owners = {name(i)}};
    const RecordPtr record = Record::make({.key = "/k", .bytes = "value"}, tags);
    const auto may_hold = [marks = record->tags.marks()](auto add) {
      TagMarks wanted;
      add(wanted);
      return marks.may_hold(wanted);
    };
    CHECK(may_hold([](TagMarks&) {}));
    CHECK(may_hold([&](TagMarks& m) { m.add_label(name(i), "on"); }));
    CHECK(may_hold([&](TagMarks& m) { m.add_label("app", "web"), m.add_owner(name(i)); }));
    CHECK(may_hold([&](TagMarks& m) { m.add_field("spec.nodeName", name(i)); }));
    shown += may_hold([&](TagMarks& m) { m.add_label("group", name(i + 1)); });
  }
  CHECK(shown < 100);
}

TEST_CASE("the index is a sorted map") {
  std::minstd_rand random(Catch::getSeed());
  Index index;
  Model model;
  for (int step = 1; step <= 20'000; ++step) {
    const bool growing = step < 12'000;
    const std::string key =
        "/" + std::to_string(random() % 7) + "/" + std::to_string(random() % 900);
    if (random() % 10 < (growing ? 8 : 2)) {
      index.put(record_of(key, step));
      model[key] = step;
    } else {
      REQUIRE(index.erase(key) == (model.erase(key) == 1));
    }
    REQUIRE(index.size() == model.size());
    const RecordPtr* found = index.find(key);
    REQUIRE((found != nullptr) == model.contains(key));
    if (step % 500 != 0) continue;
    REQUIRE(content(index) == model);
    for (const std::string& prefix : {std::string(), std::string("/3/"), key, std::string("/x/")}) {
      REQUIRE(index.count(prefix) == count_in(model, prefix, ""));
      REQUIRE(index.count(prefix, key) == count_in(model, prefix, key));
      REQUIRE(index.count(prefix, "/2/5") == count_in(model, prefix, "/2/5"));
    }
  }
}

TEST_CASE("the index loads sorted records") {
  std::vector<RecordPtr> records;
  for (int i = 1000; i < 2000; ++i) records.push_back(record_of("/a/" + std::to_string(i), i));
  Index index;
  index.load(records);
  REQUIRE(index.size() == 1000);
  REQUIRE(content(index).size() == 1000);
  REQUIRE((*index.find("/a/1999"))->revision == 1999);
  REQUIRE((*index.after("/a/1500").peek())->key == "/a/1501");
}

TEST_CASE("a prefix is a folder or a key") {
  REQUIRE(matches_prefix("/a/b", ""));
  REQUIRE(matches_prefix("/a/b", "/"));
  REQUIRE(matches_prefix("/a/b", "/a/"));
  REQUIRE(matches_prefix("/a/b", "/a/b"));
  REQUIRE_FALSE(matches_prefix("/a/bc", "/a/b"));
  REQUIRE_FALSE(matches_prefix("/ab/c", "/a/"));
  REQUIRE_FALSE(matches_prefix("/a/b", "/a"));
}

TEST_CASE("the store shows each state of the past as it was") {
  std::minstd_rand random(Catch::getSeed());
  TestFolder folder;
  Options options;
  options.directory = folder.path();
  options.history_events = 60;
  auto store = *Store::open(options, [](auto, auto) { return Tags(); });
  std::map<int64_t, Model> past{{1, {}}};
  Model now;
  for (int step = 0; step < 300; ++step) {
    Write write;
    write.key = "/" + std::to_string(random() % 2) + "/" + std::to_string(random() % 12);
    write.durability = Durability::relaxed;
    if (random() % 3 != 0) write.bytes = "x";
    const auto done = store->commit(write);
    if (!done) continue;
    if (write.bytes) {
      now[write.key] = done->revision;
    } else {
      now.erase(write.key);
    }
    past[done->revision] = now;

    const int64_t then = std::max<int64_t>(1, done->revision - static_cast<int>(random() % 70));
    const std::string prefix = random() % 2 ? "/1/" : "";
    const std::string after = "/1/" + std::to_string(random() % 12);
    const size_t limit = random() % 8;
    const auto range =
        store->range({.prefix = prefix, .start_after = after, .limit = limit, .at_revision = then});
    if (done->revision - then > 60) {
      REQUIRE(range.status().gone());
      continue;
    }
    auto expected = past[then].upper_bound(after);
    for (const RecordPtr& record : range->records) {
      REQUIRE(expected->first == record->key);
      REQUIRE(expected->second == record->revision);
      ++expected;
    }
    REQUIRE(range->remaining == static_cast<size_t>(std::distance(expected, past[then].end())));
    REQUIRE(range->more == (expected != past[then].end()));
    if (limit != 0) REQUIRE(range->records.size() <= limit);
  }
}

}  // namespace
}  // namespace orch::store
