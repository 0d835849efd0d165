// What a loss of power, or a disk that failed once, leaves of libraft's files: brought to an end
// where nothing is lost by it, and else left as it is.
#include "store/log_check.h"

#include <endian.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <numeric>
#include <vector>

#include "store/crc32.h"
#include "store/entry.h"
#include "store/store_fixture.h"

namespace orch::store {
namespace {

namespace fs = std::filesystem;

std::string words(std::initializer_list<uint64_t> numbers) {
  std::string text;
  for (const uint64_t number : numbers) {
    const uint64_t little = htole64(number);
    text.append(reinterpret_cast<const char*>(&little), sizeof little);
  }
  return text;
}

// As libraft has them: a batch of one for each entry.
std::string segment(uint64_t first, uint64_t last) {
  constexpr uint64_t kTerm = 1, kCommand = 1;
  std::string bytes = words({1});
  for (uint64_t index = first; index <= last; ++index) {
    const Write write = put("/a/" + std::to_string(index));
    const Write* const writes[] = {&write};
    std::string entry = encode_entry({1, 1, index}, writes);
    stamp_entry(entry.data(), index, kTerm);
    const std::string head = words({1, kTerm, kCommand | uint64_t{entry.size()} << 32});
    bytes += words({crc32(head) | uint64_t{crc32(entry)} << 32}) + head + entry;
  }
  return bytes;
}

// A folder with libraft's files.
struct Files {
  void write(const std::string& name, const std::string& bytes) {
    must(write_file_whole(folder.path() + "/" + name, bytes));
  }
  void closed(uint64_t first, uint64_t last) { write(name(first, last), segment(first, last)); }
  void open(int number, const std::string& bytes) {
    write("open-" + std::to_string(number), bytes + std::string(4096, '\0'));
  }
  void copy(uint64_t index) {
    const std::string name = "snapshot-1-" + std::to_string(index) + "-1";
    const std::string members = "members.", rest = words({1, members.size()}) + members;
    write(name, "a copy");
    write(name + ".meta", words({1, crc32(rest)}) + rest);
  }
  void finish(const KnownLog& known) { must(finish_log(folder.path(), known)); }
  bool is_good(const KnownLog& known) { return check_log(folder.path(), known).ok(); }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& file : fs::directory_iterator(folder.path())) {
      const std::string name = file.path().filename();
      if (!name.starts_with("snapshot-")) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
  }
  static std::string name(uint64_t first, uint64_t last) {
    const auto wide = [](uint64_t number) {
      const std::string text = std::to_string(number);
      return std::string(16 - text.size(), '0') + text;
    };
    return wide(first) + "-" + wide(last);
  }
  static void must(const Result<void>& done) {
    if (!done) FAIL(done.status().message);
  }

  TestFolder folder;
};

using Names = std::vector<std::string>;

TEST_CASE("a file that got no numbers before a copy of the state was put in place gets them") {
  Files files;
  files.copy(20);
  files.open(1, segment(2, 20));
  files.open(2, segment(21, 22));
  const KnownLog known{.applied = 20, .reached = 22, .vote = {}};
  files.finish(known);
  REQUIRE(files.names() == Names{Files::name(2, 20), "open-2"});
  REQUIRE(*read_file(files.folder.path() + "/" + Files::name(2, 20)) == segment(2, 20));
  REQUIRE(files.is_good(known));
}

TEST_CASE("a file that follows a copy of the state, or ends in what isn't whole, gets no numbers") {
  Files files;
  files.copy(20);
  const KnownLog known{.applied = 20, .reached = 20, .vote = {}};
  for (const std::string& bytes : {segment(21, 23), segment(2, 20) + "torn"}) {
    files.open(1, bytes);
    files.finish(known);
    REQUIRE(files.names() == Names{"open-1"});
  }
}

TEST_CASE("a file that was to be cut, and what was to stay of it beside it, is one that wasn't") {
  Files files;
  files.closed(1, 3);
  files.closed(4, 9);
  files.closed(4, 7);
  const KnownLog known{.applied = 3, .reached = 7, .vote = {}};
  files.finish(known);
  REQUIRE(files.names() == Names{Files::name(1, 3), Files::name(4, 9)});
  REQUIRE(files.is_good(known));
}

TEST_CASE("what was to stay of a file is not given up for one that isn't whole") {
  Files files;
  files.closed(4, 7);
  files.write(Files::name(4, 9), segment(4, 8));
  files.finish({.applied = 3, .reached = 7, .vote = {}});
  REQUIRE(files.names() == Names{Files::name(4, 7), Files::name(4, 9)});
}

TEST_CASE("files behind one that another leader's entries replaced are no gap in the log") {
  Files files;
  files.closed(1, 5);
  files.closed(8, 9);
  files.closed(10, 11);
  // Something behind the gap is known to have been there, or may have been.
  for (const KnownLog& known : {KnownLog{.applied = 5, .reached = 9, .vote = {}},
                                KnownLog{.applied = 6, .reached = 5, .vote = {}},
                                KnownLog{.applied = 4, .reached = 4, .vote = {}}}) {
    files.finish(known);
    REQUIRE(files.names().size() == 3);
  }
  const KnownLog known{.applied = 5, .reached = 5, .vote = {}};
  files.finish(known);
  REQUIRE(files.names() == Names{Files::name(1, 5)});
  REQUIRE(files.is_good(known));
}

TEST_CASE("files that another server's copy of the state took the place of are left out") {
  Files files;
  files.copy(20);
  files.closed(1, 9);
  files.open(3, segment(10, 12));
  files.finish({.applied = 9, .reached = 20, .vote = {}});
  REQUIRE(files.names().size() == 2);  // What the open file has isn't known to be old.
  files.open(3, "");
  files.finish({.applied = 9, .reached = 21, .vote = {}});
  REQUIRE(files.names().size() == 2);  // What followed the copy is gone.
  const KnownLog known{.applied = 9, .reached = 20, .vote = {}};
  files.finish(known);
  REQUIRE(files.names() == Names{"open-3"});
  REQUIRE(files.is_good(known));
}

TEST_CASE("half of a new term or vote is left out when the last is known") {
  const KnownLog known{.applied = 0, .reached = 0, .vote = std::pair<uint64_t, uint64_t>(3, 7)};
  const std::string last = words({1, 2, 3, 7}), torn = words({1, 3, 1, 0});
  Files files;
  files.write("metadata1", torn);
  files.write("metadata2", last);
  REQUIRE_FALSE(files.is_good(known));
  files.finish({});
  REQUIRE_FALSE(files.is_good(known));  // Which one counts isn't known.
  files.finish(known);
  REQUIRE(files.names() == Names{"metadata2"});
  REQUIRE(files.is_good(known));
  // A last one that is damaged, for the one before it doesn't count any more.
  files.write("metadata1", words({1, 3, 1, 0}));
  files.finish({.applied = 0, .reached = 0, .vote = std::pair<uint64_t, uint64_t>(4, 0)});
  REQUIRE_FALSE(files.is_good(known));
}

TEST_CASE("terms and votes: one follows from the other") {
  const auto fit = [](const std::string& first, const std::string& second) {
    return metadata_fit(first, second);
  };
  REQUIRE(fit("", ""));
  REQUIRE(fit(words({1, 1, 1, 0}), ""));
  REQUIRE(fit(words({1, 3, 2, 7}), words({1, 2, 2, 0})));  // A vote.
  REQUIRE(fit(words({1, 3, 2, 7}), words({1, 4, 3, 0})));  // A new term.
  REQUIRE(fit(words({1, 3, 2, 7}), words({1, 4, 9, 0})));  // Another's.
  REQUIRE_FALSE(fit(words({2, 1, 1, 0}), ""));             // Format.
  REQUIRE_FALSE(fit(words({1, 2, 1, 0}), ""));             // Turn.
  REQUIRE_FALSE(fit(words({1, 7, 2, 7}), words({1, 4, 3, 0})));
  REQUIRE_FALSE(fit(words({1, 3, 2, 7}), words({1, 4, 1, 0})));
  REQUIRE_FALSE(fit(words({1, 3, 2, 7}), words({1, 4, 3, 5})));
  REQUIRE_FALSE(fit(words({1, 3, 2, 7}), words({1, 4, 2, 5})));
}

}  // namespace
}  // namespace orch::store
