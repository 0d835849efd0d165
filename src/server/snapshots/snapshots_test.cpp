// Snapshots: what is in them, that damage is found, and that a restore goes on above all revisions.
#include "server/snapshots/snapshots.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>

#include "base/files.h"
#include "server/snapshots/schedule.h"
#include "store/store.h"

namespace orch::snapshots {
namespace {

class TestFolder {
 public:
  TestFolder() { REQUIRE(::mkdtemp(path_) != nullptr); }
  ~TestFolder() { CHECK(remove_tree(path_)); }
  std::string path() const { return path_; }

 private:
  char path_[32] = "/tmp/orch-snapshots.XXXXXX";
};

// A data directory as a server has it, with `objects` small objects in its store.
class Cluster {
 public:
  explicit Cluster(int objects) {
    REQUIRE(make_dirs(server() + "/tls", 0700));
    REQUIRE(write_file_atomic(server() + "/tls/ca.key", "the key"));
    REQUIRE(write_file_atomic(server() + "/token", "the token"));
    auto store = open();
    for (int i = 0; i < objects; ++i) {
      store::Write write;
      write.key = "/configmaps/default/m" + std::to_string(i);
      write.bytes = std::string(700, static_cast<char>('a' + i % 26));
      const auto committed = store->commit(write);
      REQUIRE(committed);
      revision = committed->revision;
    }
  }
  std::unique_ptr<store::Store> open() const {
    store::Options options;
    options.directory = server() + "/db";
    auto opened = store::Store::open(options, [](auto, auto) { return store::Tags(); });
    if (!opened) FAIL(opened.status().message);
    return *std::move(opened);
  }
  std::string server() const { return folder_.path() + "/server"; }
  Place place() const { return place_of(folder_.path(), ""); }
  Snapshot saved() const {
    auto snapshot = save(place(), kOnDemandName);
    if (!snapshot) FAIL(snapshot.status().message);
    return *snapshot;
  }

  int64_t revision = 1;

 private:
  TestFolder folder_;
};

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

TEST_CASE("a snapshot restored onto a fresh machine is the same cluster, further on") {
  const Cluster old(50);
  const Snapshot snapshot = old.saved();
  CHECK(mode_of(snapshot.path) == 0600);
  CHECK(mode_of(old.place().dir) == 0700);
  const TestFolder fresh;
  const auto restored = restore(place_of(fresh.path(), ""), snapshot.path);
  if (!restored) FAIL(restored.status().message);
  CHECK(restored->manifest.objects == 50);
  CHECK(restored->set_aside.empty());
  CHECK(restored->revision == old.revision + kRevisionGap);
  CHECK(*read_file(fresh.path() + "/server/tls/ca.key") == "the key");
  CHECK(*read_file(fresh.path() + "/server/token") == "the token");
  CHECK(mode_of(fresh.path() + "/server/tls/ca.key") == 0600);
  store::Options options;
  options.directory = fresh.path() + "/server/db";
  const auto store = *store::Store::open(options, [](auto, auto) { return store::Tags(); });
  CHECK(store->count("") == 50);
  CHECK(store->revision() == restored->revision);
}

TEST_CASE("a restored server is a single one, whichever of several was saved") {
  const Cluster old(1);
  REQUIRE(make_dirs(old.server() + "/member", 0700));
  REQUIRE(write_file_atomic(old.server() + "/member/enrollment.json", "{}"));
  REQUIRE(make_dirs(old.server() + "/db/raft", 0700));
  REQUIRE(write_file_atomic(old.server() + "/db/raft/metadata1", "1"));
  const Snapshot snapshot = old.saved();
  const TestFolder fresh;
  REQUIRE(restore(place_of(fresh.path(), ""), snapshot.path));
  CHECK(file_exists(fresh.path() + "/server/tls/ca.key"));
  CHECK_FALSE(file_exists(fresh.path() + "/server/member"));
  CHECK_FALSE(file_exists(fresh.path() + "/server/db/raft"));
}

TEST_CASE("revision going back after restore: it goes on above the store that was there") {
  Cluster cluster(5);
  const Snapshot snapshot = cluster.saved();
  int64_t last = 0;
  {
    const auto store = cluster.open();
    store::Write write;
    write.key = "/later";
    write.bytes = "x";
    last = store->commit(write)->revision;
    // The server runs.
    const auto refused = restore(cluster.place(), snapshot.file);
    REQUIRE_FALSE(refused);
    CHECK(refused.status().message.find("stop that one first") != std::string::npos);
  }
  const auto restored = restore(cluster.place(), snapshot.file);
  if (!restored) FAIL(restored.status().message);
  CHECK(restored->revision == last + kRevisionGap);
  CHECK(file_exists(restored->set_aside + "/db/orch.db"));
  const auto store = cluster.open();
  CHECK(store->count("") == 5);
  CHECK(store->revision() > last);
  // And again, from the same one.
  const int64_t first = restored->revision;
  store->close();
  CHECK(restore(cluster.place(), snapshot.file)->revision > first);
}

TEST_CASE("two snapshots close together are both whole") {
  const Cluster cluster(20);
  const auto store = cluster.open();  // A server runs beside.
  const Snapshot first = cluster.saved(), second = cluster.saved();
  CHECK(first.path != second.path);
  for (const Snapshot& snapshot : {first, second}) CHECK(check(snapshot.path)->objects == 20);
}

TEST_CASE("a snapshot with one bit changed, or cut off, is refused by name") {
  const Cluster cluster(20);
  const Snapshot snapshot = cluster.saved();
  const std::string sound = *read_file(snapshot.path);
  const auto refused = [&](const std::string& content) {
    REQUIRE(write_file_whole(snapshot.path, content));
    const TestFolder fresh;
    const auto restored = restore(place_of(fresh.path(), ""), snapshot.path);
    return !restored && restored.status().message.find(snapshot.path) != std::string::npos &&
           !file_exists(fresh.path() + "/server");
  };
  for (size_t at = 0; at < sound.size(); at += sound.size() / 97 + 1) {
    INFO("byte " << at << " of " << sound.size());
    std::string changed = sound;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    CHECK(refused(changed));
  }
  for (const size_t length : {size_t{0}, size_t{1}, sound.size() / 2, sound.size() - 1}) {
    INFO("cut to " << length);
    CHECK(refused(sound.substr(0, length)));
  }
  CHECK_FALSE(refused(sound));
}

TEST_CASE("a damaged database is not saved, and the message names the row") {
  const Cluster cluster(30);
  const std::string path = cluster.server() + "/db/orch.db";
  std::string content = *read_file(path);
  content[content.find(std::string(20, 'h'))] = 'H';
  REQUIRE(write_file_whole(path, content));
  const auto saved = save(cluster.place(), kOnDemandName);
  REQUIRE_FALSE(saved);
  CHECK(saved.status().message.find("/configmaps/default/m7") != std::string::npos);
  CHECK(list(cluster.place())->empty());
}

TEST_CASE("the oldest of a name go, others stay") {
  FakeClock clock;
  const Cluster cluster(1);
  Place place = cluster.place();
  place.clock = &clock;
  for (int i = 0; i < 4; ++i) {
    REQUIRE(save(place, kScheduledName));
    clock.advance(std::chrono::hours(12));
  }
  REQUIRE(save(place, kOnDemandName));
  REQUIRE(write_file_whole(place.dir + "/notes.txt", "not a snapshot"));
  const auto before = *list(place);
  REQUIRE(before.size() == 5);
  const auto removed = *prune(place, kScheduledName, 3);
  REQUIRE(removed.size() == 1);
  CHECK(removed[0].path == before[0].path);
  CHECK(list(place)->size() == 4);
  CHECK(prune(place, kScheduledName, 3)->empty());
  CHECK(file_exists(place.dir + "/notes.txt"));
}

TEST_CASE("what can't be saved is said") {
  const TestFolder empty;
  CHECK(save(place_of(empty.path(), ""), kOnDemandName).status().not_found());
  const Cluster cluster(1);
  for (const char* name : {"", "../x", "A", "-a", "a b"})
    CHECK(save(cluster.place(), name).status().code == 400);
  CHECK(restore(cluster.place(), "none.tar.gz").status().not_found());
  REQUIRE(write_file_whole(empty.path() + "/x.tar.gz", "no archive"));
  CHECK_FALSE(check(empty.path() + "/x.tar.gz"));
}

TEST_CASE("the schedule counts from the last snapshot, over restarts and clocks that jump") {
  using std::chrono::hours, std::chrono::minutes;
  const WallTime now{hours(1000)};
  const auto aged = [&](hours age) {
    Snapshot snapshot;
    snapshot.name = kScheduledName;
    snapshot.created = now - age;
    return std::vector<Snapshot>{snapshot};
  };
  CHECK(next_wait(hours(12), now, {}) == hours(12));
  CHECK(next_wait(hours(12), now, aged(hours(5))) == hours(7));
  CHECK(next_wait(hours(12), now, aged(hours(40))) == minutes(1));
  CHECK(next_wait(hours(12), now, aged(hours(-3))) == hours(12));
  CHECK(next_wait(std::chrono::seconds(2), now, aged(hours(1))) == std::chrono::seconds(2));
}

}  // namespace
}  // namespace orch::snapshots
