// Test support: a whole API server on a free port of the loopback, in a folder of its own, and a
// client that speaks to it as an administrator.
#pragma once

#include <stdlib.h>

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <memory>
#include <string>

#include "api/json.h"
#include "api/resources.h"
#include "base/files.h"
#include "http/client.h"
#include "server/apiserver/server.h"

namespace orch::apiserver {

struct Answer {
  int code = 0;
  api::Value json;
  std::string text;
  http::Headers headers;

  const std::string& message() const { return json["message"].as_string(); }
  const std::string& at(std::string_view path) const { return json.at(path).as_string(); }
};

class TestServer {
 public:
  static constexpr const char* kJoinToken = "join-token";

  // `adjust` may change what the server is started with.
  explicit TestServer(std::function<void(Options&)> adjust = {}) : adjust_(std::move(adjust)) {
    char path[] = "/tmp/orch-apiserver-XXXXXX";
    REQUIRE(mkdtemp(path) != nullptr);
    folder_ = path;
    start();
  }
  ~TestServer() {
    client_.reset();
    server_.reset();
    static_cast<void>(remove_tree(folder_));
  }

  void restart() {
    stop();
    start();
  }
  void stop() {
    client_.reset();
    server_.reset();
  }
  void start() {
    auto server = ApiServer::start(options());
    if (!server) FAIL(server.status().message);
    server_ = *std::move(server);
    http::ClientOptions admin = client_options();
    admin.certificate = server_->admin_identity().certificate;
    admin.private_key = server_->admin_identity().private_key;
    auto client = http::Client::create(std::move(admin));
    REQUIRE(client.ok());
    client_ = *std::move(client);
  }
  Options options() const {
    Options options;
    options.data_dir = folder_;
    options.bind_address = "127.0.0.1";
    options.port = 0;
    options.advertise_address = "10.99.0.1";
    options.join_token = kJoinToken;
    if (adjust_) adjust_(options);
    return options;
  }

  ApiServer& server() { return *server_; }
  const std::string& folder() const { return folder_; }

  http::ClientOptions client_options() const {
    http::ClientOptions options;
    options.url = server_->url();
    options.ca = server_->ca_certificate();
    return options;
  }

  Answer send(http::Client& client, http::Request request) {
    auto response = client.send(request);
    REQUIRE(response.ok());
    Answer answer;
    answer.code = response->status;
    answer.headers = response->headers;
    answer.text = response->body.flatten();
    if (auto json = api::parse_json(answer.text)) answer.json = *std::move(json);
    return answer;
  }

  // As the administrator; `type` is the body's.
  Answer call(const std::string& method, const std::string& target, const std::string& body = "",
              const std::string& type = "application/json", const std::string& accept = "") {
    http::Request request;
    request.method = method;
    request.target = target;
    request.body = body;
    if (!body.empty()) request.headers.set("Content-Type", type);
    if (!accept.empty()) request.headers.set("Accept", accept);
    return send(*client_, std::move(request));
  }
  Answer get(const std::string& target) { return call("GET", target); }
  Answer post(const std::string& target, const std::string& body) {
    return call("POST", target, body);
  }

  // With a bearer token and no certificate; "" = anonymous.
  Answer call_as(const std::string& token, const std::string& method, const std::string& target,
                 const std::string& body = "") {
    auto client = http::Client::create(client_options());
    REQUIRE(client.ok());
    http::Request request;
    request.method = method;
    request.target = target;
    request.body = body;
    request.headers.set("Content-Type", "application/json");
    if (!token.empty()) request.headers.set("Authorization", "Bearer " + token);
    return send(**client, std::move(request));
  }

  // A service account, so that pods of the namespace are admitted.
  void add_account(const std::string& ns = "default", const std::string& name = "default") {
    const auto made = post("/api/v1/namespaces/" + ns + "/serviceaccounts",
                           R"({"metadata":{"name":")" + name + R"("}})");
    REQUIRE(made.code == 201);
  }

  static std::string pod(const std::string& name, const std::string& more_metadata = "",
                         const std::string& more_spec = "") {
    return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name + "\"" + more_metadata +
           R"(},"spec":{"containers":[{"name":"c","image":"i:1"}])" + more_spec + "}}";
  }
  static std::string config(const std::string& name, const std::string& more = "") {
    return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name + "\"" + more +
           R"(},"data":{"a":"1"}})";
  }

 private:
  std::function<void(Options&)> adjust_;
  std::string folder_;
  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<http::Client> client_;
};

inline constexpr const char* kPods = "/api/v1/namespaces/default/pods";
inline constexpr const char* kConfigMaps = "/api/v1/namespaces/default/configmaps";
inline constexpr const char* kServices = "/api/v1/namespaces/default/services";

}  // namespace orch::apiserver
