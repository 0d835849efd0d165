// Leading: work runs on the leader only, begins when the leader knows all, and ends with the term.
#include "server/apiserver/leading.h"

#include <catch2/catch_test_macros.hpp>

#include "store/store_fixture.h"

namespace orch::apiserver {
namespace {

// What a work says of itself, in order.
class Notes {
 public:
  void add(const std::string& note) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(note);
    changed_.notify_all();
  }
  std::vector<std::string> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return notes_.size() >= count; });
    return notes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
};

class Noted : public Leading::Work {
 public:
  Noted(Notes& notes, std::string name) : notes_(notes), name_(std::move(name)) {
    notes_.add("begin " + name_);
  }
  ~Noted() override { notes_.add("end " + name_); }

 private:
  Notes& notes_;
  const std::string name_;
};

struct Election {
  Election() {
    store::Options options;
    options.directory = folder.path();
    store = store::StoreInside::open(options, store::tag_by_key);
  }
  store::InlineLog& log() { return store::StoreInside::log(*store); }
  void add(Leading& leading, const std::string& name) {
    leading.add([this, name](uint64_t term) {
      return std::make_unique<Noted>(notes, name + std::to_string(term));
    });
  }

  store::TestFolder folder;
  std::unique_ptr<store::Store> store;
  Notes notes;
};

using Texts = std::vector<std::string>;

TEST_CASE("work begins and ends with the terms of this server", "[leading]") {
  Election election;
  {
    Leading leading(*election.store);
    election.add(leading, "a");
    election.add(leading, "b");
    leading.start();
    election.log().lead(7);
    CHECK(election.notes.wait_for(2) == Texts{"begin a7", "begin b7"});
    CHECK(leading.term() == 7);
    election.log().follow(2, 8);
    CHECK(election.notes.wait_for(4)[3] == "end a7");
    CHECK_FALSE(leading.term());
    election.log().lead(9);
    CHECK(election.notes.wait_for(6)[5] == "begin b9");
    // A term of its own follows another one: the work is made anew.
    election.log().lead(10);
    CHECK(election.notes.wait_for(10) == Texts{"begin a7", "begin b7", "end b7", "end a7",
                                               "begin a9", "begin b9", "end b9", "end a9",
                                               "begin a10", "begin b10"});
    election.add(leading, "late");
    CHECK(election.notes.wait_for(11)[10] == "begin late10");
  }
  CHECK(election.notes.wait_for(14) == Texts{"begin a7", "begin b7", "end b7", "end a7", "begin a9",
                                             "begin b9", "end b9", "end a9", "begin a10",
                                             "begin b10", "begin late10", "end late10", "end b10",
                                             "end a10"});
}

TEST_CASE("a new leader works on nothing before it has seen all that was written", "[leading]") {
  Election election;
  Leading leading(*election.store);
  election.log().on_sync = [&] {
    must(election.store->commit(store::put("/by/the/last/leader")));
    election.notes.add("caught up");
  };
  election.add(leading, "a");
  leading.start();
  election.log().lead(3);
  CHECK(election.notes.wait_for(2) == Texts{"caught up", "begin a3"});
}

TEST_CASE("a leader for a moment only begins nothing", "[leading]") {
  Election election;
  Leading leading(*election.store);
  election.add(leading, "a");
  election.log().on_sync = [&] { election.log().follow(2, 5); };
  leading.start();
  election.log().lead(4);
  election.log().wait_for_sync();
  election.log().lead(6);
  CHECK(election.notes.wait_for(1) == Texts{"begin a6"});
}

TEST_CASE("a single server leads always", "[leading]") {
  store::TestFolder folder;
  const auto store = store::open_store(folder);
  Notes notes;
  Leading leading(*store);
  leading.add([&](uint64_t term) { return std::make_unique<Noted>(notes, std::to_string(term)); });
  leading.start();
  CHECK(notes.wait_for(1) == Texts{"begin 0"});
  leading.stop();
  CHECK(notes.wait_for(2) == Texts{"begin 0", "end 0"});
  leading.stop();
}

}  // namespace
}  // namespace orch::apiserver
