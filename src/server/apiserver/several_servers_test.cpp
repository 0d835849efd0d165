// One server of several: it may be behind the others, they write at the same moment as it does, and
// it may be given another's whole state. Its clients must not notice.
#include <catch2/catch_test_macros.hpp>
#include <future>

#include "api/resources.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/indexes.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/local_cache.h"
#include "server/apiserver/registry.h"
#include "server/apiserver/watch_session.h"
#include "store/store_fixture.h"

namespace orch::apiserver {
namespace {

using api::Value;

Value json(const std::string& text) {
  auto value = api::parse_json(text);
  REQUIRE(value.ok());
  return *std::move(value);
}

// The write pipeline over a store that other servers write to as well.
struct OneOfSeveral {
  OneOfSeveral() {
    store::Options options;
    options.directory = folder.path();
    options.follow = [this](std::span<const store::Event> events) { indexes.follow(events); };
    store = store::StoreInside::open(options, [](std::string_view key, std::string_view bytes) {
      return tags_of_stored(api::Schema::builtin(), key, bytes);
    });
    parts = std::make_unique<Parts>(*store, indexes);
    elsewhere(api::resource::namespaces(),
              R"({"metadata":{"name":"x"},"status":{"phase":"Active"}})");
  }

  store::InlineLog& log() { return store::StoreInside::log(*store); }

  // Another server's write.
  int64_t elsewhere(const api::Resource& resource, const std::string& text) {
    Value object = json(text);
    const Value& metadata = std::as_const(object)["metadata"];
    store::Write write;
    write.key =
        store_key(resource, metadata["namespace"].as_string(), metadata["name"].as_string());
    write.tags = tags_of(resource, object);
    Encoded encoded = encode_object(resource, std::move(object), "");
    write.bytes = std::move(encoded.bytes);
    write.revision_at = encoded.revision_at;
    return store::must(store->commit(std::move(write))).revision;
  }

  Result<Value> write(const api::Resource& resource, Verb verb, const std::string& name,
                      const std::string& body) {
    WriteRequest request;
    request.resource = &resource;
    request.verb = verb;
    request.ns = "x";
    request.name = name;
    request.user.name = "tester";
    request.user.groups = {std::string(kMastersGroup)};
    request.options.field_manager = "tester";
    if (!body.empty()) request.body = json(body);
    const WriteReply reply = ORCH_TRY(parts->registry.run(std::move(request)));
    return reply.record ? decode_stored(reply.record->bytes) : Value();
  }

  struct Parts {
    Parts(store::Store& store, Indexes& indexes)
        : admission(store, system_random()),
          authorizer(indexes.policy, indexes.nodes),
          quotas(store),
          fresh(store),
          registry({store, admission, authorizer, indexes.policy, quotas, indexes.services,
                    system_clock(), system_random()},
                   fresh, metrics) {}
    ~Parts() { fresh.stop(); }  // Its threads may still be on their way out of the registry.
    Admission admission;
    Authorizer authorizer;
    Quotas quotas;
    ServerMetrics metrics;
    Fresh fresh;
    Registry registry;
  };

  store::TestFolder folder;
  Indexes indexes{{*parse_cidr("10.43.0.0/24"), 30000, 30100}, system_random()};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Parts> parts;
};

const api::Resource& maps() { return api::resource::config_maps(); }

std::string map_of(const std::string& name, const std::string& value) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
         R"(","namespace":"x"},"data":{"a":")" + value + "\"}}";
}

TEST_CASE("what another server has just made is there to be written to", "[several]") {
  OneOfSeveral one;
  one.log().on_sync = [&] { one.elsewhere(maps(), map_of("late", "1")); };
  const auto patched = one.write(maps(), Verb::patch, "late", R"({"data":{"a":"2"}})");
  REQUIRE(patched.ok());
  CHECK(patched->at("data.a") == "2");
  CHECK(one.write(maps(), Verb::remove, "none", "").status().not_found());
}

TEST_CASE("a namespace that another server has just made is there to be written into",
          "[several]") {
  OneOfSeveral one;
  one.log().on_sync = [&] {
    one.elsewhere(api::resource::namespaces(),
                  R"({"metadata":{"name":"new"},"status":{"phase":"Active"}})");
  };
  WriteRequest request;
  request.resource = &maps();
  request.ns = "new";
  request.user.groups = {std::string(kMastersGroup)};
  request.options.field_manager = "tester";
  request.body = json(R"({"metadata":{"name":"a"}})");
  CHECK(one.parts->registry.run(std::move(request)).ok());
}

TEST_CASE("a write that would change nothing here may change something elsewhere", "[several]") {
  OneOfSeveral one;
  one.elsewhere(maps(), map_of("m", "old"));
  one.log().on_sync = [&] { one.elsewhere(maps(), map_of("m", "new")); };
  const auto patched = one.write(maps(), Verb::patch, "m", R"({"data":{"a":"old"}})");
  REQUIRE(patched.ok());
  const auto stands = one.store->get(store_key(maps(), "x", "m"));
  CHECK(decode_stored(stands->bytes).at("data.a") == "old");
}

TEST_CASE("two servers that choose the same address at once give it out once", "[several]") {
  OneOfSeveral one;
  const api::Resource& services = api::resource::services();
  // All but two addresses are taken, so that the choice is forced.
  for (int i = 3; i < 255; ++i) {
    const std::string n = std::to_string(i);
    one.elsewhere(services, R"({"metadata":{"name":"s)" + n +
                                R"(","namespace":"x"},"spec":{"clusterIP":"10.43.0.)" + n + "\"}}");
  }
  const std::string body = R"({"metadata":{"name":"mine"},"spec":{"ports":[{"port":80}]}})";
  // Whichever of the two this server has chosen, one is left.
  one.log().before_write = [&] {
    one.elsewhere(services, R"({"metadata":{"name":"theirs","namespace":"x"},
      "spec":{"clusterIP":"10.43.0.1"}})");
  };
  const auto first = one.write(services, Verb::create, "", body);
  REQUIRE(first.ok());
  CHECK(first->at("spec.clusterIP") == "10.43.0.2");
  const auto full = one.write(services, Verb::create, "",
                              R"({"metadata":{"name":"late"},"spec":{"ports":[{"port":80}]}})");
  CHECK_FALSE(full.ok());
}

TEST_CASE("a node port that was asked for and just given away elsewhere is refused", "[several]") {
  OneOfSeveral one;
  const api::Resource& services = api::resource::services();
  one.log().before_write = [&] {
    one.elsewhere(services, R"({"metadata":{"name":"theirs","namespace":"x"},
      "spec":{"type":"NodePort","clusterIP":"10.43.0.9","ports":[{"port":1,"nodePort":30007}]}})");
  };
  const auto lost = one.write(services, Verb::create, "",
                              R"({"metadata":{"name":"mine"},"spec":{"type":"NodePort",
                              "ports":[{"port":80,"nodePort":30007}]}})");
  REQUIRE_FALSE(lost.ok());
  CHECK(lost.status().code == 422);
  CHECK(lost.status().message.find("provided port is already allocated") != std::string::npos);
}

TEST_CASE("two servers don't let a namespace beyond its quota together", "[several]") {
  OneOfSeveral one;
  one.elsewhere(*api::Schema::builtin().find("", "v1", "resourcequotas"),
                R"({"metadata":{"name":"q","namespace":"x","uid":"q"},
                "spec":{"hard":{"count/configmaps":"1"}}})");
  one.log().before_write = [&] { one.elsewhere(maps(), map_of("theirs", "1")); };
  const auto lost = one.write(maps(), Verb::create, "", map_of("mine", "1"));
  REQUIRE_FALSE(lost.ok());
  CHECK(lost.status().code == 403);
  CHECK(lost.status().message.find("exceeded quota: q") != std::string::npos);
}

// What a watcher was sent.
class Lines : public http::Stream {
 public:
  bool write(http::Body piece) override {
    const std::lock_guard lock(mutex_);
    text_ += piece.flatten();
    changed_.notify_all();
    return true;
  }
  size_t backlog() const override { return 0; }
  bool wait_for_backlog(size_t) override { return true; }
  void close() override {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  void abort() override { close(); }
  std::string wait_for_close() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_; });
    return text_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  bool closed_ = false;
};

TEST_CASE("a watch whose events are lost ends with 410, and its session goes", "[several]") {
  OneOfSeveral one;
  std::atomic<uint64_t> told{0};
  auto selection = Selection::make(maps(), "x", "", "", "");
  REQUIRE(selection.ok());
  const auto frames = std::make_shared<WatchFrames>(system_clock(), told, maps(),
                                                    *std::move(selection), Presentation());
  auto session = std::make_shared<WatchSession>(*one.store, frames, true);
  const auto lines = std::make_shared<Lines>();
  std::promise<void> over;
  REQUIRE(session->begin(lines, {}, one.store->revision(), false, [&] { over.set_value(); }));
  one.elsewhere(maps(), map_of("m", "1"));
  store::replace_state(*one.store, {}, one.store->revision() + 100);
  const std::string text = lines->wait_for_close();
  CHECK(text.find("ADDED") != std::string::npos);
  const std::string last = text.substr(text.rfind('\n', text.size() - 2) + 1);
  CHECK(json(last)["type"] == "ERROR");
  CHECK(json(last).at("object.code").as_int() == 410);
  CHECK(json(last).at("object.reason") == "Expired");
  over.get_future().wait();
}

// What a subscriber was told, in order.
class Heard {
 public:
  void take(const client::Change& change) {
    using Type = client::Change::Type;
    const std::lock_guard lock(mutex_);
    heard_.push_back((change.type == Type::added      ? "added "
                      : change.type == Type::modified ? "modified "
                                                      : "deleted ") +
                     change.key.name);
    changed_.notify_all();
  }
  std::vector<std::string> wait_for(const std::string& last) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !heard_.empty() && heard_.back() == last; });
    return heard_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> heard_;
};

TEST_CASE("loops hear what a state that was taken changes, removals included", "[several]") {
  OneOfSeveral one, leader;
  one.elsewhere(maps(), map_of("gone", "1"));
  one.elsewhere(maps(), map_of("kept", "1"));
  LocalCache cache(*one.store);
  Heard heard;
  const auto subscription =
      cache.subscribe(maps(), [&](const client::Change& change) { heard.take(change); });
  leader.elsewhere(maps(), map_of("m", "1"));
  leader.elsewhere(maps(), map_of("m", "1"));
  std::vector<store::RecordPtr> state;
  leader.elsewhere(maps(), map_of("kept", "2"));
  leader.elsewhere(maps(), map_of("new", "2"));
  for (const char* name : {"kept", "new"}) {
    state.push_back(leader.store->get(store_key(maps(), "x", name)));
  }
  store::replace_state(*one.store, state, leader.store->revision() + 1);
  one.elsewhere(maps(), map_of("after", "3"));
  CHECK(heard.wait_for("added after") == std::vector<std::string>{"added gone", "added kept",
                                                                  "modified kept", "added new",
                                                                  "deleted gone", "added after"});
}

TEST_CASE("loops hear what changes when a datastore goes back to an older state", "[several]") {
  OneOfSeveral one, older;
  older.elsewhere(maps(), map_of("kept", "1"));
  const auto kept = older.store->get(store_key(maps(), "x", "kept"));
  for (int i = 0; i < 5; ++i) one.elsewhere(maps(), map_of("kept", std::to_string(i)));
  one.elsewhere(maps(), map_of("gone", "1"));
  LocalCache cache(*one.store);
  Heard heard;
  const auto subscription =
      cache.subscribe(maps(), [&](const client::Change& change) { heard.take(change); });
  REQUIRE(older.store->revision() < one.store->revision());
  store::replace_state(*one.store, {kept}, older.store->revision());
  CHECK(heard.wait_for("modified kept") ==
        std::vector<std::string>{"added gone", "added kept", "deleted gone", "modified kept"});
}

TEST_CASE("which reads want the latest", "[several]") {
  ReadOptions options;
  CHECK(wants_newer(options, 10));
  options.revision = 0;
  CHECK_FALSE(wants_newer(options, 10));
  options.revision = 10;
  CHECK_FALSE(wants_newer(options, 10));
  options.revision = 11;  // Another server has shown it.
  CHECK(wants_newer(options, 10));
  options.revision.reset();
  options.continue_token = "t";
  CHECK_FALSE(wants_newer(options, 10));
}

}  // namespace
}  // namespace orch::apiserver
