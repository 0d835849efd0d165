#include "store/table_rows.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <set>
#include <thread>

#include "store/damage.h"
#include "store/store_fixture.h"

using namespace orch;
using namespace orch::store;
using namespace std::chrono_literals;

namespace {

// A table whose rows stand at these ids, in a random order of keys.
class Filled {
 public:
  explicit Filled(const std::vector<int64_t>& ids) : table_(open()) {
    std::vector<Table::Change> changes;
    std::vector<size_t> numbers(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) numbers[i] = i;
    std::ranges::shuffle(numbers, std::mt19937(1));
    const std::string bytes = body("x");
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::string key = "/things/" + std::to_string(1'000'000 + numbers[i]);
      const int64_t revision = static_cast<int64_t>(i) + 2;
      const Record::Parts parts{.key = key,
                                .bytes = bytes,
                                .revision_at = kHead.size(),
                                .create_revision = revision,
                                .revision = revision,
                                .row = ids[i]};
      changes.push_back({ids[i], Record::make(parts, tag_by_key(key, ""))});
    }
    REQUIRE(table_->write(changes, std::nullopt).ok());
  }

  Result<Rows> read(unsigned readers, const Store::Tagger& tagger = tag_by_key,
                    const std::string& vfs = "") {
    auto connection = Connection::open(path(), "");
    REQUIRE(connection.ok());
    const TableMeta meta = ORCH_TRY(read_meta(*connection, path()));
    return read_rows(*connection, {path(), vfs, nullptr, tagger, meta, readers});
  }
  // Where the database's pages lie on disk, all of them in one file.
  std::string settled() {
    run("PRAGMA wal_checkpoint(TRUNCATE)");
    return path();
  }
  void run(const char* sql) {
    auto connection = Connection::open(path(), "");
    REQUIRE(connection.ok());
    REQUIRE(connection->run(sql).ok());
  }

 private:
  std::string path() const { return database_path(folder_.path()); }
  std::unique_ptr<Table> open() {
    Options options;
    options.directory = folder_.path();
    auto table = Table::open(options);
    REQUIRE(table.ok());
    return *std::move(table);
  }

  TestFolder folder_;
  std::unique_ptr<Table> table_;
};

std::vector<int64_t> ids_from(int64_t first, size_t count) {
  std::vector<int64_t> ids(count);
  for (size_t i = 0; i < count; ++i) ids[i] = first + static_cast<int64_t>(i);
  return ids;
}

void check_all(const Rows& rows, size_t count) {
  REQUIRE(rows.records.size() == count);
  CHECK(rows.revision == (count == 0 ? 0 : static_cast<int64_t>(count) + 1));
  for (size_t i = 0; i < count; ++i) {
    REQUIRE(rows.records[i]->key == "/things/" + std::to_string(1'000'000 + i));
    REQUIRE(rows.records[i]->tags.uid() == "uid of " + std::string(rows.records[i]->key));
  }
}

// The caller goes on with its own rows only after so many others have read one, or never will.
class OthersFirst {
 public:
  explicit OthersFirst(size_t others) : others_(others) {}
  Store::Tagger tagger() {
    return [this](std::string_view key, std::string_view bytes) {
      std::unique_lock lock(mutex_);
      if (std::this_thread::get_id() != caller_) {
        met_.insert(std::this_thread::get_id());
        changed_.notify_all();
      } else if (++callers_ > 1024) {
        changed_.wait_for(lock, 20s, [this] { return met_.size() >= others_; });
      }
      return tag_by_key(key, bytes);
    };
  }
  size_t met() {
    const std::lock_guard lock(mutex_);
    return met_.size();
  }

 private:
  const size_t others_;
  const std::thread::id caller_ = std::this_thread::get_id();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::thread::id> met_;
  size_t callers_ = 0;
};

}  // namespace

TEST_CASE("rows are the same however many read them, and wherever their ids are") {
  std::vector<int64_t> ids = ids_from(1, 1500);
  SECTION("few") { ids = {7}; }
  SECTION("none") { ids = {}; }
  SECTION("from the beginning on") { ids = ids_from(1, 9000); }
  SECTION("most at the end") {
    const auto last = ids_from(int64_t{1} << 62, 9000);
    ids.insert(ids.end(), last.begin(), last.end());
  }
  SECTION("most at the beginning") {
    ids = ids_from(1, 9000);
    ids.push_back(std::numeric_limits<int64_t>::max());
  }
  SECTION("below zero") { ids = ids_from(-4000, 8000); }
  Filled table(ids);
  for (const unsigned readers : {1U, 2U, 4U}) {
    CAPTURE(readers);
    const auto rows = table.read(readers);
    REQUIRE(rows.ok());
    check_all(*rows, ids.size());
  }
}

TEST_CASE("rows of a large table are shared by all readers, of a small one by none") {
  Filled large(ids_from(1, 20'000));
  OthersFirst three(3);
  const auto rows = large.read(4, three.tagger());
  REQUIRE(rows.ok());
  CHECK(three.met() == 3);
  check_all(*rows, 20'000);

  Filled small(ids_from(1, 1000));
  const auto caller = std::this_thread::get_id();
  const auto alone = [&](std::string_view key, std::string_view bytes) {
    if (std::this_thread::get_id() != caller) std::abort();
    return tag_by_key(key, bytes);
  };
  CHECK(small.read(4, alone).ok());
}

TEST_CASE("a damaged row ends the reading, whoever meets it") {
  Filled table(ids_from(1, 20'000));
  table.run("UPDATE o SET revision = revision + 1 WHERE id = 19000");
  for (const unsigned readers : {1U, 2U}) {
    OthersFirst others(readers - 1);
    const auto rows = table.read(readers, others.tagger());
    REQUIRE_FALSE(rows.ok());
    CHECK(is_damaged(rows.status()));
    CHECK(rows.status().message.find("row 19000") != std::string::npos);
  }
}

TEST_CASE("rows are not read when another reader can't open the file") {
  Filled table(ids_from(1, 20'000));
  const auto rows = table.read(2, tag_by_key, "no such disk");
  REQUIRE_FALSE(rows.ok());
  CHECK(rows.status().message.find("no such disk") != std::string::npos);
}

// Of the pages that lead to others (https://www.sqlite.org/fileformat2.html#b_tree_pages) many
// bytes, of the rest's heads some. Rows are found by the former when readers share them.
TEST_CASE("a flipped bit in a large table is told, or has changed nothing, whoever reads it") {
  constexpr size_t kPage = 2048, kHead = 12;
  constexpr char kInterior = 5;
  Filled table(ids_from(1, 3000));
  const std::string path = table.settled(), content = *read_file(path);
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  REQUIRE(file);
  size_t told = 0, tried = 0;
  for (size_t page = kPage; page < content.size(); page += kPage) {
    const bool leads = content[page] == kInterior;
    if (!leads && page / kPage % 20 != 0) continue;
    for (size_t i = 0; i < (leads ? kPage : kHead); i += leads && i >= kHead ? 11 : 1) {
      const off_t at = static_cast<off_t>(page + i);
      const char changed = static_cast<char>(content[page + i] ^ 1 << i % 8);
      REQUIRE(::pwrite(file.get(), &changed, 1, at) == 1);
      INFO("page " << page / kPage << " at " << i);
      const auto rows = table.read(2);
      REQUIRE(::pwrite(file.get(), &content[page + i], 1, at) == 1);
      ++tried;
      if (rows.ok()) {
        CHECK(rows->records.size() == 3000);
      } else {
        CHECK(rows.status().message.find(path) != std::string::npos);
        ++told;
      }
    }
  }
  CHECK(tried > 150);
  CHECK(told > tried / 4);
}
