// Logs and exec on their way through the server to a node's agent, which is played by an HTTPS
// server of the test's own; and the choice of containers, by table.
#include <poll.h>

#include <catch2/catch_test_macros.hpp>

#include "http/server.h"
#include "server/apiserver/stream_target.h"
#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

api::Value json(std::string_view text) {
  auto value = api::parse_json(text);
  REQUIRE(value.ok());
  return *std::move(value);
}

TEST_CASE("a container is chosen, or the choice is explained") {
  const api::Value one = json(R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a"}]}})");
  const api::Value two = json(
      R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a"},{"name":"b"}],
          "initContainers":[{"name":"i"}]}})");
  const api::Value marked = json(
      R"({"metadata":{"name":"p","annotations":{"kubectl.kubernetes.io/default-container":"b"}},
          "spec":{"containers":[{"name":"a"},{"name":"b"}]}})");
  CHECK(*choose_container(one, "") == "a");
  CHECK(*choose_container(two, "i") == "i");
  CHECK(*choose_container(marked, "") == "b");
  CHECK(choose_container(two, "").status().message ==
        "a container name must be specified for pod p, choose one of: [a b] or one of the init "
        "containers: [i]");
  CHECK(choose_container(one, "x").status().message == "container x is not valid for pod p");
}

TEST_CASE("what can't be read or entered is said before anybody is asked") {
  const auto readable = [](std::string_view status, bool previous) {
    const api::Value pod = json(R"({"metadata":{"name":"p"},"spec":{"nodeName":"n"},"status":)" +
                                std::string(status) + "}");
    const auto result = check_log_readable(pod, "c", previous);
    return result ? std::string("ok") : result.status().message;
  };
  const std::string waiting = R"({"containerStatuses":[{"name":"c","state":{"waiting":{"reason":)";
  CHECK(readable(waiting + R"("ContainerCreating"}}}]})", false) ==
        "container \"c\" in pod \"p\" is waiting to start: ContainerCreating");
  CHECK(readable(waiting + R"("ImagePullBackOff"}}}]})", false) ==
        "container \"c\" in pod \"p\" is waiting to start: trying and failing to pull image");
  const std::string ended = R"(,"lastState":{"terminated":{"exitCode":1}}}]})";
  CHECK(readable(waiting + R"("CrashLoopBackOff"}})" + ended, false) == "ok");
  CHECK(readable(waiting + R"("CrashLoopBackOff"}})" + ended, true) == "ok");
  CHECK(readable("{}", true) == "previous terminated container \"c\" in pod \"p\" not found");
  CHECK(check_running(json(R"({"metadata":{"name":"p"},"spec":{}})")).status().message ==
        "pod p does not have a host assigned");
  CHECK(check_running(json(R"({"spec":{"nodeName":"n"},"status":{"phase":"Failed"}})"))
            .status()
            .message == "cannot exec into a container in a completed pod; current phase is Failed");
}

// An agent that answers logs with what it was asked, and echoes upgraded connections.
class Agent {
 public:
  explicit Agent(ApiServer& server) {
    const auto identity = server.issue_node_identity("n", {"127.0.0.1"});
    REQUIRE(identity.ok());
    http::ServerOptions options;
    options.bind_address = "127.0.0.1";
    options.tls = {identity->certificate, identity->private_key, server.ca_certificate()};
    auto started = http::Server::start(options, [](std::shared_ptr<http::Exchange> exchange) {
      const http::Request& request = exchange->request();
      if (request.headers.has("Upgrade")) {
        http::Response head;
        head.status = 101;
        head.headers.add("Upgrade", std::string(request.headers.get("Upgrade")));
        head.headers.add("Connection", "Upgrade");
        exchange->upgrade(head, [](std::unique_ptr<http::Duplex> peer) { echo(*peer); });
        return;
      }
      http::Response response;
      response.headers.add("Content-Type", "text/plain");
      response.body = http::Body(request.target + " as " + request.peer.common_name + "\n");
      exchange->send(std::move(response));
    });
    REQUIRE(started.ok());
    server_ = *std::move(started);
  }
  uint16_t port() const { return server_->port(); }

 private:
  static void echo(http::Duplex& peer) {
    char buffer[4096];
    while (true) {
      const auto read = peer.read_some(buffer, sizeof buffer);
      if (!read) return;
      if (*read > 0 && !peer.write_fully({buffer, *read}, 5'000)) return;
      pollfd polled{peer.fd(), POLLIN, 0};
      if (*read == 0 && !peer.pending()) poll(&polled, 1, 5'000);
    }
  }
  std::unique_ptr<http::Server> server_;
};

// A pod "p" that runs on node "n", whose agent listens on `port`.
void place_pod(TestServer& server, uint16_t port) {
  server.add_account();
  REQUIRE(server.post("/api/v1/nodes", R"({"metadata":{"name":"n"}})").code == 201);
  const std::string status =
      R"({"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],
          "daemonEndpoints":{"kubeletEndpoint":{"Port":)" +
      std::to_string(port) + "}}}}";
  REQUIRE(
      server.call("PATCH", "/api/v1/nodes/n/status", status, "application/merge-patch+json").code ==
      200);
  REQUIRE(server.post(kPods, TestServer::pod("p")).code == 201);
  REQUIRE(server.post(std::string(kPods) + "/p/binding", R"({"target":{"name":"n"}})").code == 201);
}

TEST_CASE("a log comes from the agent of the pod's node") {
  TestServer server;
  const Agent agent(server.server());
  place_pod(server, agent.port());
  const auto log = server.get(std::string(kPods) + "/p/log?tailLines=3");
  CHECK(log.code == 200);
  const std::string uid = server.get(std::string(kPods) + "/p").json.at("metadata.uid").as_string();
  CHECK(log.text ==
        "/containerLogs/default/p/" + uid + "/c?tailLines=3 as kube-apiserver-kubelet-client\n");
  CHECK(server.get(std::string(kPods) + "/p/log?container=x").code == 400);
  CHECK(server.get(std::string(kPods) + "/none/log").code == 404);
}

TEST_CASE("a proxied request goes to the agent of the pod's node, with the pod's uid") {
  TestServer server;
  const Agent agent(server.server());
  place_pod(server, agent.port());
  const std::string pod = std::string(kPods) + "/p";
  CHECK(server.get(pod + "/proxy/").message() == "the pod has no address yet");
  REQUIRE(server
              .call("PATCH", pod + "/status", R"({"status":{"podIP":"10.42.0.7"}})",
                    "application/merge-patch+json")
              .code == 200);
  const std::string uid = server.get(pod).json.at("metadata.uid").as_string();
  CHECK(server.get(pod + ":8080/proxy/a//b%20c?x=1&y").text ==
        "/podProxy/default/p/" + uid + "/http/8080/a//b%20c?x=1&y as " +
            "kube-apiserver-kubelet-client\n");
  CHECK(server.call("DELETE", std::string(kPods) + "/https:p:443/proxy").text ==
        "/podProxy/default/p/" + uid + "/https/443/ as kube-apiserver-kubelet-client\n");
  const auto moved = server.get(pod + "/proxy?a=b");
  CHECK(moved.code == 301);
  CHECK(moved.headers.get("Location") == pod + "/proxy/?a=b");
  CHECK(server.get(pod + ":x/proxy/").code == 400);
  CHECK(server.get("/api/v1/nodes/n/proxy/pods").text ==
        "/pods as kube-apiserver-kubelet-client\n");
  CHECK(server.get("/api/v1/nodes/other/proxy/pods").code == 404);
  // What a node says of its pod is not believed blindly.
  REQUIRE(server
              .call("PATCH", pod + "/status", R"({"status":{"podIP":"127.0.0.1"}})",
                    "application/merge-patch+json")
              .code == 200);
  CHECK(server.get(pod + "/proxy/").message() == "address not allowed");
}

TEST_CASE("an agent with another node's certificate is not believed") {
  TestServer server;
  const Agent agent(server.server());
  place_pod(server, agent.port());
  REQUIRE(server.post("/api/v1/nodes", R"({"metadata":{"name":"m"}})").code == 201);
  const std::string status =
      R"({"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],
          "daemonEndpoints":{"kubeletEndpoint":{"Port":)" +
      std::to_string(agent.port()) + "}}}}";
  REQUIRE(
      server.call("PATCH", "/api/v1/nodes/m/status", status, "application/merge-patch+json").code ==
      200);
  const auto refused = server.get("/api/v1/nodes/m/proxy/pods");
  CHECK(refused.code == 503);
  CHECK(refused.message().starts_with("error trying to reach service: "));
}

TEST_CASE("an agent that doesn't answer is named") {
  TestServer server;
  place_pod(server, 1);
  const auto log = server.get(std::string(kPods) + "/p/log");
  CHECK(log.code == 500);
  CHECK(log.message().starts_with("error dialing backend: "));
}

TEST_CASE("an upgraded connection carries bytes both ways") {
  TestServer server;
  const Agent agent(server.server());
  place_pod(server, agent.port());
  http::ClientOptions options = server.client_options();
  options.certificate = server.server().admin_identity().certificate;
  options.private_key = server.server().admin_identity().private_key;
  auto client = http::Client::create(std::move(options));
  REQUIRE(client.ok());
  http::Request request;
  request.method = "POST";
  request.target = std::string(kPods) + "/p/exec?command=cat&stdin=true&stdout=true";
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Upgrade", "SPDY/3.1");
  auto upgraded = (*client)->upgrade(request);
  REQUIRE(upgraded.ok());
  REQUIRE(upgraded->head.status == 101);
  CHECK(upgraded->head.headers.get("Upgrade") == "SPDY/3.1");

  http::Duplex& duplex = *upgraded->duplex;
  const std::string sent(300'000, 'x');  // More than any buffer on the way.
  std::string got;
  size_t written = 0;
  char buffer[16 << 10];
  while (got.size() < sent.size()) {
    const auto wrote = duplex.write_some(std::string_view(sent).substr(written));
    REQUIRE(wrote.ok());
    written += *wrote;
    const auto read = duplex.read_some(buffer, sizeof buffer);
    REQUIRE(read.ok());
    got.append(buffer, *read);
    if (*read || *wrote || duplex.pending()) continue;
    pollfd polled{duplex.fd(), static_cast<short>(POLLIN | (written < sent.size() ? POLLOUT : 0)),
                  0};
    REQUIRE(poll(&polled, 1, 5'000) > 0);
  }
  CHECK(got == sent);
}

}  // namespace
}  // namespace orch::apiserver
