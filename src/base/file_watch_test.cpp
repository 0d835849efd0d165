// A file that changes, and what its watch tells of it.
#include "base/file_watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <mutex>

#include "base/files.h"

namespace orch {
namespace {

// What the file held when its watch called.
class Seen {
 public:
  explicit Seen(std::string path) : path_(std::move(path)) {}
  void look() {
    const std::lock_guard lock(mutex_);
    text_ = read_file(path_).value_or("none");
    changed_.notify_all();
  }
  bool wait_for(std::string_view text) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return text_ == text; });
  }

 private:
  const std::string path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
};

TEST_CASE("a watch tells of a file that is made, written, and replaced") {
  char folder[] = "/tmp/orch-watch-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/file";
  Seen seen(path);
  {
    const auto watch = FileWatch::start(path, [&] { seen.look(); });
    REQUIRE(watch.ok());
    CHECK(seen.wait_for("none"));  // What changed before the watch is seen, too.
    REQUIRE(write_file_whole(path, "one").ok());
    CHECK(seen.wait_for("one"));
    REQUIRE(write_file_atomic(path, "two").ok());
    CHECK(seen.wait_for("two"));
    const int fd = ::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
    REQUIRE(write_all(fd, "three").ok());
    ::close(fd);
    CHECK(seen.wait_for("three"));
  }
  CHECK_FALSE(FileWatch::start(std::string(folder) + "/none/file", [] {}).ok());
  CHECK(remove_tree(folder).ok());
}

}  // namespace
}  // namespace orch
