#include "server/audit/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <set>

#include "base/files.h"
#include "base/strings.h"

namespace orch::audit {
namespace {

class Folder {
 public:
  Folder() {
    char path[] = "/tmp/orch-audit-XXXXXX";
    REQUIRE(mkdtemp(path) != nullptr);
    path_ = path;
  }
  ~Folder() { static_cast<void>(remove_tree(path_)); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.insert(entry.path().filename());
    }
    return names;
  }

 private:
  std::string path_;
};

std::unique_ptr<Log> open_log(LogOptions options) {
  auto log = Log::open(std::move(options));
  if (!log) FAIL(log.status().message);
  return *std::move(log);
}

TEST_CASE("every event is a line, in order, in a file of its owner's") {
  Folder folder;
  const std::string path = folder.file("audit.log");
  const auto log = open_log({.path = path});
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    log->write(std::to_string(i));
    expected += std::to_string(i) + "\n";
  }
  log->close();
  CHECK(read_file(path).value_or("") == expected);
  CHECK(log->written() == 1000);
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("a start goes on where the last one ended") {
  Folder folder;
  for (const char* line : {"a", "b"}) {
    const auto log = open_log({.path = folder.file("audit.log")});
    log->write(line);
    log->close();
  }
  CHECK(read_file(folder.file("audit.log")).value_or("") == "a\nb\n");
}

TEST_CASE("a full file is rotated and the oldest go, neighbours stay") {
  Folder folder;
  REQUIRE(write_file_whole(folder.file("audit-policy.log"), "mine").ok());
  const std::string line(600u << 10, 'x');
  FakeClock clock;
  for (int i = 0; i < 5; ++i) {
    clock.advance(std::chrono::hours(1));
    const auto log = open_log(
        {.path = folder.file("audit.log"), .max_size_mb = 1, .max_backups = 2, .clock = &clock});
    log->write(line);
    log->close();
  }
  const auto names = folder.names();
  CHECK(names.size() == 4);
  CHECK(names.contains("audit.log"));
  CHECK(names.contains("audit-policy.log"));
  CHECK(read_file(folder.file("audit.log")).value_or("").size() == line.size() + 1);
}

TEST_CASE("what is older than the days that were named goes with the next rotation") {
  Folder folder;
  const std::string line(600u << 10, 'x');
  FakeClock clock;
  for (int i = 0; i < 4; ++i) {
    clock.advance(std::chrono::hours(36));
    const auto log = open_log(
        {.path = folder.file("audit.log"), .max_size_mb = 1, .max_age_days = 2, .clock = &clock});
    log->write(line);
    log->close();
  }
  CHECK(folder.names().size() == 3);  // The file, and those of now and of 36 hours ago.
}

TEST_CASE("a slow disk costs events, never memory or a request's time") {
  Folder folder;
  const std::string pipe = folder.file("audit.log");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const UniqueFd reader(open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto log = open_log({.path = pipe, .max_size_mb = 1 << 20});
  const std::string line(1u << 20, 'x');
  for (int i = 0; i < 64; ++i) log->write(line);  // Nobody reads: a pipe takes 64 KiB.
  CHECK(log->dropped() >= 64 - kMaxQueuedBytes / line.size());
  CHECK(log->written() + log->dropped() == 64);
  // Someone reads at last, so that the thread can end.
  std::thread drain([&] {
    const UniqueFd again(open(pipe.c_str(), O_RDONLY | O_CLOEXEC));
    std::string buffer(64u << 10, '\0');
    while (read(again.get(), buffer.data(), buffer.size()) > 0) {
    }
  });
  log->close();
  CHECK(log->written() > 0);
  // The writer's end goes with the log.
  log.reset();
  drain.join();
}

TEST_CASE("a path that can't be opened is told at once") {
  const auto log = Log::open({.path = "/nonexistent/audit.log"});
  REQUIRE_FALSE(log.ok());
  CHECK(log.status().message.find("/nonexistent/audit.log") != std::string::npos);
}

}  // namespace
}  // namespace orch::audit
