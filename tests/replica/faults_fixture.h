// What the tests of a replicated log on a failing disk share.
#pragma once

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "disk_faults.h"
#include "store/damage.h"
#include "store/outcomes.h"
#include "store/servers_fixture.h"

namespace orch::store {

using faults::Fault;

// Each so-manieth operation fails, or bit flips: --every of the command line.
extern int every;

// Whatever becomes of a disk call, a server starts on what is there; but for what log_check.h says
// of a torn write.
inline bool may_refuse(const Status& why, Fault fault) {
  return fault == Fault::torn && is_damaged(why) &&
         why.message.find("which this server had, fails its checksum") != std::string::npos;
}

// What closing may take: see raft_log.cpp; here nobody takes over, and nothing hangs.
inline constexpr std::chrono::seconds kCloses{8};

// So many writes, some large.
inline void work(Store& store, int from, int count, Outcomes* outcomes) {
  for (int step = from; step < from + count; ++step) {
    const std::string text = std::to_string(step) + std::string(step % 3 == 0 ? 6000 : 50, 'x');
    const Write write = put("/a/" + std::to_string(step % 7), text);
    outcomes->note(write, store.commit(write));
  }
}

// One voter by itself.
struct Alone {
  Alone() { options.directory = folder.path(); }

  Result<std::unique_ptr<Store>> open() {
    options.replication = &server.replication;
    return Store::open(options, tag_by_key);
  }
  // Of the state, in the log.
  bool has_copy() const {
    const std::filesystem::directory_iterator files(folder.path() + "/raft");
    return std::ranges::any_of(files, [](const auto& file) {
      const std::string name = file.path().filename();
      return name.starts_with("snapshot-") && !name.ends_with(".meta");
    });
  }

  struct Nobody final : PeerStreams {
    Nobody() {
      replication.server = 1;
      replication.address = "server-1";
      replication.begins = true;
      replication.streams = this;
    }
    void connect(uint64_t, const std::string&, StreamUse, Connected done) override {
      done(service_unavailable("nobody is there"));
    }
    Replication replication;
  };
  TestFolder folder;
  Nobody server;
  Options options;
};

inline void close_in_time(std::unique_ptr<Store> store) {
  const MonoTime began = system_clock().monotonic();
  store->close();
  CHECK(system_clock().monotonic() - began < kCloses);
}

}  // namespace orch::store
