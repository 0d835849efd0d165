#include "store/disk_pace.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::store {
namespace {

using std::chrono::milliseconds;

TEST_CASE("an election's time follows the slowest of late writes") {
  DiskPace pace;
  const MonoTime begin{std::chrono::hours(1)};
  CHECK(pace.election_ms() == DiskPace::kElectionMs);
  pace.wrote(begin, begin + milliseconds(100));
  CHECK(pace.election_ms() == 1000);
  pace.wrote(begin, begin + milliseconds(9000));
  CHECK(pace.election_ms() == DiskPace::kMaxElectionMs);
}

TEST_CASE("a slow write is forgotten in time, however few follow it") {
  DiskPace pace;
  MonoTime at{std::chrono::hours(1)};
  const auto write = [&](milliseconds took) {
    pace.wrote(at, at + took);
    at += took;
  };
  write(milliseconds(200));
  for (int i = 0; i < 10; ++i) write(milliseconds(1));
  CHECK(pace.election_ms() > 1900);  // Others may come soon.
  for (int i = 0; i < 6; ++i) {
    at += std::chrono::seconds(10);
    write(milliseconds(1));
  }
  CHECK(pace.election_ms() == DiskPace::kElectionMs);
}

TEST_CASE("to wait for space, or for who did, is not to be slow") {
  DiskPace pace;
  const MonoTime begin{std::chrono::hours(1)}, room = begin + milliseconds(9000);
  pace.got_room(room);
  pace.wrote(begin, room + milliseconds(400));
  pace.wrote(room + milliseconds(1), room + milliseconds(420));
  CHECK(pace.election_ms() == DiskPace::kElectionMs);
  pace.wrote(room + milliseconds(500), room + milliseconds(600));
  CHECK(pace.election_ms() == 1000);
}

}  // namespace
}  // namespace orch::store
