// Damage: whatever bit flips in what a server has on disk, it is told as damage, by file, or there
// is nothing that it could have changed.
#include "store/damage.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <map>
#include <mutex>

#include "base/files.h"
#include "store/log_check.h"
#include "store/servers_fixture.h"
#include "store/snapshot.h"

namespace orch::store {
namespace {

namespace fs = std::filesystem;

void flip(const std::string& path, size_t at) {
  std::string content = *read_file(path);
  content[at] = static_cast<char>(content[at] ^ 1 << at % 8);
  REQUIRE(write_file_atomic(path, content).ok());
}

// A server's folder, in which nobody has the files open.
struct Copy {
  explicit Copy(const std::string& from) {
    fs::copy(from, folder.path(), fs::copy_options::recursive);
    fs::remove(folder.path() + "/lock");
    replication.server = 2;
    replication.address = "server-2";
    replication.streams = &streams;
  }
  Result<std::unique_ptr<Store>> open() {
    Options options;
    options.directory = folder.path();
    options.replication = &replication;
    return Store::open(options, tag_by_key);
  }
  std::string raft(const std::string& name) const { return folder.path() + "/raft/" + name; }
  // The last by name that begins so.
  std::string last(const std::string& prefix) const {
    std::string found;
    for (const auto& file : fs::directory_iterator(folder.path() + "/raft")) {
      const std::string name = file.path().filename();
      if (name.starts_with(prefix) && !name.ends_with(".meta")) found = std::max(found, name);
    }
    return found;
  }
  void must_be_damaged(const std::string& file) {
    const auto opened = open();
    REQUIRE_FALSE(opened.ok());
    INFO(opened.status().message);
    REQUIRE(is_damaged(opened.status()));
    REQUIRE(opened.status().message.find(file) != std::string::npos);
  }

  struct NoStreams : PeerStreams {
    void connect(uint64_t, const std::string&, StreamUse, Connected done) override {
      done(service_unavailable("nobody is there"));
    }
  };
  TestFolder folder;
  NoStreams streams;
  Replication replication;
};

struct Written : ThreeServers {
  Written() {
    for (int i = 0; i < 20; ++i) must(first->commit(put("/a/" + std::to_string(i))));
    must(second.sync());
  }
};

TEST_CASE("a flipped bit in a database is told, or has changed nothing") {
  TestFolder folder;
  Options options;
  options.directory = folder.path();
  std::string before;
  {
    auto store = open_store(options);
    for (int i = 0; i < 30; ++i) must(store->commit(put("/a/" + std::to_string(i))));
    must(store->commit(remove("/a/7")));
    before = dump(*store);
  }
  const std::string path = folder.path() + "/orch.db", content = *read_file(path);
  size_t told = 0;
  for (size_t at = 0; at < content.size(); at += 13) {
    std::string changed = content;
    changed[at] = static_cast<char>(changed[at] ^ 1 << at / 13 % 8);
    fs::remove(path + "-wal");
    fs::remove(path + "-shm");
    REQUIRE(write_file_whole(path, changed).ok());
    auto opened = Store::open(options, tag_by_key);
    INFO("byte " << at << " of " << content.size() << ", page " << at / 2048 << " at "
                 << at % 2048);
    if (!opened.ok()) {
      ++told;
      CHECK(opened.status().message.find(path) != std::string::npos);
      continue;
    }
    CHECK(dump(**opened) == before);
  }
  REQUIRE(told > 0);
}

TEST_CASE("a flipped bit in a replica's database is told, what it says of the log included") {
  Written servers;
  must(servers.first->commit(remove("/a/7")));
  must(servers.second.sync());
  servers.second.stop();
  Options options;
  options.directory = servers.second.folder();
  const std::string path = options.directory + "/orch.db", content = *read_file(path);
  const auto load = [&]() -> Result<std::string> {
    const auto table = ORCH_TRY(Table::open(options, Table::Truth::log));
    const auto loaded = ORCH_TRY(table->load(tag_by_key));
    std::string all = loaded.note + " " + std::to_string(loaded.revision);
    for (const RecordPtr& record : loaded.records) all += " " + std::string(record->bytes);
    return all;
  };
  const Result<std::string> before = load();
  REQUIRE(before.ok());
  for (size_t at = 0; at < content.size(); at += 7) {
    std::string changed = content;
    changed[at] = static_cast<char>(changed[at] ^ 1 << at / 7 % 8);
    fs::remove(path + "-wal");
    fs::remove(path + "-shm");
    REQUIRE(write_file_whole(path, changed).ok());
    const auto loaded = load();
    INFO("byte " << at << ", page " << at / 2048 << " at " << at % 2048);
    if (loaded.ok()) CHECK(*loaded == *before);
  }
}

TEST_CASE("a flipped bit in a replica's closed log is told as damage by file") {
  Written servers;
  servers.second.stop();
  const std::string segment = Copy(servers.second.folder()).last("0");
  const size_t size = fs::file_size(servers.second.folder() + "/raft/" + segment);
  for (size_t at = 0; at < size; at += size / 40 + 1) {
    Copy copy(servers.second.folder());
    flip(copy.raft(segment), at);
    INFO("byte " << at << " of " << size);
    copy.must_be_damaged(copy.folder.path() + "/raft");
  }
  REQUIRE(Copy(servers.second.folder()).open().ok());
}

TEST_CASE("a flipped bit in a replica's copy of the state is told as damage") {
  Written servers;
  servers.second.stop();
  const std::string name = Copy(servers.second.folder()).last("snapshot-");
  for (const std::string& file : {name, name + ".meta"}) {
    const size_t size = fs::file_size(servers.second.folder() + "/raft/" + file);
    for (size_t at = 0; at < size; at += size / 20 + 1) {
      Copy copy(servers.second.folder());
      flip(copy.raft(file), at);
      INFO("byte " << at << " of " << size << " of " << file);
      copy.must_be_damaged(copy.folder.path() + "/raft");
    }
  }
}

TEST_CASE("a flipped bit in what was written last is told, an interrupted write isn't") {
  Written servers;
  // As a kill leaves it.
  const std::string open = Copy(servers.second.folder()).last("open-1");
  const std::string content = *read_file(servers.second.folder() + "/raft/" + open);
  const size_t written = content.find_last_not_of('\0');
  for (size_t at = 8; at < written; at += written / 20 + 1) {
    Copy copy(servers.second.folder());
    flip(copy.raft(open), at);
    INFO("byte " << at << " of " << written);
    copy.must_be_damaged(open);
  }
  Copy copy(servers.second.folder());
  std::string torn = content;
  torn.replace(written / 8 * 8 + 16, 100, 100, 'x');
  REQUIRE(write_file_atomic(copy.raft(open), torn).ok());
  REQUIRE(copy.open().ok());
}

TEST_CASE("a replica that finds its log gone, or its note of it changed, is damaged") {
  Written servers;
  servers.second.stop();
  Copy gone(servers.second.folder());
  fs::remove_all(gone.raft(""));
  gone.must_be_damaged(gone.folder.path());
}

TEST_CASE("a replica's database that is found damaged on a write is told, once it runs") {
  Written servers;
  servers.second.stop();
  std::promise<Status> told;
  bool first = true;
  servers.second.options().on_damage = [&](const Status& why) {
    if (std::exchange(first, false)) told.set_value(why);
  };
  servers.second.start();
  must(servers.second.sync());
  const std::string path = servers.second.folder() + "/orch.db";
  // In place: the server has the file open.
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  for (off_t page = 1; page * 2048 < static_cast<off_t>(fs::file_size(path)); ++page) {
    REQUIRE(::pwrite(file.get(), "\xff\xff\xff\xff\xff\xff\xff\xff", 8, page * 2048) == 8);
  }
  must(servers.of(servers.first.wait_for_leader())->commit(put("/a/more")));
  const Status why = told.get_future().get();
  REQUIRE(is_damaged(why));
  REQUIRE(why.message.find(path) != std::string::npos);
}

TEST_CASE("a leader sends the state, whatever lies on its disk") {
  ThreeServers servers;
  must(servers.first->commit(put("/a/1")));
  TestServer& leader = servers.of(servers.first.wait_for_leader());
  const auto copies = Copy(leader.folder());
  const std::string copy = leader.folder() + "/raft/" + copies.last("snapshot-");
  flip(copy, fs::file_size(copy) / 2);
  TestServer fresh(servers.wires, 4);
  fresh.start();
  must(leader.change(MemberChange::Kind::add, 4, fresh.address()));
  must(fresh.sync());
  REQUIRE(fresh->get("/a/1"));
  REQUIRE(leader->health() == Health::good);
}

TEST_CASE("a server is replaced by one at its address, which is asked for again and again") {
  using Kind = MemberChange::Kind;
  ThreeServers servers;
  must(servers.first->commit(put("/a/1")));
  const uint64_t lead = servers.first.wait_for_leader();
  TestServer& leader = servers.of(lead);
  TestServer& lost = *servers.others(lead).front();
  const uint64_t gone = lost.id();
  lost.stop();
  TestServer fresh(servers.wires, 4);
  fresh.move_to(lost.address());
  fresh.start();
  const auto replace = [&](uint64_t server, uint64_t old) {
    std::promise<Result<void>> answer;
    leader->change_members({Kind::replace, server, lost.address(), old},
                           [&](Result<void> result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  };
  REQUIRE(replace(4, 9).status().not_found());
  REQUIRE(replace(4, lead).status().conflict());
  must(replace(4, gone));
  must(replace(4, gone));  // Asked again.
  must(leader.change(Kind::remove, gone));
  must(replace(4, gone));
  must(leader.change(Kind::promote, 4));
  must(fresh.sync());
  REQUIRE(fresh->get("/a/1") != nullptr);
  const auto members = leader->members();
  REQUIRE(members.size() == 3);
  REQUIRE(std::ranges::find(members, gone, &Member::server) == members.end());
  REQUIRE(std::ranges::all_of(members, &Member::voter));
}

TEST_CASE("a damaged row is named") {
  TestFolder folder;
  Options options;
  options.directory = folder.path();
  const std::string marker = "find me in the file";
  {
    auto store = *Store::open(options, tag_by_key);
    Write write;
    write.key = "/secrets/default/token";
    write.bytes = marker;
    REQUIRE(store->commit(write).ok());
  }
  const std::string path = folder.path() + "/orch.db";
  std::string content = *read_file(path);
  content[content.find(marker)] = 'F';
  REQUIRE(write_file_atomic(path, content).ok());
  const auto damaged = Store::open(options, tag_by_key);
  REQUIRE_FALSE(damaged.ok());
  REQUIRE(damaged.status().message.find("/secrets/default/token") != std::string::npos);
  REQUIRE(damaged.status().message.find(path) != std::string::npos);
  REQUIRE(damaged.status().message.find("orch snapshot list") != std::string::npos);
  // It is not copied into a snapshot either.
  TestFolder other;
  for (const auto& found :
       {check_database(path), write_snapshot(path, "", other.path() + "/copy")}) {
    REQUIRE_FALSE(found.ok());
    REQUIRE(found.status().message.find("/secrets/default/token") != std::string::npos);
  }
  REQUIRE_FALSE(file_exists(other.path() + "/copy"));
}

}  // namespace
}  // namespace orch::store
