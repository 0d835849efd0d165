// Where proxied requests go, and what comes back is called, by table. (A request on its way is in
// streams_test.cpp.)
#include <catch2/catch_test_macros.hpp>

#include "server/apiserver/proxy_rewrite.h"
#include "server/apiserver/proxy_target.h"

namespace orch::apiserver {
namespace {

api::Value json(std::string_view text) {
  auto value = api::parse_json(text);
  REQUIRE(value.ok());
  return *std::move(value);
}

TEST_CASE("proxy: a name may carry a scheme and a port") {
  struct Row {
    const char *text, *scheme, *name, *port;
  };
  for (const Row& row :
       {Row{"web", "http", "web", ""}, Row{"web:80", "http", "web", "80"},
        Row{"web:admin", "http", "web", "admin"}, Row{"https:web:", "https", "web", ""},
        Row{":web:80", "http", "web", "80"}, Row{"https:web:443", "https", "web", "443"}}) {
    INFO(row.text);
    const auto name = parse_proxy_name(row.text);
    REQUIRE(name.ok());
    CHECK(name->scheme == row.scheme);
    CHECK(name->name == row.name);
    CHECK(name->port == row.port);
  }
  for (const char* bad : {"", ":", "ftp:web:21", "a:b:c:d", "http::80"}) {
    INFO(bad);
    CHECK(parse_proxy_name(bad).status().code == 400);
  }
}

TEST_CASE("proxy: a pod's port is the wanted one, its first, or the scheme's") {
  const api::Value pod = json(
      R"({"spec":{"containers":[{"name":"a"},{"name":"b","ports":[{"containerPort":8080}]}]}})");
  CHECK(*choose_pod_port(pod, {"http", "p", "90"}) == 90);
  CHECK(*choose_pod_port(pod, {"http", "p", ""}) == 8080);
  CHECK(*choose_pod_port(json("{}"), {"http", "p", ""}) == 80);
  CHECK(*choose_pod_port(json("{}"), {"https", "p", ""}) == 443);
  for (const char* bad : {"0", "65536", "-1", "http", "80x"}) {
    CHECK(choose_pod_port(pod, {"http", "p", bad}).status().code == 400);
  }
}

TEST_CASE("proxy: a service's endpoints are gone round, by the name or number of its port") {
  const api::Value service =
      json(R"({"metadata":{"name":"s"},"spec":{"ports":[{"name":"web","port":80},{"port":81}]}})");
  const api::Value endpoints = json(
      R"({"subsets":[{"addresses":[{"ip":"10.42.0.7","targetRef":{"kind":"Pod","name":"p"}},
          {"ip":"192.0.2.1"}],"notReadyAddresses":[{"ip":"10.42.0.8"}],
          "ports":[{"name":"web","port":8080}]}]})");
  const auto first = choose_endpoint(service, endpoints, {"http", "s", "web"}, 0);
  REQUIRE(first.ok());
  CHECK(first->ip == "10.42.0.7");
  CHECK(first->port == 8080);
  CHECK(first->pod == "p");
  const auto second = choose_endpoint(service, endpoints, {"http", "s", "80"}, 1);
  REQUIRE(second.ok());
  CHECK(second->ip == "192.0.2.1");
  CHECK(second->pod.empty());
  for (const char* none : {"", "81", "other"}) {
    const auto refused = choose_endpoint(service, endpoints, {"http", "s", none}, 0);
    CHECK(refused.status().code == 503);
    CHECK(refused.status().message == "no endpoints available for service \"s\"");
  }
}

TEST_CASE("proxy: addresses of the server itself and of its link are never connected to") {
  for (const char* bad : {"127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "169.254.169.254",
                          "224.0.0.1", "255.255.255.255", "", "localhost", "::1", "10.0.0.1:80"}) {
    INFO(bad);
    CHECK_FALSE(is_proxyable(bad));
  }
  for (const char* good : {"10.42.0.7", "192.168.1.4", "203.0.113.9"}) CHECK(is_proxyable(good));
}

const ProxyOrigin kOrigin = {"/pods/p/proxy", "10.42.0.7:80", "server:6443"};

TEST_CASE("proxy: addresses that stay on the page's host lead through the proxy") {
  struct Row {
    const char *url, *rewritten;
  };
  for (const Row& row :
       {Row{"/", "/pods/p/proxy/"}, Row{"/a/b?c=/d#e", "/pods/p/proxy/a/b?c=/d#e"},
        Row{"a/b", "a/b"}, Row{"?q", "?q"}, Row{"#part", "#part"}, Row{"", ""},
        Row{"http://10.42.0.7:80/x", "/pods/p/proxy/x"}, Row{"//10.42.0.7:80/x", "/pods/p/proxy/x"},
        Row{"https://server:6443/x", "https://server:6443/pods/p/proxy/x"},
        Row{"https://elsewhere/x", "https://elsewhere/x"}, Row{"//elsewhere/x", "//elsewhere/x"},
        Row{"mailto:a@b", "mailto:a@b"}, Row{"data:,x://y", "data:,x://y"},
        Row{"/pods/p/proxy/x", "/pods/p/proxy/x"}}) {
    INFO(row.url);
    CHECK(rewrite_url(row.url, kOrigin) == row.rewritten);
  }
}

TEST_CASE("proxy: in a page only the attributes that hold addresses change") {
  struct Row {
    const char *page, *rewritten;
  };
  for (const Row& row :
       {Row{"<a href=\"/x\">test</a>", "<a href=\"/pods/p/proxy/x\">test</a>"},
        Row{"<A  Class=c HREF = '/x' >", "<A  Class=c HREF = '/pods/p/proxy/x' >"},
        Row{"<img src=/i.png><p title=\"/x\">", "<img src=/pods/p/proxy/i.png><p title=\"/x\">"},
        Row{"<!-- <a href=\"/x\"> --><link href='/s'/>",
            "<!-- <a href=\"/x\"> --><link href='/pods/p/proxy/s'/>"},
        Row{"<script src=\"/s\">\"<a href='/x'>\"</script><a href=/y>",
            "<script src=\"/pods/p/proxy/s\">\"<a href='/x'>\"</script><a href=/pods/p/proxy/y>"},
        Row{"a < b <", "a < b <"}, Row{"<a href", "<a href"}, Row{"<a href=", "<a href="},
        Row{"<a href=\"/x", "<a href=\"/pods/p/proxy/x"}, Row{"<", "<"}, Row{"<a =>", "<a =>"},
        Row{"<script>", "<script>"}, Row{"<!--", "<!--"}}) {
    INFO(row.page);
    CHECK(rewrite_html(row.page, kOrigin) == row.rewritten);
  }
}

}  // namespace
}  // namespace orch::apiserver
