// Protobuf as typed clients speak it: bodies, answers, failures and watches, over real connections;
// and what is answered to whom (negotiation).
#include "api/protobuf.h"

#include <catch2/catch_test_macros.hpp>

#include "server/apiserver/media.h"
#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

const std::string kProtobuf(api::kProtobufType);
const std::string kPartial =
    kProtobuf + ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json";

std::string encoded(const std::string& json) {
  const api::Value value = api::parse_json(json).value();
  const api::Type* type = api::Schema::builtin().find_document_type(value["apiVersion"].as_string(),
                                                                    value["kind"].as_string());
  REQUIRE(type != nullptr);
  return api::encode_protobuf(*type, value);
}

api::Value decoded(const std::string& body) {
  auto value = api::decode_protobuf(api::Schema::builtin(), body);
  REQUIRE(value.ok());
  return *std::move(value);
}

api::Value decoded(const Answer& answer) {
  CHECK(answer.headers.get("Content-Type") == kProtobuf);
  return decoded(answer.text);
}

// WatchEvents behind their lengths; each holds a body of its own.
class FrameReader {
 public:
  FrameReader(TestServer& server, const std::string& target, const std::string& accept) {
    http::ClientOptions options = server.client_options();
    options.certificate = server.server().admin_identity().certificate;
    options.private_key = server.server().admin_identity().private_key;
    auto client = http::Client::create(std::move(options));
    REQUIRE(client.ok());
    client_ = *std::move(client);
    http::Request request;
    request.target = target;
    request.headers.set("Accept", accept);
    auto stream = client_->open(request);
    REQUIRE(stream.ok());
    stream_ = *std::move(stream);
    CHECK(stream_->head().headers.get("Content-Type") == kProtobuf + ";stream=watch");
  }

  // {"type": ..., "object": ...}
  api::Value next() {
    const std::string head = take(4);
    size_t size = 0;
    for (const char c : head) size = size << 8 | static_cast<unsigned char>(c);
    const std::string event = take(size);
    // {1: type, 2: {1: raw}}: the type's length is one byte, and raw ends the event.
    REQUIRE(event.size() > 2);
    REQUIRE(event[0] == '\x0a');
    const auto type_size = static_cast<size_t>(event[1]);
    const size_t magic = event.find(std::string("k8s\0", 4));
    REQUIRE(magic != std::string::npos);
    return api::Value::object(
        {{"type", event.substr(2, type_size)}, {"object", decoded(event.substr(magic))}});
  }
  std::string line() {
    const api::Value event = next();
    return event["type"].as_string() + " " + event["object"]["kind"].as_string() + " " +
           event.at("object.metadata.name").as_string();
  }

 private:
  std::string take(size_t size) {
    constexpr int kFrameMs = 5'000;
    while (buffer_.size() < size) {
      char piece[4096];
      const auto read = stream_->read(piece, sizeof piece, kFrameMs);
      REQUIRE(read.ok());
      REQUIRE(*read > 0);
      buffer_.append(piece, *read);
    }
    const std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }

  std::unique_ptr<http::Client> client_;
  std::unique_ptr<http::ResponseStream> stream_;
  std::string buffer_;
};

TEST_CASE("an object lives its life in protobuf") {
  TestServer server;
  const std::string one = std::string(kConfigMaps) + "/one";
  const auto call = [&](const std::string& method, const std::string& target,
                        const std::string& body = "") {
    return server.call(method, target, body, kProtobuf, kProtobuf);
  };
  const Answer made = call("POST", kConfigMaps, encoded(TestServer::config("one")));
  CHECK(made.code == 201);
  CHECK(decoded(made).at("data.a") == api::Value("1"));

  const Answer got = call("GET", one);
  api::Value object = decoded(got);
  CHECK(object == decoded(made));
  const Answer json = server.get(one);
  CHECK(json.headers.get("Content-Type") == "application/json");
  CHECK(object == json.json);

  object["data"].set("b", "2");
  const Answer updated = call("PUT", one, encoded(api::to_json(object)));
  CHECK(updated.code == 200);
  CHECK(decoded(updated).at("data.b") == api::Value("2"));

  const Answer patched = server.call("PATCH", one, R"({"data":{"c":"3"}})",
                                     "application/strategic-merge-patch+json", kProtobuf);
  CHECK(decoded(patched).at("data.c") == api::Value("3"));

  const std::string options =
      encoded(R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"})");
  const Answer removed = call("DELETE", one, options);
  CHECK(removed.code == 200);
  CHECK(decoded(removed)["status"] == api::Value("Success"));

  const Answer missing = call("GET", one);
  CHECK(missing.code == 404);
  CHECK(decoded(missing)["reason"] == api::Value("NotFound"));
  CHECK(decoded(missing).at("details.name") == api::Value("one"));
}

TEST_CASE("a list in protobuf is the one in JSON") {
  TestServer server;
  for (const char* name : {"a", "b", "c"}) server.post(kConfigMaps, TestServer::config(name));
  const std::string target = std::string(kConfigMaps) + "?limit=2";
  const api::Value list = decoded(server.call("GET", target, "", "", kProtobuf));
  const api::Value json = server.get(target).json;
  CHECK(list["kind"] == api::Value("ConfigMapList"));
  CHECK(list["metadata"] == json["metadata"]);
  REQUIRE(list["items"].size() == 2);
  for (int i = 0; i < 2; ++i) {
    CHECK(list["items"][i] == json["items"][i]);
  }
  SECTION("metadata alone") {
    const api::Value partial = decoded(server.call("GET", kConfigMaps, "", "", kPartial));
    CHECK(partial["kind"] == api::Value("PartialObjectMetadataList"));
    REQUIRE(partial["items"].size() == 3);
    CHECK(partial["items"][2].at("metadata.name") == api::Value("c"));
    CHECK_FALSE(partial["items"][2].has("data"));
    const std::string a = std::string(kConfigMaps) + "/a";
    const api::Value single = decoded(server.call("GET", a, "", "", kPartial));
    CHECK(single["kind"] == api::Value("PartialObjectMetadata"));
    CHECK(single["apiVersion"] == api::Value("meta.k8s.io/v1"));
    CHECK(single["metadata"] == server.get(a).json["metadata"]);
  }
  SECTION("a deleted collection") {
    CHECK(decoded(server.call("DELETE", kConfigMaps, "", "", kProtobuf))["status"] ==
          api::Value("Success"));
  }
}

TEST_CASE("a review is read and answered in protobuf") {
  TestServer server;
  const Answer review = server.call(
      "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
      encoded(R"({"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1",
                  "metadata":{},"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}})"),
      kProtobuf, kProtobuf);
  CHECK(review.code == 201);
  CHECK(decoded(review).at("status.allowed") == api::Value(true));
}

TEST_CASE("a watch in protobuf") {
  TestServer server;
  const std::string one = std::string(kConfigMaps) + "/one";
  server.post(kConfigMaps, TestServer::config("one"));
  const std::string target = std::string(kConfigMaps) +
                             "?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
                             "&resourceVersionMatch=NotOlderThan";
  SECTION("of objects") {
    FrameReader frames(server, target, kProtobuf);
    CHECK(frames.next()["object"] == server.get(one).json);
    const api::Value bookmark = frames.next();
    CHECK(bookmark["type"] == api::Value("BOOKMARK"));
    CHECK(bookmark.at("object.metadata")["annotations"]["k8s.io/initial-events-end"] ==
          api::Value("true"));
    server.call("PATCH", one, R"({"data":{"b":"2"}})", "application/merge-patch+json");
    CHECK(frames.line() == "MODIFIED ConfigMap one");
    server.call("DELETE", one);
    CHECK(frames.line() == "DELETED ConfigMap one");
  }
  SECTION("of metadata alone") {
    FrameReader frames(server, target, kPartial);
    CHECK(frames.line() == "ADDED PartialObjectMetadata one");
    CHECK(frames.line() == "BOOKMARK PartialObjectMetadata ");
  }
}

TEST_CASE("a body that is no protobuf is refused") {
  TestServer server;
  const Answer answer = server.call("POST", kConfigMaps, "{}", kProtobuf);
  CHECK(answer.code == 400);
  CHECK(answer.at("reason") == "BadRequest");
}

TEST_CASE("the client's wish decides between JSON, YAML and protobuf") {
  using Encoding = Media::Encoding;
  const std::string table = ";as=Table;g=meta.k8s.io;v=v1";
  const struct {
    std::string accept;
    Encoding encoding, without;  // Where the kind has a protobuf form, and where it has none.
    Media::Form form = Media::Form::object;
  } cases[] = {
      {"", Encoding::json, Encoding::json},
      {"*/*", Encoding::json, Encoding::json},
      {kProtobuf + ",application/json", Encoding::protobuf, Encoding::json},
      {"application/json," + kProtobuf, Encoding::json, Encoding::json},
      {"application/json;q=0.5," + kProtobuf, Encoding::protobuf, Encoding::json},
      {kProtobuf + ";q=0.1, application/yaml;q=0.2", Encoding::yaml, Encoding::yaml},
      {kProtobuf + ";stream=watch, */*", Encoding::protobuf, Encoding::json},
      {kProtobuf + table + ", application/json" + table, Encoding::json, Encoding::json,
       Media::Form::table},
      {kPartial, Encoding::protobuf, Encoding::json, Media::Form::partial},
  };
  for (const auto& [accept, encoding, without, form] : cases) {
    INFO(accept);
    const auto media = negotiate(accept, true);
    REQUIRE(media.ok());
    CHECK(media->encoding == encoding);
    CHECK(media->form == form);
    const auto poorer = negotiate(accept, false);
    REQUIRE(poorer.ok());
    CHECK(poorer->encoding == without);
  }
  CHECK(negotiate(kProtobuf, false).status().code == 406);
  CHECK(negotiate(kProtobuf + table, true).status().code == 406);
}

}  // namespace
}  // namespace orch::apiserver
