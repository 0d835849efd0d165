#include "store/table_rows.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <limits>
#include <mutex>
#include <numeric>
#include <thread>

#include "store/cipher.h"
#include "store/damage.h"
#include "store/row_checksum.h"

namespace orch::store {

namespace {

constexpr size_t kRowsAtOnce = 1024;  // After so many a reader looks whether others wait for work.

struct Ids {
  int64_t first = 0, last = 0;  // Both included.
};
constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();

// The rows of one reader's ids as the table has them: all from one up to another, which isn't among
// them. Nothing: the table's end.
struct Stretch {
  int64_t first_id = 0;  // Where it was looked for.
  std::optional<int64_t> from, to;
};

// What is left to read, and how many readers have nothing in hand.
class Work {
 public:
  // The ids of the whole table. None but damaged rows are beyond `last_row`.
  explicit Work(int64_t last_row) : last_row_(last_row), left_{{kLowest, kHighest}} {}

  void join() {
    const std::lock_guard lock(mutex_);
    ++readers_;
    ++idle_;
  }

  // Waits while another reader may still share what it has. Nothing: all is read, or one failed.
  std::optional<Ids> take() {
    std::unique_lock lock(mutex_);
    if (left_.empty() && idle_ == readers_) done_ = true;
    if (done_) more_.notify_all();
    more_.wait(lock, [this] { return done_ || !left_.empty(); });
    if (done_) return std::nullopt;
    --idle_;
    const Ids ids = left_.front();
    left_.pop_front();
    return ids;
  }
  void put_down() {  // What take() gave is read.
    const std::lock_guard lock(mutex_);
    ++idle_;
  }

  // What stays the caller's of these ids that it has in hand.
  Ids share(Ids ids) {
    const std::lock_guard lock(mutex_);
    if (done_) return {ids.first, ids.first - 1};
    const int64_t end = std::min(ids.last, last_row_);
    if (idle_ <= left_.size() || ids.first >= end) return ids;
    const int64_t middle = std::midpoint(ids.first, end);
    left_.push_back({middle + 1, ids.last});
    more_.notify_one();
    return {ids.first, middle};
  }

  void fail(Status failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    done_ = true;
    more_.notify_all();
  }

  // When all readers are at their end.
  Result<void> outcome() const {
    if (failure_) return *failure_;
    return {};
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  const int64_t last_row_;
  std::deque<Ids> left_;
  size_t readers_ = 0, idle_ = 0;
  bool done_ = false;
  std::optional<Status> failure_;
};

struct Keyed {  // Sorted without a look at the Record.
  std::string_view key;
  RecordPtr record;
};

class Reader {
 public:
  Reader(const RowsSource& source, Work& work) : source_(source), work_(work) { work.join(); }

  // Until nothing is left to read. `on_much` is called once, when there is work for others.
  void run(Connection& connection, const std::function<void()>& on_much) {
    on_much_ = on_much;
    while (const std::optional<Ids> ids = work_.take()) {
      if (Result<void> done = read(connection, *ids); !done) work_.fail(done.status());
      work_.put_down();
    }
    // Most rows stand in the order of their making, in runs that are sorted already.
    std::ranges::stable_sort(keyed, {}, &Keyed::key);
  }
  void run_with_own_connection() {
    Result<Connection> connection = Connection::open(source_.path, source_.vfs);
    if (!connection) return work_.fail(connection.status());
    run(*connection, {});
  }

  std::vector<Keyed> keyed;  // Sorted by key.
  std::vector<RecordPtr> stale;
  std::vector<Stretch> stretches;
  int64_t revision = 0;

 private:
  Result<void> read(Connection& connection, Ids ids) {
    Statement row = ORCH_TRY(connection.prepare("SELECT * FROM o WHERE id >= ? ORDER BY id"));
    row.bind(1, ids.first);
    Stretch stretch{.first_id = ids.first, .from = {}, .to = {}};
    for (bool is_first = true;; is_first = false) {
      const int code = row.step();
      if (code == SQLITE_DONE) break;
      if (code != SQLITE_ROW) return connection.failure(code, "read");
      bool is_stale = false;
      // The one behind the last, too: an id that was damaged must not end this unseen.
      RecordPtr record = ORCH_TRY(read_row(row, &is_stale));
      if (is_first) stretch.from = record->row;
      if (record->row > ids.last) {
        stretch.to = record->row;
        break;
      }
      ids.first = record->row;
      if (is_stale) stale.push_back(record);
      revision = std::max(revision, record->revision);
      const std::string_view key = record->key;
      keyed.push_back({key, std::move(record)});
      if (keyed.size() % kRowsAtOnce != 0) continue;
      if (on_much_) std::exchange(on_much_, nullptr)();
      ids = work_.share(ids);
    }
    stretches.push_back(stretch);
    return {};
  }

  Result<RecordPtr> read_row(Statement& row, bool* is_stale) const {
    const int64_t id = row.integer(0), revision = row.integer(1), create_revision = row.integer(2);
    const int64_t revision_at = row.integer(3), checksum = row.integer(4);
    const std::string_view key = row.bytes(5), stored = row.bytes(6);
    const auto wrong = [&] {
      return damaged(source_.path + " is damaged: row " + std::to_string(id) + ", key " +
                     std::string(key) + ", fails its checksum");
    };
    if (checksum != checksum_of(id, revision, create_revision, revision_at, key, stored)) {
      return wrong();
    }
    std::optional<std::string> opened;
    if (const Cipher* const cipher = source_.cipher) {
      auto result = cipher->open(key, stored);
      if (!result) return std::move(result).status().in(source_.path);
      opened = *std::move(result);
      *is_stale = cipher->is_stale(key, stored);
    }
    const std::string_view bytes = opened ? *opened : stored;
    const std::string digits = std::to_string(revision);
    if (revision_at < 0 || static_cast<size_t>(revision_at) + digits.size() > bytes.size()) {
      return wrong();
    }
    std::string without_digits(bytes);
    without_digits.erase(static_cast<size_t>(revision_at), digits.size());
    return Record::make({.key = key,
                         .bytes = without_digits,
                         .revision_at = static_cast<uint32_t>(revision_at),
                         .create_revision = create_revision,
                         .revision = revision,
                         .row = id},
                        source_.tagger(key, bytes));
  }

  const RowsSource& source_;
  Work& work_;
  std::function<void()> on_much_;
};

// A row is looked for by the ids of others, and where they are damaged, elsewhere than it is. So
// each stretch must begin where the one before it ended.
Result<void> check_seams(const std::deque<Reader>& readers, const std::string& path) {
  std::vector<Stretch> all;
  for (const Reader& reader : readers) std::ranges::copy(reader.stretches, std::back_inserter(all));
  std::ranges::sort(all, {}, &Stretch::first_id);
  const auto gap = std::ranges::adjacent_find(
      all, [](const Stretch& one, const Stretch& next) { return one.to != next.from; });
  if (gap == all.end()) return {};
  return damaged(path + " is damaged: rows near " + std::to_string((gap + 1)->first_id) +
                 " don't stand in order");
}

Rows merge(std::deque<Reader>& readers) {
  std::vector<Keyed> all;
  Rows rows;
  for (Reader& reader : readers) {
    const auto middle = static_cast<std::ptrdiff_t>(all.size());
    std::ranges::move(reader.keyed, std::back_inserter(all));
    std::ranges::inplace_merge(all, all.begin() + middle, {}, &Keyed::key);
    std::ranges::move(reader.stale, std::back_inserter(rows.stale));
    rows.revision = std::max(rows.revision, reader.revision);
  }
  rows.records.reserve(all.size());
  for (Keyed& each : all) rows.records.push_back(std::move(each.record));
  return rows;
}

Result<void> check_twins(const std::vector<RecordPtr>& records, const std::string& path) {
  const auto key_of = [](const RecordPtr& record) { return record->key; };
  const auto twin = std::ranges::adjacent_find(records, {}, key_of);
  if (twin == records.end()) return {};
  return damaged(path + " is damaged: two rows for " + std::string((*twin)->key));
}

}  // namespace

Result<Rows> read_rows(Connection& connection, const RowsSource& source) {
  Work work(ORCH_TRY(connection.number("SELECT max(id) FROM o")));
  std::deque<Reader> readers;
  std::vector<std::thread> threads;
  const auto call_others = [&] {
    while (readers.size() < source.readers) {
      Reader& reader = readers.emplace_back(source, work);
      threads.emplace_back([&reader] { reader.run_with_own_connection(); });
    }
  };
  readers.emplace_back(source, work).run(connection, call_others);
  for (std::thread& thread : threads) thread.join();
  ORCH_TRY(work.outcome());
  ORCH_TRY(check_seams(readers, source.path));
  Rows rows = merge(readers);
  ORCH_TRY(check_twins(rows.records, source.path));
  ORCH_TRY(check_rows(source.meta, static_cast<int64_t>(rows.records.size()), source.path));
  return rows;
}

}  // namespace orch::store
