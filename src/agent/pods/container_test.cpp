// The pure parts of making a container: environment, users, files in /etc, resources, mounts, logs.
#include <catch2/catch_test_macros.hpp>

#include "agent/pods/container_config.h"
#include "agent/pods/container_log.h"
#include "agent/pods/etc_files.h"
#include "agent/pods/exec_stream.h"
#include "agent/pods/kubelet_server.h"
#include "agent/pods/qos.h"
#include "agent/pods/service_view.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

using api::Value;

Value yaml(const std::string& text) {
  auto parsed = api::parse_yaml(text);
  INFO((parsed.ok() ? "" : parsed.status().message));
  REQUIRE(parsed.ok());
  return std::move(*parsed);
}

Value pod_with(const std::string& spec) {
  return Value::object({{"metadata", yaml("{name: p, namespace: ns, uid: u, labels: {a: b}}")},
                        {"spec", yaml(spec)}});
}

TEST_CASE("references are expanded as Kubernetes does", "[environment]") {
  const std::map<std::string, std::string> known = {{"A", "1"}, {"B", "$(A)"}};
  const std::pair<const char*, const char*> rows[] = {
      {"x$(A)y", "x1y"}, {"$(NO)", "$(NO)"}, {"$$(A)", "$(A)"}, {"$(B)", "$(A)"},
      {"$A", "$A"},      {"$", "$"},         {"$(A", "$(A"},    {"$$$(A)", "$1"}};
  for (const auto& [text, wanted] : rows) CHECK(expand(text, known) == wanted);
}

TEST_CASE("a container's environment", "[environment]") {
  const Value pod = pod_with("{nodeName: n, containers: []}");
  const PodFacts facts{pod, "10.42.0.5", "10.0.0.1", 2000, 1 << 20};
  const Value container = yaml(R"yaml(
envFrom: [{prefix: P_, configMapRef: {name: map}}, {secretRef: {name: none, optional: true}}]
resources: {limits: {cpu: 1500m}}
env:
- {name: A, value: "x"}
- {name: B, value: "$(A)-$(P_k)-$(WEB_SERVICE_HOST)"}
- {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: L, valueFrom: {fieldRef: {fieldPath: "metadata.labels['a']"}}}
- {name: S, valueFrom: {secretKeyRef: {name: secret, key: s}}}
- {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
- {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Ki}}}
- {name: NONE, valueFrom: {configMapKeyRef: {name: map, key: no, optional: true}}}
)yaml");
  EnvironmentSources sources;
  sources.config_map = [](const std::string& name) -> Result<Value> {
    if (name == "map") return yaml("{data: {k: v, '1bad': x}}");
    return not_found("configmap \"" + name + "\" not found");
  };
  sources.secret = [](const std::string& name) -> Result<Value> {
    if (name == "secret") return yaml("{data: {s: aHVzaA==}}");
    return not_found("secret \"" + name + "\" not found");
  };
  sources.services = {{"WEB_SERVICE_HOST", "10.43.0.9"}};
  const auto made = container_environment(facts, container, sources);
  INFO((made.ok() ? "" : made.status().message));
  REQUIRE(made.ok());
  const std::map<std::string, std::string> all(made->begin(), made->end());
  CHECK(all.at("P_k") == "v");
  CHECK(all.at("B") == "x-v-10.43.0.9");
  CHECK(all.at("IP") == "10.42.0.5");
  CHECK(all.at("L") == "b");
  CHECK(all.at("S") == "hush");
  CHECK(all.at("CPU") == "2");
  CHECK(all.at("MEM") == "1024");
  CHECK(all.at("WEB_SERVICE_HOST") == "10.43.0.9");
  CHECK_FALSE(all.contains("NONE"));

  const Value missing =
      yaml("env: [{name: X, valueFrom: {secretKeyRef: {name: secret, key: no}}}]");
  const auto failed = container_environment(facts, missing, sources);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.status().message == "couldn't find key no in Secret ns/secret");
}

TEST_CASE("service variables are docker-link style", "[environment]") {
  const auto made = service_environment(
      {yaml("{metadata: {name: my-db}, spec: {clusterIP: 10.43.0.7, ports: [{name: sql, port: "
            "5432}]}}"),
       yaml("{metadata: {name: head}, spec: {clusterIP: None, ports: [{port: 1}]}}")});
  const std::map<std::string, std::string> all(made.begin(), made.end());
  CHECK(all.at("MY_DB_SERVICE_HOST") == "10.43.0.7");
  CHECK(all.at("MY_DB_SERVICE_PORT") == "5432");
  CHECK(all.at("MY_DB_SERVICE_PORT_SQL") == "5432");
  CHECK(all.at("MY_DB_PORT") == "tcp://10.43.0.7:5432");
  CHECK(all.at("MY_DB_PORT_5432_TCP_ADDR") == "10.43.0.7");
  CHECK(all.size() == 8);
}

TEST_CASE("command and args over entrypoint and cmd", "[environment]") {
  struct Row {
    const char* container;
    std::string wanted;
  };
  const Row rows[] = {{"{}", "e c"},
                      {"{command: [x]}", "x"},
                      {"{args: [y]}", "e y"},
                      {"{command: [x], args: [\"$(V)\"]}", "x 1"}};
  for (const auto& row : rows) {
    const auto made = container_args(yaml(row.container), {"e"}, {"c"}, {{"V", "1"}});
    REQUIRE(made.ok());
    CHECK(join(*made, " ") == row.wanted);
  }
  CHECK(container_args(yaml("{}"), {}, {}, {}).status().message == "no command specified");
}

TEST_CASE("users and groups", "[users]") {
  const std::string passwd = "root:x:0:0::/:/bin/sh\nweb:x:101:102::/:/bin/sh\n";
  const std::string group = "root:x:0:\nwww:x:33:web\n";
  struct Row {
    const char* pod;
    const char* container;
    const char* image_user;
    User wanted;
  };
  const Row rows[] = {
      {"{}", "{}", "", {0, 0, {}}},
      {"{}", "{}", "web", {101, 102, {33}}},
      {"{}", "{}", "web:www", {101, 33, {33}}},
      {"{}", "{}", "5000", {5000, 0, {}}},
      {"{}", "{}", "101", {101, 102, {33}}},
      {"{runAsUser: 7, fsGroup: 9, supplementalGroups: [8]}", "{}", "web", {7, 0, {8, 9}}},
      {"{runAsUser: 7}", "{runAsUser: 6, runAsGroup: 5}", "", {6, 5, {}}},
  };
  for (const auto& row : rows) {
    const Value pod = pod_with(std::string("securityContext: ") + row.pod);
    const Value container = yaml(std::string("{name: c, securityContext: ") + row.container + "}");
    const auto user = container_user({pod, container, row.image_user, passwd, group});
    INFO(row.image_user << " " << row.pod << " " << row.container);
    REQUIRE(user.ok());
    CHECK(*user == row.wanted);
  }
}

TEST_CASE("runAsNonRoot refuses root in Kubernetes' words", "[users]") {
  const Value pod = pod_with("securityContext: {runAsNonRoot: true}");
  const auto why = [&](const char* container, const char* image_user) {
    const Value spec = yaml(std::string("{name: c, securityContext: ") + container + "}");
    const auto user = container_user({pod, spec, image_user, "", ""});
    return user.ok() ? "" : user.status().message;
  };
  CHECK(why("{}", "1000") == "");
  CHECK(why("{runAsNonRoot: false}", "") == "");
  CHECK(why("{}", "") ==
        "container has runAsNonRoot and image will run as root (pod: \"p_ns(u)\", container: c)");
  CHECK(why("{}", "web") ==
        "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is "
        "non-root (pod: \"p_ns(u)\", container: c)");
  CHECK(why("{runAsUser: 0}", "1") ==
        "container's runAsUser breaks non-root policy (pod: \"p_ns(u)\", container: c)");
}

TEST_CASE("resolv.conf by policy", "[etc_files]") {
  const DnsFacts facts{"10.43.0.10", "cluster.local",
                       "search home\nnameserver 192.168.1.1\noptions edns0\n"};
  const auto render = [&](const char* spec) { return render_resolv_conf(pod_with(spec), facts); };
  CHECK(render("{dnsPolicy: ClusterFirst}") ==
        "search ns.svc.cluster.local svc.cluster.local cluster.local home\n"
        "nameserver 10.43.0.10\noptions ndots:5\n");
  CHECK(render("{dnsPolicy: Default}") == "search home\nnameserver 192.168.1.1\noptions edns0\n");
  CHECK(render("{dnsPolicy: ClusterFirst, hostNetwork: true}") == render("{dnsPolicy: Default}"));
  CHECK(render("{dnsPolicy: ClusterFirstWithHostNet, hostNetwork: true}") ==
        render("{dnsPolicy: ClusterFirst}"));
  CHECK(render("{dnsPolicy: None, dnsConfig: {nameservers: [1.1.1.1], searches: [x], options: "
               "[{name: ndots, value: '2'}]}}") ==
        "search x\nnameserver 1.1.1.1\noptions ndots:2\n");
}

TEST_CASE("hosts", "[etc_files]") {
  const std::string text = render_hosts(
      pod_with("{hostname: h, subdomain: s, hostAliases: [{ip: 1.2.3.4, hostnames: [a, b]}]}"),
      "10.42.0.5", "cluster.local", "");
  CHECK(text.find("10.42.0.5\th.s.ns.svc.cluster.local\th\n") != text.npos);
  CHECK(text.ends_with("1.2.3.4\ta\tb\n"));
}

TEST_CASE("quality of service", "[qos]") {
  struct Row {
    const char* resources;
    const char* qos;
    int oom;
  };
  const Row rows[] = {
      {"{}", "BestEffort", 1000},
      {"{limits: {cpu: 500m, memory: 64Mi}}", "Guaranteed", -997},
      {"{requests: {cpu: 100m}}", "Burstable", 999},
      {"{requests: {memory: 256Mi}, limits: {memory: 512Mi}}", "Burstable", 750},
  };
  for (const auto& row : rows) {
    const Value pod =
        pod_with(std::string("containers: [{name: c, resources: ") + row.resources + "}]");
    INFO(row.resources);
    CHECK(qos_class(pod) == row.qos);
    CHECK(container_resources(pod, pod["spec"]["containers"][0], 1 << 30).oom_score_adj == row.oom);
  }
  const Value pod = pod_with(
      "{initContainers: [{name: i, resources: {requests: {cpu: '1'}}}], containers: [{name: a, "
      "resources: {requests: {cpu: 100m}}}, {name: b, resources: {requests: {cpu: 200m}}}]}");
  CHECK(pod_request(pod, "cpu") == 1000);
  CHECK(pod_cgroup(pod) == "kubepods/burstable/podu");
  CHECK(pod_cgroup_limits(pod).cpu_shares == 1024);
}

TEST_CASE("mounts and signals", "[container_config]") {
  const Value container = yaml(
      "volumeMounts: [{name: v, mountPath: /v, subPathExpr: $(X)/y, readOnly: true}, {name: s, "
      "mountPath: /s}]");
  const auto planned =
      plan_mounts(container, {{"v", {"/vol", false}}, {"s", {"/sec", true}}}, {{"X", "x"}});
  REQUIRE(planned.ok());
  CHECK(planned->at(0).sub_path == "x/y");
  CHECK(planned->at(0).mount.read_only);
  CHECK(planned->at(1).mount.read_only);
  CHECK_FALSE(plan_mounts(container, {}, {}).ok());
  CHECK(signal_number("SIGQUIT") == 3);
  CHECK(signal_number("USR1") == 10);
  CHECK(signal_number("9") == 9);
  CHECK(signal_number("nonsense") == 15);
}

// ---- logs ----

const char* kLog =
    "2026-01-01T00:00:01Z stdout F one\n"
    "2026-01-01T00:00:02Z stdout P two \n"
    "2026-01-01T00:00:02Z stdout F halves\n"
    "2026-01-01T00:00:03Z stderr F three\n";

TEST_CASE("log records become lines", "[container_log]") {
  const auto show = [](const std::string& query) {
    WallTime now;
    REQUIRE(parse_time("2026-01-01T00:00:04Z", &now));
    const auto options = parse_log_options(query, now);
    REQUIRE(options.ok());
    // Byte by byte: records may come in any pieces.
    LogFilter filter(*options);
    std::string out;
    for (const char c : std::string(kLog)) out += filter.feed(std::string_view(&c, 1));
    return out;
  };
  CHECK(show("") == "one\ntwo halves\nthree\n");
  CHECK(show("sinceSeconds=2") == "two halves\nthree\n");
  CHECK(show("sinceSeconds=9223372036854775807") == show(""));  // Longer than a clock can count.
  CHECK(show("sinceTime=2026-01-01T00:00:03Z") == "three\n");
  CHECK(show("limitBytes=6") == "one\ntw");
  CHECK(
      show("timestamps=true").starts_with("2026-01-01T00:00:01Z one\n2026-01-01T00:00:02Z two h"));
  CHECK_FALSE(parse_log_options("tailLines=-1", WallTime{}).ok());
}

TEST_CASE("tails count lines, not records", "[container_log]") {
  char name[] = "/tmp/orch-log-XXXXXX";
  const UniqueFd fd(::mkstemp(name));
  std::string text;
  for (int i = 0; i < 5000; ++i) text += kLog;
  REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  CHECK(log_tail(name, 1, 1000) == "three\n");
  CHECK(log_tail(name, 2, 1000) == "two halves\nthree\n");
  CHECK(log_tail(name, 4, 1000) == "three\none\ntwo halves\nthree\n");
  CHECK(log_tail(name, 0, 1000).empty());
  CHECK(tail_offset(fd.get(), 15'000) == 0);
  CHECK(tail_offset(fd.get(), 14'999) > 0);
  CHECK(log_tail(name, 10'000, 100).size() == 100);
  ::unlink(name);
}

// ---- the node's endpoint ----

TEST_CASE("exit codes are told as kubectl expects", "[exec_stream]") {
  CHECK(render_exit_status(0) == R"({"metadata":{},"status":"Success"})");
  CHECK(render_exit_status(3) ==
        R"({"metadata":{},"status":"Failure","message":"command terminated with non-zero exit )"
        R"(code: exit status 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":)"
        R"("ExitCode","message":"3"}]}})");
}

TEST_CASE("only the API server may call a node", "[kubelet_server]") {
  http::Peer peer;
  peer.common_name = "kube-apiserver-kubelet-client";
  CHECK_FALSE(may_call_node(peer));  // A name without a certificate says nothing.
  peer.has_certificate = true;
  CHECK(may_call_node(peer));
  peer.common_name = "system:node:n2";
  peer.organizations = {"system:nodes"};
  CHECK_FALSE(may_call_node(peer));
  peer.organizations.push_back("system:masters");
  CHECK(may_call_node(peer));
}

// ---- services ----

TEST_CASE("services and slices become rules and names", "[service_view]") {
  const std::vector<Value> services = {
      yaml("{metadata: {name: web, namespace: d}, spec: {clusterIP: 10.43.0.5, ports: [{name: h, "
           "port: 80, nodePort: 30001}], sessionAffinity: ClientIP}}"),
      yaml("{metadata: {name: head, namespace: d}, spec: {clusterIP: None, ports: [{port: 1}]}}"),
      yaml("{metadata: {name: ext, namespace: d}, spec: {type: ExternalName, externalName: x.y}}")};
  const auto slice = [](const std::string& service, const std::string& endpoints) {
    return yaml(
        "{addressType: IPv4, metadata: {namespace: d, labels: {kubernetes.io/service-name: " +
        service + "}}, ports: [{name: h, port: 8080}], endpoints: " + endpoints + "}");
  };
  const std::vector<Value> slices = {
      slice("web",
            "[{addresses: [10.42.0.2], nodeName: n1}, {addresses: [10.42.1.2], nodeName: n2}, "
            "{addresses: [10.42.1.3], conditions: {ready: false}}]"),
      slice("head", "[{addresses: [10.42.0.3], hostname: h0}]")};
  const auto table = service_table(services, slices, "n1");
  REQUIRE(table.services.size() == 1);
  const auto& web = table.services[0];
  CHECK(web.name == "d/web:h");
  CHECK(web.node_port == 30001);
  CHECK(web.session_affinity_s == 10800);
  REQUIRE(web.endpoints.size() == 2);
  CHECK(web.endpoints[0].local);
  CHECK_FALSE(web.endpoints[1].local);
  CHECK(web.endpoints[1].port == 8080);

  const auto terminating =
      slice("web",
            "[{addresses: [10.42.0.9], conditions: {ready: false, serving: true, terminating: "
            "true}}]");
  CHECK(service_table(services, {terminating}, "n1").services[0].endpoints.size() == 1);

  const auto zone = zone_data(services, slices, "cluster.local");
  REQUIRE(zone.services.size() == 3);
  CHECK(zone.services[1].endpoints.at(0).hostname == "h0");
  CHECK(zone.services[2].external_name == "x.y");

  const auto routes = pod_routes(
      {yaml("{metadata: {name: n1}, spec: {podCIDR: 10.42.0.0/24}}"),
       yaml("{metadata: {name: n2}, spec: {podCIDR: 10.42.1.0/24}, status: {addresses: [{type: "
            "InternalIP, address: 10.0.0.2}]}}")},
      "n1");
  REQUIRE(routes.size() == 1);
  CHECK(routes.begin()->second.text() == "10.0.0.2");
}

}  // namespace
}  // namespace orch::pods
