#include "store/table_meta.h"

#include "store/damage.h"
#include "store/snapshot.h"
#include "store/store_fixture.h"

using namespace orch;
using namespace orch::store;

namespace {

// A single server's database that nobody has open.
struct Database {
  Database() {
    auto store = open_store(folder);
    for (int i = 0; i < 30; ++i) must(store->commit(put("/a/" + std::to_string(i))));
    must(store->commit(store::remove("/a/7")));
  }
  std::string path() const { return database_path(folder.path()); }
  void run(const char* sql) const {
    auto connection = Connection::open(path(), "");
    REQUIRE(connection.ok());
    REQUIRE(connection->run(sql).ok());
  }
  void must_be_damaged(std::string_view how) const {
    Options options;
    options.directory = folder.path();
    for (const Status& status :
         {Store::open(options, tag_by_key).status(), check_database(path()).status(),
          write_snapshot(path(), "", folder.path() + "/copy").status()}) {
      CHECK(is_damaged(status));
      CHECK(status.message.find(path()) != std::string::npos);
      CHECK(status.message.find(how) != std::string::npos);
    }
  }

  TestFolder folder;
};

}  // namespace

TEST_CASE("a row that went without a trace is missed by a start and by a snapshot") {
  const Database database;
  database.run("DELETE FROM o WHERE id = 12");
  database.must_be_damaged("it has 28 rows, and had 29");
}

TEST_CASE("what a database says of itself has a checksum") {
  const Database database;
  SECTION("revision") { database.run("UPDATE meta SET revision = revision + 64"); }
  SECTION("rows") { database.run("UPDATE meta SET rows = rows - 1"); }
  database.must_be_damaged("its revision and number of rows fail their checksum");
}

TEST_CASE("rows are counted through creates, updates, deletes, failures and whole states") {
  TestFolder folder;
  const auto rows = [&] {
    auto connection = Connection::open(database_path(folder.path()), "");
    REQUIRE(connection.ok());
    const auto meta = read_meta(*connection, "");
    REQUIRE(meta.ok());
    CHECK(*connection->number("SELECT count(*) FROM o") == meta->rows);
    return meta->rows;
  };
  Options options;
  options.directory = folder.path();
  auto table = *Table::open(options, Table::Truth::log);
  const auto change = [](int64_t row, int64_t revision) {
    const std::string key = "/a/" + std::to_string(row), bytes = body("x");
    const Record::Parts parts{.key = key,
                              .bytes = bytes,
                              .revision_at = kHead.size(),
                              .create_revision = 1,
                              .revision = revision,
                              .row = row};
    return Table::Change{row, Record::make(parts, tag_by_key(key, ""))};
  };
  using Changes = std::vector<Table::Change>;
  CHECK(rows() == 0);
  REQUIRE(table->write(Changes{change(1, 2), change(2, 3)}, {}).ok());
  CHECK(rows() == 2);
  REQUIRE(table->write(Changes{change(2, 4), change(3, 5), {1, nullptr}}, {}).ok());
  CHECK(rows() == 2);
  REQUIRE(table->write(Changes{{9, nullptr}, {2, nullptr}, change(2, 6)}, 7).ok());
  CHECK(rows() == 2);
  REQUIRE(table->replace(Changes{change(5, 8), change(6, 9), change(7, 10)}, 10, "note").ok());
  CHECK(rows() == 3);
  table.reset();
  table = *Table::open(options, Table::Truth::log);
  REQUIRE(table->load(tag_by_key).ok());
  REQUIRE(table->write(Changes{change(8, 11)}, {}).ok());
  CHECK(rows() == 4);
}

TEST_CASE("a database of the first format goes on, and its rows are counted from then on") {
  const Database database;
  database.run(
      "ALTER TABLE meta DROP COLUMN rows; ALTER TABLE meta DROP COLUMN checksum;"
      "PRAGMA user_version = 1");
  CHECK(check_database(database.path())->objects == 29);
  must(open_store(database.folder)->commit(put("/a/new")));
  CHECK(open_store(database.folder)->count("") == 30);
  database.run("DELETE FROM o WHERE id = 12");
  database.must_be_damaged("it has 29 rows, and had 30");
}

TEST_CASE("a database that has lost its format is damaged, and not made anew") {
  const Database database;
  database.run("PRAGMA user_version = 0");
  Options options;
  options.directory = database.folder.path();
  const auto opened = Store::open(options, tag_by_key);
  REQUIRE_FALSE(opened.ok());
  CHECK(is_damaged(opened.status()));
  CHECK(opened.status().message.find(database.path()) != std::string::npos);
}

TEST_CASE("a database of a format to come is refused") {
  const Database database;
  database.run("PRAGMA user_version = 3");
  Options options;
  options.directory = database.folder.path();
  const auto opened = Store::open(options, tag_by_key);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.status().message.find("has format 3, this program knows 2") != std::string::npos);
}
