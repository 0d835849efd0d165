// What the replicated log and its copies of the state are made of, as bytes: there and back, and
// against every kind of damage.
#include "store/entry.h"

#include <catch2/catch_test_macros.hpp>

#include "store/state_copy.h"
#include "store/store_fixture.h"

namespace orch::store {
namespace {

std::string join(const StateCopy& copy) {
  std::string all;
  for (const std::string_view piece : copy.pieces()) all += piece;
  return all;
}

std::vector<RecordPtr> some_records() {
  std::vector<RecordPtr> records;
  for (int i = 1; i < 40; ++i) {
    const std::string key = "/a/" + std::to_string(100 + i);
    records.push_back(Record::make({.key = key,
                                    .bytes = body(std::string(static_cast<size_t>(i), 'x')),
                                    .revision_at = kHead.size(),
                                    .create_revision = i,
                                    .revision = 1000 + i,
                                    .row = i},
                                   tag_by_key(key, "")));
  }
  return records;
}

TEST_CASE("an entry of the log is read as it was written") {
  const Write first = put("/a/1", "one", 0), second = remove("/a/2", 300);
  Write third = put("/a/3");
  third.counted = {"/a/", 77};
  third.durability = Durability::relaxed;
  const Write* const writes[] = {&first, &second, &third};
  std::string bytes = encode_entry({.server = 7, .boot = 1'700'000'000'000, .number = 3}, writes);
  REQUIRE(bytes.size() % 8 == 0);
  stamp_entry(bytes.data(), 41, 5);

  const Result<Entry> entry = decode_entry(bytes);
  REQUIRE(entry.ok());
  REQUIRE(entry->index == 41);
  REQUIRE(entry->term == 5);
  REQUIRE(entry->origin.server == 7);
  REQUIRE(entry->origin.boot == 1'700'000'000'000);
  REQUIRE(entry->origin.number == 3);
  REQUIRE(entry->writes.size() == 3);
  REQUIRE(entry->writes[0].bytes == first.bytes);
  REQUIRE(entry->writes[0].revision_at == first.revision_at);
  REQUIRE(entry->writes[0].expected_revision == 0);
  REQUIRE(entry->writes[1].key == "/a/2");
  REQUIRE_FALSE(entry->writes[1].bytes.has_value());
  REQUIRE(entry->writes[1].expected_revision == 300);
  REQUIRE_FALSE(entry->writes[2].expected_revision.has_value());
  REQUIRE(entry->writes[2].counted->prefix == "/a/");
  REQUIRE(entry->writes[2].counted->revision == 77);
  REQUIRE_FALSE(entry->writes[1].counted.has_value());
  REQUIRE(entry->writes[1].durability == Durability::durable);
  REQUIRE(entry->writes[2].durability == Durability::relaxed);
}

TEST_CASE("an entry that is cut short is refused") {
  const Write write = put("/a/1", "one", 0);
  const Write* const writes[] = {&write};
  const std::string bytes = encode_entry({1, 1, 1}, writes);
  for (size_t size = 0; size + 8 <= bytes.size(); ++size) {
    CAPTURE(size);
    REQUIRE_FALSE(decode_entry(std::string_view(bytes).substr(0, size)).ok());
  }
}

TEST_CASE("a server's batches count once and in their order") {
  Progress progress;
  using Turn = Progress::Turn;
  REQUIRE(progress.look_at({.server = 1, .boot = 10, .number = 2}) == Turn::early);
  REQUIRE(progress.look_at({.server = 1, .boot = 10, .number = 1}) == Turn::next);
  progress.accept({.server = 1, .boot = 10, .number = 1});
  REQUIRE(progress.look_at({.server = 1, .boot = 10, .number = 1}) == Turn::repeated);
  REQUIRE(progress.look_at({.server = 1, .boot = 10, .number = 3}) == Turn::early);
  REQUIRE(progress.look_at({.server = 1, .boot = 10, .number = 2}) == Turn::next);
  REQUIRE(progress.look_at({.server = 2, .boot = 4, .number = 1}) == Turn::next);
  // A new start counts from 1, and what the old one still had under way comes too late.
  REQUIRE(progress.look_at({.server = 1, .boot = 11, .number = 2}) == Turn::early);
  progress.accept({.server = 1, .boot = 11, .number = 1});
  REQUIRE(progress.look_at({.server = 1, .boot = 10, .number = 2}) == Turn::repeated);

  progress.index = 9;
  progress.term = 2;
  const Result<Progress> again = Progress::decode(progress.encode());
  REQUIRE(again.ok());
  REQUIRE(again->index == 9);
  REQUIRE(again->term == 2);
  REQUIRE(again->last_of(1).boot == 11);
  REQUIRE(again->last_of(2).boot == 0);
}

TEST_CASE("a copy of the state is the state") {
  Progress progress;
  progress.index = 77;
  progress.accept({.server = 3, .boot = 1, .number = 2});
  const std::vector<RecordPtr> records = some_records();
  const std::string bytes = join(StateCopy(records, 2000, progress));
  REQUIRE(bytes.size() % 8 == 0);
  REQUIRE(progress_of(bytes)->index == 77);

  const Result<State> state = read_state(bytes, tag_by_key);
  REQUIRE(state.ok());
  REQUIRE(state->revision == 2000);
  REQUIRE(state->progress.last_of(3).number == 2);
  REQUIRE(state->records.size() == records.size());
  for (size_t i = 0; i < records.size(); ++i) {
    REQUIRE(state->records[i]->key == records[i]->key);
    REQUIRE(state->records[i]->bytes == records[i]->bytes);
    REQUIRE(state->records[i]->row == records[i]->row);
    REQUIRE(state->records[i]->create_revision == records[i]->create_revision);
    REQUIRE(state->records[i]->tags.uid() == records[i]->tags.uid());
  }
  REQUIRE(join(StateCopy(state->records, 2000, state->progress)) == bytes);
  REQUIRE(read_state(join(StateCopy({}, 1, progress)), tag_by_key)->records.empty());
}

TEST_CASE("a flipped bit in a copy of the state is noticed") {
  const std::string bytes = join(StateCopy(some_records(), 2000, Progress()));
  for (size_t at = 0; at < bytes.size(); at += 3) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    CAPTURE(at);
    REQUIRE_FALSE(read_state(flipped, tag_by_key).ok());
  }
  REQUIRE_FALSE(read_state(bytes.substr(0, bytes.size() / 16 * 8), tag_by_key).ok());
}

TEST_CASE("a mark of the table is read again, and a flipped bit in it is noticed") {
  const std::string bytes = encode_mark({.entry = 9000, .on_disk = 8990});
  REQUIRE(bytes.size() % 8 == 0);
  const auto mark = decode_mark(bytes);
  REQUIRE(mark.ok());
  REQUIRE((*mark)->entry == 9000);
  REQUIRE((*mark)->on_disk == 8990);
  // One in its first byte makes it no mark at all.
  for (size_t bit = 8; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    REQUIRE_FALSE(decode_mark(flipped).ok());
  }
  REQUIRE_FALSE(read_state(bytes, tag_by_key).ok());
  REQUIRE_FALSE(decode_mark(join(StateCopy(some_records(), 2000, Progress()))).value().has_value());
}

}  // namespace
}  // namespace orch::store
