// Paths, by table: what they mean and which are refused.
#include "server/apiserver/route.h"

#include <catch2/catch_test_macros.hpp>

#include "server/apiserver/request_words.h"

namespace orch::apiserver {
namespace {

// "list pods/ ns= name=": how a target reads in the table below.
std::string describe(const Result<Target>& target) {
  if (!target) return std::to_string(target.status().code);
  if (!target->resource) return "path " + target->path;
  std::string text = std::string(verb_name(target->verb)) + " " + target->resource->plural;
  if (target->subresource) text += "/" + target->subresource->name;
  return text + " " + target->ns + ":" + target->name;
}

TEST_CASE("a path and a method say what is meant") {
  struct Row {
    const char *method, *target, *meaning;
  };
  const Row rows[] = {
      {"GET", "/api/v1/pods", "list pods :"},
      {"GET", "/api/v1/namespaces/a/pods", "list pods a:"},
      {"GET", "/api/v1/namespaces/a/pods/", "list pods a:"},
      {"GET", "/api/v1/namespaces/a/pods?watch=true", "watch pods a:"},
      {"GET", "/api/v1/namespaces/a/pods?watch=1", "watch pods a:"},
      {"GET", "/api/v1/namespaces/a/pods?watch=false", "list pods a:"},
      {"GET", "/api/v1/namespaces/a/pods/p", "get pods a:p"},
      {"GET", "/api/v1/namespaces/a/pods/p?watch=true", "get pods a:p"},
      {"GET", "/api/v1/namespaces/a/pods/p/log?follow=true", "get pods/log a:p"},
      {"POST", "/api/v1/namespaces/a/pods/p/exec?command=ls", "create pods/exec a:p"},
      {"POST", "/api/v1/namespaces/a/pods/p/binding", "create pods/binding a:p"},
      {"POST", "/api/v1/namespaces/a/pods", "create pods a:"},
      {"PUT", "/api/v1/namespaces/a/pods/p/status", "update pods/status a:p"},
      {"PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "patch deployments/scale a:d"},
      {"DELETE", "/api/v1/namespaces/a/pods", "deletecollection pods a:"},
      {"DELETE", "/api/v1/namespaces/a", "delete namespaces :a"},
      {"GET", "/api/v1/namespaces", "list namespaces :"},
      {"GET", "/api/v1/namespaces/a", "get namespaces :a"},
      {"GET", "/api/v1/namespaces/a/status", "get namespaces/status :a"},
      {"PUT", "/api/v1/namespaces/a/finalize", "update namespaces/finalize :a"},
      {"GET", "/api/v1/nodes/n", "get nodes :n"},
      {"GET", "/api/v1/namespaces/a/configmaps/x%2Dy", "get configmaps a:x-y"},
      {"GET", "/api/v1/watch/pods", "watch pods :"},
      {"GET", "/api/v1/watch/namespaces/a/pods", "watch pods a:"},
      {"GET", "/api/v1/watch/namespaces/a/pods/p", "watch pods a:p"},
      {"GET", "/api/v1/watch/namespaces/a", "watch namespaces :a"},
      {"GET", "/apis/apps/v1/watch/deployments", "watch deployments :"},
      {"GET", "/apis", "path /apis"},
      {"GET", "/apis/apps/v1", "path /apis/apps/v1"},
      {"GET", "/readyz?verbose", "path /readyz"},
      {"GET", "/", "path /"},
      // No such place.
      {"GET", "/api/v1/foos", "404"},
      {"GET", "/api/v2/pods", "404"},
      {"GET", "/apis/apps/v1/pods", "404"},
      {"GET", "/api/v1/pods/p", "404"},
      {"GET", "/api/v1/namespaces/a/nodes/n", "404"},
      {"GET", "/api/v1/namespaces/a/pods/p/foo", "404"},
      {"GET", "/api/v1/namespaces/a/pods/p/log/more", "404"},
      {"GET", "/api/v1/namespaces//pods", "404"},
      {"GET", "/api/v1/namespaces/a/pods//log", "404"},
      {"GET", "/api/v1/namespaces/a/../b/pods", "404"},
      {"GET", "/api/v1/namespaces/a/pods/%2e%2e", "404"},
      {"GET", "/api/v1/namespaces/a%2fb/pods", "404"},
      {"GET", "/api/v1/namespaces/a/pods/%00", "404"},
      {"GET", "/api/v1/watch", "404"},
      {"GET", "/api/v1/watch/namespaces/a/pods/p/status", "404"},
      // No such method there.
      {"DELETE", "/api/v1/watch/namespaces/a/pods", "405"},
      {"POST", "/api/v1/pods", "405"},
      {"POST", "/api/v1/namespaces/a/pods/p", "405"},
      {"PUT", "/api/v1/namespaces/a/pods", "405"},
      {"DELETE", "/api/v1/pods", "405"},
      {"DELETE", "/api/v1/namespaces", "405"},
      {"DELETE", "/api/v1/namespaces/a/pods/p/log", "405"},
      {"BREW", "/api/v1/namespaces/a/pods/p", "405"},
      // Not to be read.
      {"GET", "api/v1/pods", "400"},
      {"GET", "/api/v1/pods?labelSelector=%zz", "400"},
      {"GET", "/api/v1/namespaces/a/pods/%", "400"},
  };
  for (const Row& row : rows) {
    INFO(row.method << " " << row.target);
    CHECK(describe(route(api::Schema::builtin(), row.method, row.target)) == row.meaning);
  }
}

TEST_CASE("what there is not reads as what there is, by its words") {
  struct Row {
    const char *method, *target, *meaning;
  };
  const Row rows[] = {
      {"GET", "/api/v1/foos", "list /foos :"},
      {"GET", "/api/v1/foos?watch=true", "watch /foos :"},
      {"GET", "/api/v1/namespaces/a/foos/x/log?watch=true", "get /foos/log a:x"},
      {"POST", "/apis/e.org/v1/namespaces/a/foos", "create e.org/foos a:"},
      {"DELETE", "/apis/e.org/v1/foos", "deletecollection e.org/foos :"},
      {"DELETE", "/apis/e.org/v1/foos/", "deletecollection e.org/foos :"},
      {"PUT", "/api/v1/namespaces/a/finalize", "update /namespaces/finalize a:a"},
      {"GET", "/api/v1/watch/namespaces/a/foos", "watch /foos a:"},
      {"GET", "/api/v1/watch", "list /watch :"},
      {"BREW", "/api/v1/pods", " /pods :"},
      {"GET", "/apis/e.org/v1", "get path /apis/e.org/v1"},
      {"POST", "/now%68ere?x=1", "post path /nowhere"},
      {"GET", "", "get path "},
  };
  for (const Row& row : rows) {
    INFO(row.method << " " << row.target);
    const RequestWords words = words_of(row.method, row.target);
    const std::string part = words.subresource.empty() ? "" : "/" + words.subresource;
    const std::string place = words.resource.empty() ? "path " + words.path
                                                     : words.group + "/" + words.resource + part +
                                                           " " + words.ns + ":" + words.name;
    CHECK(words.verb + " " + place == row.meaning);
  }
}

TEST_CASE("queries are decoded, and limited") {
  const auto query = Query::parse("a=1&b=x+y%3D&a=2&flag&no=false");
  REQUIRE(query.ok());
  CHECK(query->get("a") == "1");
  CHECK(query->all("a") == std::vector<std::string>{"1", "2"});
  CHECK(query->get("b") == "x y=");
  CHECK(query->flag("flag"));
  CHECK_FALSE(query->flag("no"));
  CHECK_FALSE(query->flag("none"));
  std::string many;
  for (size_t i = 0; i <= kMaxQueryParameters; ++i) many += "a=1&";
  CHECK_FALSE(Query::parse(many).ok());
  CHECK_FALSE(route(api::Schema::builtin(), "GET", "/" + std::string(kMaxTargetBytes, 'a')).ok());
}

}  // namespace
}  // namespace orch::apiserver
