#include "agent/pods/stream_protocol.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/pods/kubelet_request.h"

namespace orch::pods {
namespace {

http::Request web_socket(const char* protocols) {
  http::Request request;
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Upgrade", "websocket");
  request.headers.add("Sec-WebSocket-Version", "13");
  request.headers.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  if (*protocols != '\0') request.headers.add("Sec-WebSocket-Protocol", protocols);
  return request;
}

http::Request spdy(const std::vector<std::string>& protocols) {
  http::Request request;
  request.method = "POST";
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Upgrade", "SPDY/3.1");
  for (const std::string& name : protocols) {
    request.headers.add("X-Stream-Protocol-Version", name);
  }
  return request;
}

Result<StreamProtocol> negotiate(const http::Request& request) {
  return negotiate_stream(request, exec_web_socket_protocols(), exec_spdy_protocols());
}

TEST_CASE("stream protocols: the first that the caller names and we know") {
  const auto newest = negotiate(web_socket("v5.channel.k8s.io, v4.channel.k8s.io"));
  REQUIRE(newest.ok());
  CHECK(newest->name == "v5.channel.k8s.io");
  CHECK(newest->head.status == 101);
  CHECK(negotiate(web_socket("v9.x, base64.channel.k8s.io"))->name == "base64.channel.k8s.io");
  CHECK(negotiate(web_socket(""))->name.empty());
  const auto bare = negotiate(spdy({"v9.x", "v4.channel.k8s.io", "v3.channel.k8s.io"}));
  REQUIRE(bare.ok());
  CHECK(bare->wire == StreamProtocol::Wire::spdy);
  CHECK(bare->head.headers.get("X-Stream-Protocol-Version") == "v4.channel.k8s.io");
  CHECK(bare->head.headers.get("Upgrade") == "SPDY/3.1");
}

TEST_CASE("stream protocols: what is no upgrade, or not ours, is refused") {
  CHECK(negotiate(http::Request()).status().code == 400);
  CHECK(negotiate(spdy({})).status().code == 400);
  CHECK(negotiate(spdy({"v9.x"})).status().code == 403);
  CHECK(negotiate(web_socket("v9.x")).status().code == 403);
  CHECK(negotiate_stream(spdy({"a"}), {"a"}, {}).status().code == 400);
}

TEST_CASE("stream protocols: versions and text") {
  CHECK(protocol_version("v5.channel.k8s.io") == 5);
  CHECK(protocol_version("v4.base64.channel.k8s.io") == 4);
  CHECK(protocol_version("channel.k8s.io") == 1);
  CHECK(protocol_version("") == 1);
  CHECK(is_base64_protocol("v4.base64.channel.k8s.io"));
  CHECK(is_base64_protocol("base64.channel.k8s.io"));
  CHECK_FALSE(is_base64_protocol("v4.channel.k8s.io"));
}

TEST_CASE("a node's paths: containers, and what is proxied into a pod") {
  const auto container = parse_container_path("ns/pod/uid/main");
  REQUIRE(container);
  CHECK(container->uid == "uid");
  CHECK(container->container == "main");
  CHECK(parse_container_path("ns/pod/main")->uid.empty());
  CHECK_FALSE(parse_container_path("ns//main"));
  const auto proxied = parse_pod_proxy_path("ns/pod/uid/https/443/a%2Fb//c");
  REQUIRE(proxied);
  CHECK(proxied->scheme == "https");
  CHECK(proxied->port == 443);
  CHECK(proxied->path == "/a%2Fb//c");
  for (const char* bad : {"ns/pod/uid/http/80", "ns/pod/uid/ftp/21/", "ns/pod/uid/http/0/",
                          "ns/pod//http/80/", "ns/pod/uid/http/65536/"}) {
    INFO(bad);
    CHECK_FALSE(parse_pod_proxy_path(bad));
  }
}

}  // namespace
}  // namespace orch::pods
