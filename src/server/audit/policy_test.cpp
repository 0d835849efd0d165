#include "server/audit/policy.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::audit {
namespace {

Result<Policy> parse(const std::string& rules, const std::string& more = "") {
  const auto document =
      api::parse_yaml("apiVersion: audit.k8s.io/v1\nkind: Policy\n" + more + "rules:\n" + rules);
  REQUIRE(document.ok());
  return Policy::parse(*document);
}

Policy policy(const std::string& rules, const std::string& more = "") {
  auto parsed = parse(rules, more);
  if (!parsed) FAIL(parsed.status().message);
  return *std::move(parsed);
}

std::string refusal(const std::string& rules, const std::string& more = "") {
  const auto parsed = parse(rules, more);
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.status().code == 400);
  return parsed.status().message;
}

Subject pods(std::string_view verb, std::string_view subresource = "", std::string_view ns = "a") {
  Subject subject;
  subject.user = "jane";
  subject.verb = verb;
  subject.resource = "pods";
  subject.subresource = subresource;
  subject.ns = ns;
  subject.name = "web";
  return subject;
}

Subject path(std::string_view path) {
  Subject subject;
  subject.user = "jane";
  subject.verb = "get";
  subject.path = path;
  return subject;
}

TEST_CASE("the first rule that matches counts, and without one nothing is written") {
  const Policy p = policy(
      "- {level: None, verbs: [watch]}\n"
      "- {level: Request, users: [jane], verbs: [get, watch]}\n"
      "- {level: Metadata, verbs: [get]}\n");
  CHECK(p.judge(pods("watch")).level == Level::none);
  CHECK(p.judge(pods("get")).level == Level::request);
  CHECK(p.judge(pods("list")).level == Level::none);
  Subject other = pods("get");
  other.user = "joe";
  CHECK(p.judge(other).level == Level::metadata);
}

TEST_CASE("groups match when one of them is the user's") {
  const Policy p = policy("- {level: Metadata, userGroups: [system:nodes, ops]}\n");
  const std::vector<std::string> groups = {"dev", "ops"};
  Subject subject = pods("get");
  CHECK(p.judge(subject).level == Level::none);
  subject.groups = groups;
  CHECK(p.judge(subject).level == Level::metadata);
}

TEST_CASE("resources match by group, name and subresource, with wildcards") {
  const auto level = [](const std::string& resources, const Subject& subject) {
    return policy("- {level: Metadata, resources: [" + resources + "]}\n").judge(subject).level;
  };
  const Level yes = Level::metadata, no = Level::none;
  CHECK(level("{group: ''}", pods("get", "log")) == yes);
  CHECK(level("{group: apps}", pods("get")) == no);
  CHECK(level("{resources: [pods]}", pods("get")) == yes);
  CHECK(level("{resources: [pods]}", pods("get", "log")) == no);
  CHECK(level("{resources: [pods/log]}", pods("get", "log")) == yes);
  CHECK(level("{resources: [pods/log]}", pods("get", "exec")) == no);
  CHECK(level("{resources: [pods/*]}", pods("get", "exec")) == yes);
  CHECK(level("{resources: ['*/exec']}", pods("get", "exec")) == yes);
  CHECK(level("{resources: ['*/exec']}", pods("get")) == no);
  CHECK(level("{resources: ['*']}", pods("get", "exec")) == yes);
  CHECK(level("{resources: [pods], resourceNames: [web]}", pods("get")) == yes);
  CHECK(level("{resources: [pods], resourceNames: [db]}", pods("get")) == no);
  CHECK(level("{group: apps}, {resources: [pods]}", pods("get")) == yes);
  CHECK(level("{group: ''}", path("/metrics")) == no);
}

TEST_CASE("namespaces match by name, cluster scope as the empty one") {
  const Policy p = policy("- {level: Metadata, namespaces: [a, '']}\n");
  CHECK(p.judge(pods("get")).level == Level::metadata);
  CHECK(p.judge(pods("get", "", "b")).level == Level::none);
  CHECK(p.judge(pods("get", "", "")).level == Level::metadata);
  CHECK(p.judge(path("/api")).level == Level::none);
}

TEST_CASE("paths match whole, by their beginning, or all") {
  const Policy p = policy("- {level: Metadata, nonResourceURLs: [/healthz*, /version]}\n");
  CHECK(p.judge(path("/healthz/ping")).level == Level::metadata);
  CHECK(p.judge(path("/version")).level == Level::metadata);
  CHECK(p.judge(path("/version/x")).level == Level::none);
  CHECK(p.judge(pods("get")).level == Level::none);
  CHECK(policy("- {level: Metadata, nonResourceURLs: ['*']}\n").judge(path("/x")).level ==
        Level::metadata);
}

TEST_CASE("stages are left out by the policy and by the rule, managed fields by either") {
  const Policy p = policy(
      "- {level: Request, verbs: [get], omitStages: [ResponseStarted]}\n"
      "- {level: Request, omitManagedFields: false}\n",
      "omitStages: [RequestReceived]\nomitManagedFields: true\n");
  const Verdict get = p.judge(pods("get")), list = p.judge(pods("list"));
  CHECK_FALSE(get.writes(Stage::request_received));
  CHECK_FALSE(get.writes(Stage::response_started));
  CHECK(get.writes(Stage::response_complete));
  CHECK(list.writes(Stage::response_started));
  CHECK(get.omit_managed_fields);
  CHECK_FALSE(list.omit_managed_fields);
}

TEST_CASE("what a policy can't mean is refused by the name of its place") {
  CHECK(refusal("- {level: Everything}\n").find("policy.rules[0].level") == 0);
  CHECK(refusal("- {verbs: [get]}\n").find("policy.rules[0].level") == 0);
  CHECK(refusal("- {level: None}\n- {level: None, verb: [get]}\n").find("policy.rules[1].verb:") ==
        0);
  CHECK(refusal("- {level: None, users: jane}\n").find("policy.rules[0].users") == 0);
  CHECK(refusal("- {level: None, users: [1]}\n").find("policy.rules[0].users") == 0);
  CHECK(refusal("- {level: None, nonResourceURLs: [version]}\n").find("\"version\"") !=
        std::string::npos);
  CHECK(refusal("- {level: None, nonResourceURLs: ['/a*b']}\n").find("\"/a*b\"") !=
        std::string::npos);
  CHECK(refusal("- {level: None, nonResourceURLs: [/a], namespaces: [b]}\n").find("joined") !=
        std::string::npos);
  CHECK(refusal("- {level: None, resources: [{resourceNames: [a]}]}\n")
            .find("resources[0].resourceNames") != std::string::npos);
  CHECK(refusal("- {level: None, resources: [{groups: a}]}\n").find("resources[0].groups") !=
        std::string::npos);
  CHECK(refusal("- {level: None, omitStages: [Late]}\n").find("\"Late\"") != std::string::npos);
  CHECK(refusal(" []\n").find("policy.rules") == 0);
  CHECK(refusal("- {level: None}\n", "omitStages: [Late]\n").find("policy.omitStages") == 0);
  CHECK(refusal("- {level: None}\n", "rule: []\n").find("policy.rule:") == 0);
  const auto other = api::parse_json(R"({"apiVersion":"v1","kind":"Policy","rules":[]})");
  CHECK_FALSE(Policy::parse(*other).ok());
}

}  // namespace
}  // namespace orch::audit
