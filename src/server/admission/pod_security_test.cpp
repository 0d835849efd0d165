// Every control of baseline and restricted, in Kubernetes' words.
#include "server/admission/pod_security.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::admission {
namespace {

using api::Value;

Value json(const std::string& text) {
  auto parsed = api::parse_json(text);
  REQUIRE(parsed.ok());
  return *std::move(parsed);
}

std::string check(SecurityLevel level, const std::string& pod,
                  int minor = SecurityPolicy::kLatest) {
  const SecurityPolicy policy{level, minor};
  const auto violations = check_pod_security(policy, json(pod));
  if (violations.empty()) return "";
  const std::string text = violation_text(policy, violations);
  return text.substr(text.find("\": ") + 3);
}

// A pod that keeps to restricted, with one thing more in its spec or in its container.
std::string good(const std::string& in_spec, const std::string& in_container = "",
                 const std::string& in_context = "") {
  return R"({"metadata":{},"spec":{"securityContext":{"runAsNonRoot":true,
      "seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"a","securityContext":{
      "allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]})" +
         in_context + "}" + in_container + "}]" + in_spec + "}}";
}

TEST_CASE("a plain pod keeps to baseline, and lacks four things for restricted") {
  const std::string plain = R"({"metadata":{},"spec":{"containers":[{"name":"a"},{"name":"b"}]}})";
  CHECK(check(SecurityLevel::privileged, plain).empty());
  CHECK(check(SecurityLevel::baseline, plain).empty());
  CHECK(check(SecurityLevel::restricted, plain) ==
        "allowPrivilegeEscalation != false (containers \"a\", \"b\" must set "
        "securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers "
        "\"a\", \"b\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true "
        "(pod or containers \"a\", \"b\" must set securityContext.runAsNonRoot=true), "
        "seccompProfile (pod or containers \"a\", \"b\" must set "
        "securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")");
  CHECK(check(SecurityLevel::restricted, good("")).empty());
}

TEST_CASE("what baseline forbids, restricted forbids as well") {
  struct Row {
    std::string pod, text;
  };
  const Row rows[] = {
      {good(R"(,"hostNetwork":true,"hostPID":true)"),
       "host namespaces (hostNetwork=true, hostPID=true)"},
      {good("", R"(,"ports":[{"hostPort":80},{"hostPort":81}])"),
       "hostPort (container \"a\" uses hostPorts 80, 81)"},
      {good("", "", R"(,"privileged":true)"),
       "privileged (container \"a\" must not set securityContext.privileged=true)"},
      {good("", "", R"(,"procMount":"Unmasked")"),
       "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")"},
      {good("", "", R"(,"seLinuxOptions":{"type":"spc_t","user":"u"})"),
       "seLinuxOptions (container \"a\" set forbidden securityContext.seLinuxOptions: type "
       "\"spc_t\"; user may not be set)"},
      {good("", "", R"(,"seccompProfile":{"type":"Unconfined"})"),
       "seccompProfile (container \"a\" must not set securityContext.seccompProfile.type to "
       "\"Unconfined\")"},
      {good("", "", R"(,"appArmorProfile":{"type":"Unconfined"})"),
       "forbidden AppArmor profile (container \"a\" must not set AppArmor profile type to "
       "\"Unconfined\")"},
      {good("", "", R"(,"windowsOptions":{"hostProcess":true})"),
       "hostProcess (container \"a\" must not set "
       "securityContext.windowsOptions.hostProcess=true)"},
  };
  for (const Row& row : rows) {
    CHECK(check(SecurityLevel::baseline, row.pod) == row.text);
    CHECK(check(SecurityLevel::restricted, row.pod) == row.text);
    CHECK(check(SecurityLevel::privileged, row.pod).empty());
  }
}

TEST_CASE("where restricted has a stronger word than baseline") {
  const std::string path = good(R"(,"volumes":[{"name":"v","hostPath":{"path":"/"}}])");
  CHECK(check(SecurityLevel::baseline, path) == "hostPath volumes (volume \"v\")");
  CHECK(check(SecurityLevel::restricted, path) ==
        "restricted volume types (volume \"v\" uses restricted volume type \"hostPath\")");
  const std::string nfs = good(R"(,"volumes":[{"name":"v","nfs":{}},{"name":"w","emptyDir":{}}])");
  CHECK(check(SecurityLevel::baseline, nfs).empty());
  CHECK(check(SecurityLevel::restricted, nfs) ==
        "restricted volume types (volume \"v\" uses restricted volume type \"nfs\")");
  const std::string caps = R"({"spec":{"securityContext":{"runAsNonRoot":true,
      "seccompProfile":{"type":"Localhost"}},"containers":[{"name":"a","securityContext":{
      "allowPrivilegeEscalation":false,
      "capabilities":{"drop":["ALL"],"add":["NET_ADMIN","CHOWN"]}}}]}})";
  CHECK(check(SecurityLevel::baseline, caps) ==
        "non-default capabilities (container \"a\" must not include \"NET_ADMIN\" in "
        "securityContext.capabilities.add)");
  CHECK(check(SecurityLevel::restricted, caps) ==
        "unrestricted capabilities (container \"a\" must not include \"CHOWN\", \"NET_ADMIN\" in "
        "securityContext.capabilities.add)");
  CHECK(check(SecurityLevel::restricted, good("", "", R"(,"runAsUser":0,"runAsNonRoot":false)")) ==
        "runAsNonRoot != true (container \"a\" must not set securityContext.runAsNonRoot=false), "
        "runAsUser=0 (container \"a\" must not set runAsUser=0)");
}

TEST_CASE("the rules are those of the version that the label names") {
  const std::string sysctl = R"({"spec":{"securityContext":{"sysctls":[
      {"name":"net.ipv4.tcp_rmem"},{"name":"kernel.msgmax"}]},"containers":[]}})";
  CHECK(check(SecurityLevel::baseline, sysctl) == "forbidden sysctls (kernel.msgmax)");
  CHECK(check(SecurityLevel::baseline, sysctl, 31) ==
        "forbidden sysctls (net.ipv4.tcp_rmem, kernel.msgmax)");
  CHECK(check(SecurityLevel::restricted, good("", "", R"(,"runAsUser":0)"), 22).empty());

  const Value ns = json(R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline",
      "pod-security.kubernetes.io/enforce-version":"v1.30",
      "pod-security.kubernetes.io/warn":"restricted"}}})");
  const SecurityPolicy enforced = security_policy(ns, "enforce");
  CHECK(enforced.to_text() == "baseline:v1.30");
  CHECK(security_policy(ns, "warn").to_text() == "restricted:latest");
  CHECK(security_policy(ns, "audit").level == SecurityLevel::privileged);
  CHECK(security_policy(ns, "warn").tighter_than(enforced));
  CHECK_FALSE(enforced.tighter_than(security_policy(ns, "warn")));

  api::Causes causes;
  validate_security_labels(ns, &causes);
  CHECK(causes.empty());
  for (const char* labels : {R"("pod-security.kubernetes.io/enforce":"strict")",
                             R"("pod-security.kubernetes.io/warn-version":"1.30")",
                             R"("pod-security.kubernetes.io/audit-version":"v1.030")"}) {
    api::Causes found;
    validate_security_labels(json(std::string(R"({"metadata":{"labels":{)") + labels + "}}}"),
                             &found);
    CHECK(found.size() == 1);
  }
}

}  // namespace
}  // namespace orch::admission
