// RemoteApi and RemoteCache over real TLS on loopback, against a server that the test scripts.
#include <catch2/catch_test_macros.hpp>
#include <map>

#include "api/resources.h"
#include "client/kubeconfig.h"
#include "client/remote_api.h"
#include "client/remote_cache.h"
#include "http/http_fixture.h"

namespace orch::client {
namespace {

using api::Value;
namespace resource = api::resource;
using namespace std::chrono_literals;

// Plays an API server: remembers requests, answers lists and watches as the test says.
class ScriptedApi {
 public:
  ScriptedApi() : server_(http::test::serve([this](auto exchange) { answer(exchange); })) {}

  std::shared_ptr<Connection> connect(std::string token = "") {
    return connect_to({url()}, std::move(token));
  }
  static std::shared_ptr<Connection> connect_to(std::vector<std::string> urls,
                                                std::string token = "") {
    const auto make_client = [](const std::string& url) -> Result<std::unique_ptr<http::Client>> {
      const auto port = std::stoi(url.substr(url.rfind(':') + 1));
      return http::test::connect(static_cast<uint16_t>(port));
    };
    return std::make_shared<Connection>(std::move(urls), make_client, std::move(token), "me");
  }
  uint16_t port() const { return server_->port(); }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port()); }
  void wait_for_watch() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, 10s, [&] { return stream_ != nullptr; }));
  }
  void answer_with(int status, std::string body) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    body_ = std::move(body);
  }
  // Sends a line on the watch, once one is open.
  void send_event(const std::string& line) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, 10s, [&] { return stream_ != nullptr; }));
    stream_->write(http::Body(line + "\n"));
  }
  void end_watch() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, 10s, [&] { return stream_ != nullptr; }));
    std::exchange(stream_, nullptr)->close();
  }
  http::Request last() {
    const std::lock_guard lock(mutex_);
    return requests_.back();
  }
  std::vector<std::string> targets() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const auto& request : requests_) out.push_back(request.target);
    return out;
  }

 private:
  void answer(std::shared_ptr<http::Exchange> exchange) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(exchange->request());
    http::Response response;
    if (exchange->request().target.find("watch=true") != std::string::npos) {
      stream_ = exchange->start_stream(std::move(response), 1 << 20, [] {});
      changed_.notify_all();
      return;
    }
    response.status = status_;
    response.body = http::Body(body_);
    exchange->send(std::move(response));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<http::Request> requests_;
  int status_ = 200;
  std::string body_ = "{}";
  std::shared_ptr<http::Stream> stream_;
  std::unique_ptr<http::Server> server_;  // Last: its threads use the others.
};

// What a subscriber was told: "added a@11".
class Told {
 public:
  void operator()(const Change& change) {
    static constexpr const char* names[] = {"added ", "modified ", "deleted "};
    const std::lock_guard lock(mutex_);
    lines_.push_back(names[static_cast<int>(change.type)] + change.key.name + "@" +
                     std::to_string(change.revision));
    changed_.notify_all();
  }
  std::vector<std::string> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 10s, [&] { return lines_.size() >= count; });
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

std::string pod(const std::string& name, int revision, const std::string& label = "x") {
  return R"({"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default","name":")" + name +
         R"(","resourceVersion":")" + std::to_string(revision) + R"(","labels":{"l":")" + label +
         R"("},"ownerReferences":[{"uid":"u-)" + name + R"("}]}})";
}
std::string pod_list(int revision, const std::string& items) {
  return R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":")" +
         std::to_string(revision) + R"("},"items":[)" + items + "]}";
}
std::string event(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}";
}

TEST_CASE("each call is the request that Kubernetes documents") {
  ScriptedApi server;
  RemoteApi api(server.connect("secret"));
  server.answer_with(200, pod("a", 7));
  const auto got = api.get(resource::pods(), {"default", "a"});
  REQUIRE(got.ok());
  CHECK(key_of(*got).name == "a");
  CHECK(server.last().method == "GET");
  CHECK(server.last().target == "/api/v1/namespaces/default/pods/a");
  CHECK(server.last().headers.get("authorization") == "Bearer secret");

  REQUIRE(api.update(resource::pods(), *got, "status").ok());
  CHECK(server.last().method == "PUT");
  CHECK(server.last().target == "/api/v1/namespaces/default/pods/a/status");

  REQUIRE(api.create(resource::deployments(), *got).ok());
  CHECK(server.last().target == "/apis/apps/v1/namespaces/default/deployments");

  REQUIRE(
      api.patch(resource::pods(), {"default", "a"}, PatchType::strategic, Value::object()).ok());
  CHECK(server.last().headers.get("content-type") == "application/strategic-merge-patch+json");

  REQUIRE(api.remove(resource::nodes(), {"", "n"}, {"u", "", 0, ""}).ok());
  CHECK(server.last().method == "DELETE");
  CHECK(server.last().target == "/api/v1/nodes/n");
  const auto body = api::parse_json(server.last().body);
  CHECK(std::as_const(*body).at("preconditions.uid").as_string() == "u");
  CHECK(std::as_const(*body).at("gracePeriodSeconds").as_int(-1) == 0);

  server.answer_with(200, pod_list(9, R"({"metadata":{"name":"a"}})"));
  const auto list = api.list(resource::pods(), {"", "a=b", ""});
  REQUIRE(list.ok());
  CHECK((*list)[0]["kind"].as_string() == "Pod");
  CHECK(server.last().target == "/api/v1/pods?labelSelector=a%3Db&limit=500");
}

TEST_CASE("a refusal is the Status that the server gave") {
  ScriptedApi server;
  RemoteApi api(server.connect());
  server.answer_with(409, R"({"kind":"Status","reason":"AlreadyExists","message":"is there",
    "details":{"name":"a","kind":"pods","causes":[{"reason":"r","message":"m","field":"f"}]}})");
  const auto created = api.create(resource::pods(), Value::object());
  REQUIRE_FALSE(created.ok());
  CHECK(created.status().already_exists());
  CHECK(created.status().message == "is there");
  CHECK(created.status().details.causes.size() == 1);
  server.answer_with(502, "<html>");
  CHECK(api.get(resource::pods(), {"d", "a"}).status().code == 502);
}

TEST_CASE("who joins posts once, and hears the Status that the server gave") {
  ScriptedApi server;
  http::ClientOptions options = http::test::client_options(server.port());
  const auto post = [&] {
    http::Request request;
    request.target = "/orch/v1/join";
    return post_once(options, std::move(request), Value::object({{"a", 1}}));
  };
  server.answer_with(200, R"({"b":2})");
  const auto answer = post();
  REQUIRE(answer.ok());
  CHECK((*answer)["b"].as_int() == 2);
  const http::Request sent = server.last();
  CHECK(sent.method == "POST");
  CHECK(sent.body == R"({"a":1})");
  server.answer_with(409, R"({"kind":"Status","reason":"AlreadyExists","message":"is there"})");
  CHECK(post().status().already_exists());
  server.answer_with(200, std::string(100, ' '));
  options.max_body_bytes = 50;
  CHECK_FALSE(post().ok());
}

TEST_CASE("the cache lists, watches, tells, and lists again when its revision is gone") {
  ScriptedApi server;
  server.answer_with(200, pod_list(10, pod("a", 5) + "," + pod("b", 6)));
  RemoteCache cache(server.connect(), system_random());
  cache.select(resource::pods(), {"", "", "spec.nodeName=n"});
  Told told;
  const auto subscription =
      cache.subscribe(resource::pods(), [&](const Change& change) { told(change); });
  REQUIRE(cache.wait_synced(10'000));
  CHECK(told.wait_for(2) == std::vector<std::string>{"added a@5", "added b@6"});
  CHECK(server.targets()[0] == "/api/v1/pods?fieldSelector=spec.nodeName%3Dn");
  CHECK(cache.list(resource::pods(), {"", "u-b", "", "", ""}).size() == 1);

  server.send_event(event("MODIFIED", pod("a", 11, "y")));
  server.send_event(event("DELETED", pod("b", 12)));
  CHECK(told.wait_for(4)[3] == "deleted b@12");
  CHECK(cache.list(resource::pods(), {"", "", "l=y", "", ""}).size() == 1);
  CHECK_FALSE(cache.get(resource::pods(), {"default", "b"}));

  server.end_watch();  // In good order: goes on where it was.
  server.send_event(event("ADDED", pod("c", 13)));
  CHECK(told.wait_for(5)[4] == "added c@13");
  CHECK(server.targets().back().find("resourceVersion=12&") != std::string::npos);

  server.answer_with(200, pod_list(30, pod("c", 13) + "," + pod("d", 29)));
  server.send_event(event("ERROR", R"({"kind":"Status","code":410,"reason":"Expired"})"));
  const auto lines = told.wait_for(7);  // c is as it was, a went unseen.
  CHECK(lines[5] == "added d@29");
  CHECK(lines[6] == "deleted a@30");
}

TEST_CASE("bookmarks move the revision on") {
  ScriptedApi server;
  server.answer_with(200, pod_list(10, ""));
  RemoteCache cache(server.connect(), system_random());
  std::mutex mutex;
  std::condition_variable changed;
  int64_t seen = 0;
  const auto revisions = cache.subscribe_revision([&](int64_t revision) {
    const std::lock_guard lock(mutex);
    seen = revision;
    changed.notify_all();
  });
  const auto subscription = cache.subscribe(resource::pods(), [](const Change&) {});
  server.send_event(event("BOOKMARK", R"({"metadata":{"resourceVersion":"99"}})"));
  std::unique_lock lock(mutex);
  CHECK(changed.wait_for(lock, 10s, [&] { return seen == 99; }));
  CHECK(cache.revision() == 99);
}

TEST_CASE("a server that is gone costs a read nothing and a write one answer") {
  auto first = std::make_unique<ScriptedApi>();
  ScriptedApi second;
  first->answer_with(200, pod("a", 7));
  second.answer_with(200, pod("a", 8));
  const auto connection = ScriptedApi::connect_to({first->url(), second.url()});
  RemoteApi api(connection);
  const ObjectKey key{"default", "a"};
  REQUIRE(api.get(resource::pods(), key).ok());
  CHECK(second.targets().empty());
  first.reset();
  CHECK(api.get(resource::pods(), key)->at("metadata.resourceVersion") == "8");
  CHECK(connection->server() == second.url());

  // What was sent may have happened: it is the caller's to try again.
  auto third = std::make_unique<ScriptedApi>();
  const auto other = ScriptedApi::connect_to({third->url(), second.url()});
  RemoteApi writer(other);
  third.reset();
  const size_t before = second.targets().size();
  CHECK(writer.create(resource::pods(), *api::parse_json(pod("a", 1))).status().code == 503);
  CHECK(second.targets().size() == before);
  CHECK(writer.create(resource::pods(), *api::parse_json(pod("a", 1))).ok());
}

TEST_CASE("a refusal is no reason to turn to another server") {
  ScriptedApi first, second;
  first.answer_with(404, R"({"kind":"Status","code":404,"reason":"NotFound"})");
  RemoteApi api(ScriptedApi::connect_to({first.url(), second.url()}));
  CHECK(api.get(resource::pods(), {"default", "a"}).status().not_found());
  CHECK(second.targets().empty());
}

TEST_CASE("a watch goes on at another server where it was, also when its own only fell silent") {
  auto first = std::make_unique<ScriptedApi>();
  ScriptedApi second, third;
  first->answer_with(200, pod_list(10, pod("a", 5)));
  const auto connection = ScriptedApi::connect_to({first->url(), second.url(), third.url()});
  RemoteCache cache(connection, system_random());
  Told told;
  const auto subscription =
      cache.subscribe(resource::pods(), [&](const Change& change) { told(change); });
  CHECK(told.wait_for(1).back() == "added a@5");
  first->send_event(event("ADDED", pod("b", 11)));
  CHECK(told.wait_for(2).back() == "added b@11");

  first.reset();
  second.wait_for_watch();
  CHECK(second.targets().back().find("resourceVersion=11&") != std::string::npos);
  second.send_event(event("ADDED", pod("c", 12)));
  CHECK(told.wait_for(3).back() == "added c@12");

  // It has lost sight of the others: its watch is open, and tells nothing any more.
  second.answer_with(503, "");
  RemoteApi api(connection);
  CHECK_FALSE(api.update(resource::nodes(), Value::object()).ok());
  third.wait_for_watch();
  CHECK(third.targets().back().find("resourceVersion=12&") != std::string::npos);
  third.send_event(event("DELETED", pod("a", 13)));
  CHECK(told.wait_for(4) ==
        std::vector<std::string>{"added a@5", "added b@11", "added c@12", "deleted a@13"});
}

TEST_CASE("the servers that a cluster names are turned to, and the first one when none serves") {
  ScriptedApi given, named;
  given.answer_with(200, pod("a", 1));
  named.answer_with(200, pod("a", 2));
  const auto connection = ScriptedApi::connect_to({given.url()});
  RemoteApi api(connection);
  connection->set_servers({named.url()});
  CHECK(api.get(resource::pods(), {"d", "a"})->at("metadata.resourceVersion") == "2");
  named.answer_with(503, "");
  CHECK(api.get(resource::pods(), {"d", "a"})->at("metadata.resourceVersion") == "1");
}

TEST_CASE("many clients spread over the servers") {
  const std::vector<std::string> urls{"https://10.0.0.1:6443", "https://10.0.0.2:6443",
                                      "https://10.0.0.3:6443"};
  const auto no_client = [](const std::string&) -> Result<std::unique_ptr<http::Client>> {
    return service_unavailable("none");
  };
  std::map<std::string, int> chosen;
  for (int i = 0; i < 300; ++i) {
    Connection connection({urls[0]}, no_client, "", "node-" + std::to_string(i));
    connection.set_servers(urls);
    const std::string first = connection.server();
    ++chosen[first];
    connection.set_servers({urls[2], urls[0], urls[1]});
    REQUIRE(connection.server() == first);
  }
  for (const std::string& url : urls) CHECK(chosen[url] > 60);
}

TEST_CASE("a kubeconfig written is read as it was") {
  ClusterAccess access;
  access.url = "https://10.0.0.1:6443";
  access.ca = "CA\n";
  access.certificate = "CERT\n";
  access.private_key = "KEY\n";
  access.token = "t";
  access.ns = "apps";
  const auto read = parse_kubeconfig(
      render_kubeconfig(access),
      [](const std::string&) -> Result<std::string> { return not_found("no file is named"); });
  REQUIRE(read.ok());
  CHECK(read->url == access.url);
  CHECK(read->ca == access.ca);
  CHECK(read->certificate == access.certificate);
  CHECK(read->private_key == access.private_key);
  CHECK(read->token == access.token);
  CHECK(read->ns == access.ns);
  CHECK_FALSE(parse_kubeconfig("current-context: x", nullptr).ok());
  access.private_key.clear();  // Found by fuzzing: a certificate without its key was taken.
  CHECK_FALSE(parse_kubeconfig(render_kubeconfig(access), nullptr).ok());
}

}  // namespace
}  // namespace orch::client
