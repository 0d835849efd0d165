// Rules, who has them, and the roles that every cluster starts with.
#include <catch2/catch_test_macros.hpp>

#include "api/resources.h"
#include "server/rbac/bootstrap_policy.h"
#include "server/rbac/policy.h"

namespace orch::rbac {
namespace {

api::Value json(const std::string& text) {
  auto parsed = api::parse_json(text);
  REQUIRE(parsed.ok());
  return *std::move(parsed);
}

const api::Resource& resource_of(const api::Value& object) {
  const auto* resource = api::Schema::builtin().find_kind(object["apiVersion"].as_string(),
                                                          object["kind"].as_string());
  REQUIRE(resource != nullptr);
  return *resource;
}

void take(Policy* policy, const std::string& kind, const std::string& rest) {
  const api::Value object =
      json(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":")" + kind + "\"," + rest + "}");
  policy->take(resource_of(object), object);
}

Action on(const char* verb, const char* group, const char* resource, const char* subresource = "",
          const char* ns = "", const char* name = "") {
  Action action;
  action.verb = verb;
  action.group = group;
  action.resource = resource;
  action.subresource = subresource;
  action.ns = ns;
  action.name = name;
  return action;
}

Action path(const char* verb, const char* where) {
  Action action;
  action.verb = verb;
  action.path = where;
  return action;
}

TEST_CASE("a rule allows what its lists name") {
  const auto allows = [](const std::string& rule, const Action& action) {
    const Rules rules = parse_rules(json("[" + rule + "]"));
    return rules.at(0).allows(action);
  };
  const std::string pods = R"({"verbs":["get"],"apiGroups":[""],"resources":["pods"]})";
  CHECK(allows(pods, on("get", "", "pods")));
  CHECK(allows(pods, on("get", "", "pods", "", "x", "one")));
  CHECK_FALSE(allows(pods, on("list", "", "pods")));
  CHECK_FALSE(allows(pods, on("get", "apps", "pods")));
  CHECK_FALSE(allows(pods, on("get", "", "pods", "log")));
  CHECK_FALSE(allows(pods, path("get", "/pods")));

  const std::string parts =
      R"({"verbs":["*"],"apiGroups":["*"],"resources":["pods/log","*/scale"]})";
  CHECK(allows(parts, on("get", "", "pods", "log")));
  CHECK(allows(parts, on("update", "apps", "deployments", "scale")));
  CHECK_FALSE(allows(parts, on("get", "", "pods")));
  const std::string all = R"({"verbs":["*"],"apiGroups":["*"],"resources":["*"]})";
  CHECK(allows(all, on("get", "", "pods", "log")));
  CHECK_FALSE(allows(all, path("get", "/metrics")));

  const std::string one =
      R"({"verbs":["get"],"apiGroups":[""],"resources":["secrets"],"resourceNames":["a"]})";
  CHECK(allows(one, on("get", "", "secrets", "", "x", "a")));
  CHECK_FALSE(allows(one, on("get", "", "secrets", "", "x", "b")));
  CHECK_FALSE(allows(one, on("get", "", "secrets", "", "x", "")));

  const std::string urls = R"({"verbs":["get"],"nonResourceURLs":["/healthz","/metrics/*"]})";
  CHECK(allows(urls, path("get", "/healthz")));
  CHECK(allows(urls, path("get", "/metrics/a")));
  CHECK_FALSE(allows(urls, path("get", "/healthz/x")));
  CHECK_FALSE(allows(urls, path("post", "/healthz")));
}

TEST_CASE("rules that are not held are found, as small as they are") {
  const Rules held = parse_rules(json(R"([
      {"verbs":["get","list"],"apiGroups":["","apps"],"resources":["pods","*/scale"]},
      {"verbs":["get"],"apiGroups":[""],"resources":["secrets"],"resourceNames":["a"]},
      {"verbs":["get"],"nonResourceURLs":["/metrics*"]}])"));
  const auto missing = [&](const std::string& wanted) {
    std::string text;
    for (const Rule& rule : uncovered(held, parse_rules(json("[" + wanted + "]")))) {
      text += rule.to_text();
    }
    return text;
  };
  CHECK(
      missing(R"({"verbs":["get"],"apiGroups":["apps"],"resources":["pods","x/scale"]})").empty());
  CHECK(missing(R"({"verbs":["get","delete","watch"],"apiGroups":[""],"resources":["pods"]})") ==
        R"({APIGroups:[""], Resources:["pods"], Verbs:["delete" "watch"]})");
  CHECK(missing(R"({"verbs":["get"],"apiGroups":[""],"resources":["pods/log"]})") ==
        R"({APIGroups:[""], Resources:["pods/log"], Verbs:["get"]})");
  CHECK(missing(R"({"verbs":["get"],"apiGroups":[""],"resources":["*"]})") ==
        R"({APIGroups:[""], Resources:["*"], Verbs:["get"]})");
  CHECK(missing(R"({"verbs":["get"],"apiGroups":[""],"resources":["secrets"],
                    "resourceNames":["a"]})")
            .empty());
  CHECK(missing(R"({"verbs":["get"],"apiGroups":[""],"resources":["secrets"]})") ==
        R"({APIGroups:[""], Resources:["secrets"], Verbs:["get"]})");
  CHECK(missing(R"({"verbs":["get"],"nonResourceURLs":["/metrics/a","/logs"]})") ==
        R"({NonResourceURLs:["/logs"], Verbs:["get"]})");
}

TEST_CASE("who has what, and no longer, is found by subject and namespace") {
  Policy policy;
  const std::string get_pods =
      R"("rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}])";
  take(&policy, "Role", R"("metadata":{"name":"reader","namespace":"a"},)" + get_pods);
  take(&policy, "ClusterRole", R"("metadata":{"name":"reader"},)" + get_pods);
  const auto bind = [&](const std::string& kind, const std::string& metadata,
                        const std::string& role, const std::string& subject) {
    take(&policy, kind,
         R"("metadata":{)" + metadata + R"(},"roleRef":{"kind":")" + role +
             R"(","name":"reader"},"subjects":[)" + subject + "]");
  };
  bind("RoleBinding", R"("name":"r","namespace":"a")", "Role",
       R"({"kind":"ServiceAccount","name":"s","namespace":"b"})");
  bind("RoleBinding", R"("name":"c","namespace":"c")", "ClusterRole",
       R"({"kind":"User","name":"jane"})");
  bind("ClusterRoleBinding", R"("name":"all")", "ClusterRole",
       R"({"kind":"Group","name":"readers"})");

  const std::vector<std::string> none, readers = {"x", "readers"};
  const auto get_in = [](const char* ns) { return on("get", "", "pods", "", ns, "p"); };
  const Asker account{"system:serviceaccount:b:s", none}, jane{"jane", none}, joe{"joe", readers};
  CHECK(policy.decide(account, get_in("a")).reason ==
        R"(RBAC: allowed by RoleBinding "r/a" of Role "reader" to ServiceAccount "s/b")");
  CHECK_FALSE(policy.decide(account, get_in("b")).allowed);
  CHECK(policy.decide(jane, get_in("c")).allowed);
  CHECK_FALSE(policy.decide(jane, get_in("a")).allowed);
  CHECK_FALSE(policy.decide(jane, get_in("")).allowed);
  CHECK(policy.decide(joe, get_in("")).reason ==
        R"(RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "reader" to Group "readers")");
  CHECK(policy.rules_of(joe, "a").size() == 1);

  bind("RoleBinding", R"("name":"c","namespace":"c")", "ClusterRole",
       R"({"kind":"User","name":"jim"})");
  CHECK_FALSE(policy.decide(jane, get_in("c")).allowed);
  CHECK(policy.decide({"jim", none}, get_in("c")).allowed);
  policy.forget(*api::Schema::builtin().find_kind("rbac.authorization.k8s.io/v1", "ClusterRole"),
                "", "reader");
  CHECK_FALSE(policy.decide(joe, get_in("")).allowed);
  CHECK(policy.decide(account, get_in("a")).allowed);
  policy.forget(*api::Schema::builtin().find_kind("rbac.authorization.k8s.io/v1", "RoleBinding"),
                "a", "r");
  CHECK_FALSE(policy.decide(account, get_in("a")).allowed);
}

TEST_CASE("every cluster starts with Kubernetes' roles") {
  Policy policy;
  int roles = 0, bindings = 0;
  for (const api::Value& object : bootstrap_policy()) {
    policy.take(resource_of(object), object);
    (object.has("rules") ? roles : bindings) += 1;
  }
  CHECK(roles == 31 + 34 + 7);
  CHECK(bindings == 12 + 34 + 7);
  const std::vector<std::string> known = {"system:authenticated"};
  const std::vector<std::string> stranger = {"system:unauthenticated"};
  CHECK(policy.decide({"jane", known}, path("get", "/apis/apps/v1")).allowed);
  CHECK(
      policy
          .decide({"jane", known}, on("create", "authorization.k8s.io", "selfsubjectaccessreviews"))
          .allowed);
  CHECK_FALSE(policy.decide({"jane", known}, on("list", "", "pods")).allowed);
  CHECK(policy.decide({"system:anonymous", stranger}, path("get", "/version")).allowed);
  CHECK_FALSE(policy.decide({"system:anonymous", stranger}, path("get", "/apis")).allowed);
  const std::vector<std::string> masters = {"system:masters"};
  CHECK(policy.decide({"root", masters}, on("delete", "", "nodes")).allowed);
  CHECK(policy.decide({"system:kube-scheduler", known}, on("create", "", "pods", "binding", "x"))
            .allowed);
  CHECK(policy
            .decide({"system:serviceaccount:kube-system:replicaset-controller", known},
                    on("create", "", "pods", "", "x"))
            .allowed);
}

TEST_CASE("what a bootstrap role lacks is added, what it has is left") {
  const api::Value wanted = json(R"({"metadata":{"name":"r","labels":{"l":"1"}},
      "rules":[{"verbs":["get","list"],"apiGroups":[""],"resources":["pods"]}]})");
  CHECK(with_bootstrap(wanted, wanted).is_null());
  const api::Value less = json(R"({"metadata":{"name":"r","labels":{"l":"2","m":"3"}},
      "rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]},
               {"verbs":["get"],"apiGroups":[""],"resources":["nodes"]}]})");
  const api::Value mended = with_bootstrap(less, wanted);
  CHECK(mended["rules"].size() == 3);
  CHECK(mended["metadata"]["labels"]["l"].as_string() == "2");
  CHECK(with_bootstrap(mended, wanted).is_null());
  api::Value kept = less;
  kept["metadata"].set("annotations",
                       json(R"({"rbac.authorization.kubernetes.io/autoupdate":"false"})"));
  CHECK(with_bootstrap(kept, wanted).is_null());
}

}  // namespace
}  // namespace orch::rbac
