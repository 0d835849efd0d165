// Watches as clients live with them: sequences of frames, transitions of selectors, the ways to
// begin and to end.
#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <mutex>

#include "server/apiserver/test_server.h"
#include "server/apiserver/watch_socket.h"

namespace orch::apiserver {
namespace {

constexpr int kFrameMs = 5'000;

// Reads frames, one JSON document a line.
class Watcher {
 public:
  Watcher(TestServer& server, const std::string& target, const std::string& accept = "") {
    http::ClientOptions options = server.client_options();
    options.certificate = server.server().admin_identity().certificate;
    options.private_key = server.server().admin_identity().private_key;
    auto client = http::Client::create(std::move(options));
    REQUIRE(client.ok());
    client_ = *std::move(client);
    http::Request request;
    request.target = target;
    if (!accept.empty()) request.headers.set("Accept", accept);
    auto stream = client_->open(request);
    REQUIRE(stream.ok());
    stream_ = *std::move(stream);
  }

  int code() const { return stream_->head().status; }

  // Null when the stream has ended.
  api::Value next() {
    while (buffer_.find('\n') == std::string::npos) {
      char piece[4096];
      const auto read = stream_->read(piece, sizeof piece, kFrameMs);
      REQUIRE(read.ok());
      if (*read == 0) return {};
      buffer_.append(piece, *read);
    }
    const size_t end = buffer_.find('\n');
    auto frame = api::parse_json(buffer_.substr(0, end));
    REQUIRE(frame.ok());
    buffer_.erase(0, end + 1);
    return *std::move(frame);
  }
  // "ADDED one"
  std::string line() {
    const api::Value frame = next();
    return frame["type"].as_string() + " " + frame.at("object.metadata.name").as_string();
  }

 private:
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<http::ResponseStream> stream_;
  std::string buffer_;
};

std::string list_revision(TestServer& server) {
  return server.get(kConfigMaps).at("metadata.resourceVersion");
}

TEST_CASE("a watch tells what stands, then every change") {
  TestServer server;
  const std::string one = std::string(kConfigMaps) + "/one";
  const auto made = server.post(kConfigMaps, TestServer::config("one"));
  Watcher watcher(server, std::string(kConfigMaps) + "?watch=true");
  CHECK(watcher.code() == 200);
  CHECK(watcher.line() == "ADDED one");
  const auto changed =
      server.call("PATCH", one, R"({"data":{"b":"2"}})", "application/merge-patch+json");
  const api::Value frame = watcher.next();
  CHECK(frame["type"].as_string() == "MODIFIED");
  CHECK(frame["object"] == changed.json);
  REQUIRE(server.call("DELETE", one).code == 200);
  const api::Value gone = watcher.next();
  CHECK(gone["type"].as_string() == "DELETED");
  // The last state, at the revision that took it away.
  CHECK(gone.at("object.data.b").as_string() == "2");
  CHECK(gone.at("object.metadata.resourceVersion") != changed.json.at("metadata.resourceVersion"));
}

TEST_CASE("a watch from a revision brings only what came after it") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("before")).code == 201);
  const std::string revision = list_revision(server);
  REQUIRE(server.post(kConfigMaps, TestServer::config("after")).code == 201);
  Watcher watcher(server, std::string(kConfigMaps) + "?watch=true&resourceVersion=" + revision);
  CHECK(watcher.line() == "ADDED after");
}

TEST_CASE("to a selector, objects come and go as they begin and cease to match") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  const std::string path = std::string(kConfigMaps) + "/a";
  const auto label = [&](const char* value) {
    const std::string patch = std::string(R"({"metadata":{"labels":{"x":)") + value + "}}}";
    REQUIRE(server.call("PATCH", path, patch, "application/merge-patch+json").code == 200);
  };
  Watcher watcher(server, std::string(kConfigMaps) + "?watch=true&labelSelector=x%3D1" +
                              "&resourceVersion=" + list_revision(server));
  label("\"1\"");
  CHECK(watcher.line() == "ADDED a");
  REQUIRE(
      server.call("PATCH", path, R"({"data":{"a":"9"}})", "application/merge-patch+json").code ==
      200);
  CHECK(watcher.line() == "MODIFIED a");
  label("\"2\"");
  const api::Value gone = watcher.next();
  CHECK(gone["type"].as_string() == "DELETED");
  CHECK(gone.at("object.metadata.labels.x").as_string() == "1");
  label("\"1\"");
  CHECK(watcher.line() == "ADDED a");
  REQUIRE(server.call("DELETE", path).code == 200);
  CHECK(watcher.line() == "DELETED a");
}

TEST_CASE("one object is watched by name") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  Watcher watcher(server, std::string(kConfigMaps) + "?watch=true&fieldSelector=metadata.name%3Db");
  REQUIRE(server.post(kConfigMaps, TestServer::config("b")).code == 201);
  CHECK(watcher.line() == "ADDED b");
}

TEST_CASE("a watch list ends its beginning with a bookmark") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  const std::string revision = list_revision(server);
  Watcher watcher(server, std::string(kConfigMaps) +
                              "?watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
                              "&resourceVersionMatch=NotOlderThan");
  CHECK(watcher.line() == "ADDED a");
  const api::Value mark = watcher.next();
  CHECK(mark["type"].as_string() == "BOOKMARK");
  CHECK(mark.at("object.kind").as_string() == "ConfigMap");
  CHECK(mark.at("object.metadata.resourceVersion").as_string() == revision);
  CHECK(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"].as_string() ==
        "true");
  REQUIRE(server.post(kConfigMaps, TestServer::config("b")).code == 201);
  CHECK(watcher.line() == "ADDED b");
}

TEST_CASE("a watch ends at its timeout, with a bookmark") {
  TestServer server;
  Watcher watcher(
      server, std::string(kConfigMaps) + "?watch=true&timeoutSeconds=1&allowWatchBookmarks=true");
  CHECK(watcher.next()["type"].as_string() == "BOOKMARK");
  CHECK(watcher.next().is_null());
}

TEST_CASE("a watch whose timeout is more seconds than a clock can count goes on") {
  for (const char* seconds : {"9223372036854775807", "9223372037"}) {
    TestServer server;
    Watcher watcher(server, std::string(kConfigMaps) + "?watch=true&timeoutSeconds=" + seconds);
    REQUIRE(server.post(kConfigMaps, TestServer::config(seconds)).code == 201);
    CHECK(watcher.line() == std::string("ADDED ") + seconds);
  }
}

TEST_CASE("a watch from a forgotten revision is told so") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  server.restart();  // The history begins anew.
  Watcher watcher(server, std::string(kConfigMaps) + "?watch=true&resourceVersion=2");
  const api::Value frame = watcher.next();
  CHECK(frame["type"].as_string() == "ERROR");
  CHECK(frame.at("object.code").as_int() == 410);
  CHECK(frame.at("object.reason").as_string() == "Expired");
  CHECK(watcher.next().is_null());
}

TEST_CASE("a table is watched row by row, its columns named once") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  Watcher watcher(server, std::string(kConfigMaps) + "?watch=true",
                  "application/json;as=Table;v=v1;g=meta.k8s.io");
  const api::Value first = watcher.next();
  CHECK(first.at("object.kind").as_string() == "Table");
  CHECK(first["object"]["columnDefinitions"].size() > 0);
  CHECK(first["object"]["rows"][0]["cells"][0].as_string() == "a");
  REQUIRE(server.post(kConfigMaps, TestServer::config("b")).code == 201);
  CHECK(watcher.next()["object"]["columnDefinitions"].size() == 0);
}

TEST_CASE("options of a watch that contradict each other are refused") {
  TestServer server;
  const std::string base = std::string(kConfigMaps) + "?watch=true&";
  CHECK(server.get(base + "sendInitialEvents=true").code == 422);
  CHECK(server.get(base + "resourceVersionMatch=NotOlderThan").code == 422);
  CHECK(server.get(base + "resourceVersion=x").code == 422);
  CHECK(server.get(base + "labelSelector=%3D%3D").code == 400);
}

TEST_CASE("a socket's messages are the events that a watch wrote") {
  using Framing = WatchSocket::Framing;
  using Events = std::vector<std::string_view>;
  CHECK(split_events("{1}\n{2}\n", Framing::lines) == Events{"{1}", "{2}"});
  CHECK(split_events("", Framing::lines).empty());
  const std::string framed("\0\0\0\3abc\0\0\0\1d", 12);
  CHECK(split_events(framed, Framing::protobuf) == Events{"abc", "d"});
}

TEST_CASE("the cache in the process hears the same changes") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  std::mutex mutex;
  std::condition_variable told;
  std::vector<std::string> seen;
  auto subscription = server.server().cache().subscribe(
      api::resource::config_maps(), [&](const client::Change& change) {
        const std::lock_guard lock(mutex);
        const char* type = change.type == client::Change::Type::added      ? "+"
                           : change.type == client::Change::Type::modified ? "~"
                                                                           : "-";
        seen.push_back(type + change.key.to_string());
        told.notify_all();
      });
  const std::string path = std::string(kConfigMaps) + "/a";
  REQUIRE(
      server.call("PATCH", path, R"({"data":{"z":"1"}})", "application/merge-patch+json").code ==
      200);
  REQUIRE(server.call("DELETE", path).code == 200);
  std::unique_lock lock(mutex);
  REQUIRE(
      told.wait_for(lock, std::chrono::milliseconds(kFrameMs), [&] { return seen.size() == 3; }));
  CHECK(seen == std::vector<std::string>{"+default/a", "~default/a", "-default/a"});
}

}  // namespace
}  // namespace orch::apiserver
