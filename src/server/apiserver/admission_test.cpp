// What the server adds to pods and Services, and what it refuses for other objects' sake.
#include <catch2/catch_test_macros.hpp>

#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

std::string service(const std::string& name, const std::string& spec) {
  return R"({"metadata":{"name":")" + name + R"("},"spec":{)" + spec + "}}";
}

TEST_CASE("a pod gets its account, token, tolerations and priority") {
  TestServer server;
  const auto early = server.post(kPods, TestServer::pod("early"));
  CHECK(early.code == 403);
  CHECK(early.message() ==
        "pods \"early\" is forbidden: error looking up service account default/default: "
        "serviceaccount \"default\" not found");
  server.add_account();
  const auto pod = server.post(kPods, TestServer::pod("p"));
  REQUIRE(pod.code == 201);
  CHECK(pod.at("spec.serviceAccountName") == "default");
  CHECK(pod.json.at("spec.priority").as_int(-1) == 0);
  CHECK(pod.json.at("spec.tolerations").size() == 2);
  CHECK(pod.at("status.phase") == "Pending");
  CHECK(pod.at("status.qosClass") == "BestEffort");
  const api::Value& volume = pod.json["spec"]["volumes"][0];
  CHECK(volume["name"].as_string().starts_with("kube-api-access-"));
  CHECK(volume.at("projected.sources").size() == 3);
  CHECK(volume.at("projected.defaultMode").as_int() == 420);
  const api::Value& mount = pod.json["spec"]["containers"][0]["volumeMounts"][0];
  CHECK(mount["mountPath"].as_string() == "/var/run/secrets/kubernetes.io/serviceaccount");
  CHECK(mount["readOnly"].as_bool());

  const auto bare =
      server.post(kPods, TestServer::pod("bare", "", R"(,"automountServiceAccountToken":false)"));
  REQUIRE(bare.code == 201);
  CHECK(bare.json.at("spec.volumes").is_null());
  CHECK(server.post(kPods, TestServer::pod("q", "", R"(,"priorityClassName":"none")")).message() ==
        "pods \"q\" is forbidden: no PriorityClass with name none was found");
}

TEST_CASE("a Service gets an address, and gives it back") {
  TestServer server;
  const auto made = server.post(kServices, service("a", R"("ports":[{"port":80}])"));
  REQUIRE(made.code == 201);
  const std::string ip = made.at("spec.clusterIP");
  CHECK(ip.starts_with("10.43."));
  CHECK(made.json.at("spec.clusterIPs") == api::Value::array({ip}));
  CHECK(made.json.at("spec.ipFamilies") == api::Value::array({"IPv4"}));
  CHECK(made.at("spec.ipFamilyPolicy") == "SingleStack");
  CHECK(made.at("spec.internalTrafficPolicy") == "Cluster");

  const std::string same = R"("ports":[{"port":80}],"clusterIP":")" + ip + "\"";
  const auto taken = server.post(kServices, service("b", same));
  CHECK(taken.code == 422);
  CHECK(taken.message() == "Service \"b\" is invalid: spec.clusterIPs: Invalid value: []string{\"" +
                               ip + "\"}: failed to allocate IP " + ip +
                               ": provided IP is already allocated");
  server.restart();  // What is taken is known from the store.
  CHECK(server.post(kServices, service("b", same)).code == 422);
  REQUIRE(server.call("DELETE", std::string(kServices) + "/a").code == 200);
  CHECK(server.post(kServices, service("b", same)).code == 201);

  const auto outside =
      server.post(kServices, service("c", R"("ports":[{"port":80}],"clusterIP":"10.1.2.3")"));
  CHECK(outside.code == 422);
  CHECK(
      outside.message().ends_with("the provided IP (10.1.2.3) is not in the valid range. The "
                                  "range of valid IPs is 10.43.0.0/16"));
  const auto headless =
      server.post(kServices, service("h", R"("ports":[{"port":80}],"clusterIP":"None")"));
  CHECK(headless.at("spec.clusterIP") == "None");
  const auto external =
      server.post(kServices, service("e", R"("type":"ExternalName","externalName":"a.example")"));
  REQUIRE(external.code == 201);
  CHECK(external.json.at("spec.clusterIP").is_null());
}

TEST_CASE("node ports come from their range, one Service each") {
  TestServer server;
  const auto made =
      server.post(kServices, service("a", R"("type":"NodePort","ports":[{"port":80}])"));
  REQUIRE(made.code == 201);
  const int64_t port = made.json["spec"]["ports"][0]["nodePort"].as_int();
  CHECK((port >= 30000 && port <= 32767));
  const auto with = [&](const std::string& name, int64_t number) {
    return server.post(kServices, service(name, R"("type":"NodePort","ports":[{"port":80,)"
                                                R"("nodePort":)" +
                                                    std::to_string(number) + "}]"));
  };
  CHECK(with("b", port).message() ==
        "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: " + std::to_string(port) +
            ": provided port is already allocated");
  CHECK(with("b", 80).message() ==
        "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is "
        "not in the valid range. The range of valid ports is 30000-32767");
  // An update that leaves it out keeps it; another type gives it back.
  const auto kept = server.call("PUT", std::string(kServices) + "/a",
                                service("a", R"("type":"NodePort","ports":[{"port":80}])"));
  CHECK(kept.json["spec"]["ports"][0]["nodePort"].as_int() == port);
  CHECK(kept.at("spec.clusterIP") == made.at("spec.clusterIP"));
  const auto plain =
      server.call("PATCH", std::string(kServices) + "/a", R"({"spec":{"type":"ClusterIP"}})",
                  "application/merge-patch+json");
  INFO(plain.text);
  REQUIRE(plain.code == 200);
  CHECK(plain.json["spec"]["ports"][0]["nodePort"].is_null());
  CHECK(with("b", port).code == 201);
}

TEST_CASE("a refused or dry write gives back what it had reserved") {
  TestServer server;
  const std::string spec = R"("type":"NodePort","ports":[{"port":80,"nodePort":30100}])";
  CHECK(server.post(std::string(kServices) + "?dryRun=All", service("a", spec)).code == 201);
  REQUIRE(server.post(kServices, service("b", R"("ports":[{"port":80}])")).code == 201);
  CHECK(server.post(kServices, service("b", spec)).code == 409);
  CHECK(server.post(kServices, service("a", spec)).code == 201);
}

TEST_CASE("status is written by itself, generation counts the spec") {
  TestServer server;
  const std::string path = "/apis/apps/v1/namespaces/default/deployments";
  const auto made =
      server.post(path, R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},
                "template":{"metadata":{"labels":{"a":"b"}},
                "spec":{"containers":[{"name":"c","image":"i"}]}}},"status":{"replicas":7}})");
  REQUIRE(made.code == 201);
  CHECK(made.json.at("metadata.generation").as_int() == 1);
  CHECK(made.json.at("status.replicas").as_int() == 0);
  auto object = made.json;
  object["status"].set("replicas", 1);
  object["spec"].set("replicas", 9);
  const auto status = server.call("PUT", path + "/d/status", api::to_json(object));
  CHECK(status.json.at("status.replicas").as_int() == 1);
  CHECK(status.json.at("spec.replicas").as_int() == 1);
  CHECK(status.json.at("metadata.generation").as_int() == 1);

  const auto scale = server.get(path + "/d/scale");
  CHECK(scale.at("kind") == "Scale");
  CHECK(scale.at("status.selector") == "a=b");
  const auto scaled = server.call("PATCH", path + "/d/scale", R"({"spec":{"replicas":4}})",
                                  "application/merge-patch+json");
  CHECK(scaled.json.at("spec.replicas").as_int() == 4);
  const auto after = server.get(path + "/d");
  CHECK(after.json.at("spec.replicas").as_int() == 4);
  CHECK(after.json.at("metadata.generation").as_int() == 2);
}

TEST_CASE("a pod is evicted") {
  TestServer server;
  server.add_account();
  REQUIRE(server.post(kPods, TestServer::pod("p")).code == 201);
  const auto evicted =
      server.post(std::string(kPods) + "/p/eviction", R"({"metadata":{"name":"p"}})");
  CHECK(evicted.code == 201);
  CHECK(evicted.at("status") == "Success");
  CHECK(server.get(std::string(kPods) + "/p").code == 404);
}

}  // namespace
}  // namespace orch::apiserver
