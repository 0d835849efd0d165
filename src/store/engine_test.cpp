// A store on an engine: revisions that the engine gives, with gaps; changes that others make there.
#include "store/engine.h"

#include <map>

#include "store/expected.h"
#include "store/store_fixture.h"
#include "store/turning_cipher.h"

namespace orch::store {

namespace {

// Keeps values in a map, and gives every third revision.
class MapEngine final : public Engine {
 public:
  Result<std::unique_ptr<Log>> start(std::unique_ptr<Mirror> mirror, const Options&) override {
    mirror_ = std::move(mirror);
    ORCH_TRY(read_all());
    return std::unique_ptr<Log>(std::make_unique<Writer>(*this));
  }

  // As if another server did it; several changes may share a revision.
  Result<std::vector<Event>> change(std::vector<Kept> changes) {
    for (Kept& kept : changes) {
      const auto there = values.find(kept.key);
      kept.create_revision = there == values.end() ? revision : there->second.create_revision;
      kept.revision = revision;
      if (kept.removed) {
        values.erase(kept.key);
      } else {
        values[kept.key] = kept;
      }
    }
    return mirror_->apply(std::move(changes), revision);
  }
  Result<void> read_all() {
    std::vector<Kept> all;
    for (const auto& [key, kept] : values) all.push_back(kept);
    return mirror_->replace(std::move(all), revision);
  }
  std::string value_of(const Write& write) const { return mirror_->value_of(write); }
  std::vector<Write> stale() { return mirror_->take_stale(); }

  std::map<std::string, Kept> values;
  int64_t revision = 7;

 private:
  class Writer final : public Log {
   public:
    explicit Writer(MapEngine& engine) : engine_(engine) {}
    void propose(Proposal proposal, WhenFull) override {
      const Write& write = proposal.write;
      const auto there = engine_.values.find(write.key);
      const int64_t at = there == engine_.values.end() ? 0 : there->second.revision;
      if (auto fits = check_expected(write, at); !fits) return proposal.done(fits.status());
      engine_.revision += 3;
      Kept kept{.key = write.key, .value = {}, .removed = !write.bytes};
      if (write.bytes) kept.value = engine_.value_of(write);
      const Event event = (*engine_.change({kept})).front();
      proposal.done(Committed{event.revision, event.record, event.previous});
    }
    void close() override {}
    std::optional<Health> health() const override { return Health::away; }

   private:
    MapEngine& engine_;
  };

  std::unique_ptr<Mirror> mirror_;
};

std::unique_ptr<Store> open_on(MapEngine& engine, const Cipher* cipher = nullptr) {
  Options options;
  options.engine = &engine;
  options.cipher = cipher;
  return open_store(options);
}

}  // namespace

TEST_CASE("an engine's revisions are the store's, gaps and all") {
  MapEngine engine;
  const auto store = open_on(engine);
  CHECK(store->revision() == 7);
  Told told;
  const auto watch = *store->watch("", 7, told.sink());

  const Committed first = must(store->commit(put("/a/1", "one", 0)));
  CHECK(first.revision == 10);
  CHECK(first.record->bytes == R"({"metadata":{"resourceVersion":"10"},"data":"one"})");
  CHECK(first.record->tags.uid() == "uid of /a/1");
  const Committed second = must(store->commit(put("/a/1", "two", 10)));
  CHECK(second.revision == 13);
  CHECK(second.record->create_revision == 10);
  CHECK(second.previous == first.record);
  CHECK(store->commit(put("/a/1", "late", 10)).status().conflict());
  CHECK(store->commit(put("/a/1", "again", 0)).status().already_exists());
  const Committed gone = must(store->commit(remove("/a/1")));
  CHECK(gone.revision == 16);
  CHECK(gone.record->bytes.find("\"16\"") != gone.record->bytes.npos);
  CHECK(store->commit(remove("/a/1")).status().not_found());

  const auto events = told.wait_for(3);
  CHECK(events[1].revision == 13);
  CHECK(events[2].type == EventType::remove);
  // The history has the gaps too.
  for (const auto& [from, count] : {std::pair(7, 3), {11, 2}, {13, 1}, {15, 1}, {16, 0}}) {
    Told late;
    const auto again = *store->watch("", from, late.sink());
    CHECK(late.wait_for(static_cast<size_t>(count)).size() == static_cast<size_t>(count));
  }
  Query then;
  then.at_revision = 14;
  const Range range = *store->range(then);
  REQUIRE(range.records.size() == 1);
  CHECK(range.records[0]->revision == 13);
  CHECK(store->health() == Health::away);
}

TEST_CASE("an engine's changes may share a revision, and touch a key twice in one batch") {
  MapEngine engine;
  const auto store = open_on(engine);
  engine.revision = 20;
  const std::string value = engine.value_of(put("/a", "x"));
  const auto events = *engine.change({{.key = "/a", .value = value},
                                      {.key = "/b", .value = value},
                                      {.key = "/a", .value = {}, .removed = true},
                                      {.key = "/never", .value = {}, .removed = true}});
  REQUIRE(events.size() == 3);
  CHECK(events[2].previous == events[0].record);
  CHECK(store->get("/a") == nullptr);
  CHECK(store->get("/b")->revision == 20);
  // Revisions that are none of ours pass, too.
  engine.revision = 25;
  REQUIRE(engine.change({}).ok());
  CHECK(store->revision() == 25);
}

TEST_CASE("an engine's whole state takes the place of the old one, and watches end") {
  MapEngine engine;
  const auto store = open_on(engine);
  must(store->commit(put("/a", "x")));
  bool ended = false;
  std::mutex mutex;
  std::condition_variable changed;
  const auto watch = *store->watch("", store->revision(), [&](std::span<const Event> events) {
    const std::lock_guard lock(mutex);
    ended = ended || events.empty();
    changed.notify_all();
  });
  engine.values["/b"] = engine.values["/a"];
  engine.values["/b"].key = "/b";
  engine.values.erase("/a");
  engine.revision = 99;
  REQUIRE(engine.read_all().ok());
  CHECK(store->get("/a") == nullptr);
  CHECK(store->get("/b") != nullptr);
  CHECK(store->revision() == 99);
  CHECK(store->watch("", 98, [](auto) {}).status().gone());
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return ended; });
}

TEST_CASE("an engine is given sealed values, and its values are opened") {
  MapEngine engine;
  const Turning cipher;
  const auto store = open_on(engine, &cipher);
  must(store->commit(put("/secrets/a", "hush")));
  must(store->commit(put("/pods/a", "loud")));
  CHECK(engine.values["/secrets/a"].value.find("hush") == std::string::npos);
  CHECK(engine.values["/pods/a"].value ==
        "32\n{\"metadata\":{\"resourceVersion\":\"\"},\"data\":\"loud\"}");
  CHECK(store->get("/secrets/a")->bytes.find("hush") != std::string::npos);
  CHECK(engine.read_all().ok());
  CHECK(store->get("/secrets/a")->bytes.find("hush") != std::string::npos);

  CHECK(engine.stale().empty());
  engine.values["/secrets/old"] = {.key = "/secrets/old",
                                   .value = "32\n{\"metadata\":{\"resourceVersion\":\"\"}}",
                                   .create_revision = 11,
                                   .revision = 12};
  REQUIRE(engine.read_all().ok());
  const std::vector<Write> stale = engine.stale();
  REQUIRE(stale.size() == 1);
  CHECK(stale[0].key == "/secrets/old");
  CHECK(*stale[0].bytes == "{\"metadata\":{\"resourceVersion\":\"\"}}");
  CHECK(stale[0].revision_at == 32);
  CHECK(stale[0].expected_revision == 12);
  must(store->commit(stale[0]));
  CHECK(engine.values["/secrets/old"].value.starts_with("turned:"));

  for (const char* bad : {"", "x", "12", "\n", "12\n{}", "-1\n{}", "99999999999\n{}", "turned:?"}) {
    const auto before = store->revision();
    engine.revision += 1;
    CHECK_FALSE(engine.change({{.key = "/secrets/b", .value = bad}}).ok());
    CHECK(store->revision() == before);
    CHECK_FALSE(engine.read_all().ok());
  }
  CHECK(store->get("/secrets/a") != nullptr);
}

}  // namespace orch::store
