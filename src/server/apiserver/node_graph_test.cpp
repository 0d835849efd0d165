// Which objects a node's pods bring it, and what a node may write.
#include "server/apiserver/node_graph.h"

#include <catch2/catch_test_macros.hpp>

#include "api/resources.h"
#include "server/apiserver/node_restriction.h"

namespace orch::apiserver {
namespace {

using Kind = NodeGraph::Kind;

api::Value json(std::string_view text) {
  auto value = api::parse_json(text);
  REQUIRE(value.ok());
  return *std::move(value);
}

api::Value pod(const std::string& name, const std::string& node, const std::string& spec) {
  return json(R"({"metadata":{"namespace":"x","name":")" + name + R"("},"spec":{"nodeName":")" +
              node + "\"," + spec + "}}");
}

TEST_CASE("pods bring their node what they refer to, as long as one does", "[node]") {
  NodeGraph graph;
  const std::string spec = R"("serviceAccountName":"robot","imagePullSecrets":[{"name":"pull"}],
    "containers":[{"envFrom":[{"secretRef":{"name":"all"}},{"configMapRef":{"name":"map"}}],
      "env":[{"valueFrom":{"secretKeyRef":{"name":"one"}}}]}],
    "volumes":[{"name":"p","projected":{"sources":[{"secret":{"name":"part"}}]}},
      {"name":"c","persistentVolumeClaim":{"claimName":"claim"}},
      {"name":"e","ephemeral":{}}])";
  graph.take_pod(pod("a", "n", spec));
  graph.take_pod(pod("b", "n", spec));
  for (const char* name : {"pull", "all", "one", "part"}) {
    INFO(name);
    CHECK(graph.related("n", Kind::secret, "x", name));
    CHECK_FALSE(graph.related("n", Kind::secret, "y", name));
    CHECK_FALSE(graph.related("m", Kind::secret, "x", name));
    CHECK_FALSE(graph.related("n", Kind::config_map, "x", name));
  }
  CHECK(graph.related("n", Kind::config_map, "x", "map"));
  CHECK(graph.related("n", Kind::service_account, "x", "robot"));
  CHECK(graph.related("n", Kind::claim, "x", "claim"));
  CHECK(graph.related("n", Kind::claim, "x", "a-e"));
  CHECK(graph.node_of("x", "a") == "n");

  graph.take_volume(json(R"({"metadata":{"name":"pv"},"spec":{
    "claimRef":{"namespace":"x","name":"claim"},
    "csi":{"nodeStageSecretRef":{"namespace":"z","name":"disk"}}}})"));
  CHECK(graph.related("n", Kind::volume, "", "pv"));
  CHECK(graph.related("n", Kind::secret, "z", "disk"));

  graph.forget_pod("x", "a");
  CHECK(graph.related("n", Kind::secret, "x", "one"));
  CHECK_FALSE(graph.related("n", Kind::claim, "x", "a-e"));
  graph.forget_pod("x", "b");
  CHECK_FALSE(graph.related("n", Kind::secret, "x", "one"));
  CHECK_FALSE(graph.related("n", Kind::volume, "", "pv"));
  CHECK_FALSE(graph.related("n", Kind::secret, "z", "disk"));
  CHECK(graph.node_of("x", "a").empty());
}

TEST_CASE("a pod that is made anew elsewhere brings its old node nothing", "[node]") {
  NodeGraph graph;
  const std::string spec = R"("imagePullSecrets":[{"name":"s"}])";
  graph.take_pod(pod("a", "n", spec));
  graph.take_pod(pod("a", "n", spec));
  graph.take_pod(pod("a", "m", spec));
  CHECK_FALSE(graph.related("n", Kind::secret, "x", "s"));
  CHECK(graph.related("m", Kind::secret, "x", "s"));
  graph.take_pod(pod("a", "", spec));
  CHECK_FALSE(graph.related("m", Kind::secret, "x", "s"));
  CHECK(graph.node_of("x", "a").empty());
}

TEST_CASE("a mirror pod is its node's own word and opens nothing", "[node]") {
  NodeGraph graph;
  auto mirror = pod("c", "n", R"("imagePullSecrets":[{"name":"t"}])");
  mirror["metadata"]["annotations"].set("kubernetes.io/config.mirror", "h");
  graph.take_pod(mirror);
  CHECK_FALSE(graph.related("n", Kind::secret, "x", "t"));
}

struct Writes {
  WriteRequest request;
  explicit Writes(const api::Resource& resource, std::string name = "") {
    request.resource = &resource;
    request.name = std::move(name);
    request.user.name = "system:node:n";
    request.user.groups = {std::string(kNodesGroup)};
  }
  std::string why(const std::string& old, const std::string& object) const {
    const auto parse = [](const std::string& text) {
      return text.empty() ? api::Value() : json(text);
    };
    const auto checked = restrict_node(request, parse(old), parse(object));
    return checked ? "" : checked.status().message;
  }
};

TEST_CASE("a node writes its own Node, but not what others decide of it", "[node]") {
  Writes node(api::resource::nodes(), "n");
  const std::string plain = R"({"metadata":{"name":"n"}})";
  const auto labelled = [](const std::string& key) {
    return R"({"metadata":{"name":"n","labels":{")" + key + R"(":"1"}}})";
  };
  CHECK(node.why(plain, labelled("disk")).empty());
  CHECK(node.why(plain, labelled("kubernetes.io/hostname")).empty());
  CHECK(node.why(plain, labelled("a.node.kubernetes.io/x")).empty());
  CHECK(node.why("", labelled("node-role.kubernetes.io/x")).empty());
  CHECK(node.why(plain, labelled("node-role.kubernetes.io/x")) ==
        "nodes \"n\" is forbidden: is not allowed to modify labels: node-role.kubernetes.io/x");
  CHECK(node.why(labelled("a.node-restriction.kubernetes.io/x"), plain) ==
        "nodes \"n\" is forbidden: is not allowed to modify labels: "
        "a.node-restriction.kubernetes.io/x");
  CHECK(node.why("", labelled("node-restriction.kubernetes.io/x")) ==
        "nodes \"n\" is forbidden: is not allowed to set the following labels: "
        "node-restriction.kubernetes.io/x");
  CHECK(node.why(plain, R"({"metadata":{"name":"n"},"spec":{"taints":[{"key":"a"}]}})") ==
        "nodes \"n\" is forbidden: node \"n\" is not allowed to modify taints");
  CHECK(Writes(api::resource::nodes(), "m").why(plain, plain) ==
        "nodes \"m\" is forbidden: node \"n\" is not allowed to modify node \"m\"");
}

TEST_CASE("a node shows pods that it runs by itself, and ends its own", "[node]") {
  Writes pods(api::resource::pods(), "p");
  const auto mirror = [](const std::string& spec, const std::string& more = "") {
    return R"({"metadata":{"name":"p","annotations":{"kubernetes.io/config.mirror":"h"})" + more +
           R"(},"spec":{)" + spec + "}}";
  };
  const std::string mine = R"({"spec":{"nodeName":"n"}})", other = R"({"spec":{"nodeName":"m"}})";
  const std::string refused = "pods \"p\" is forbidden: ";
  CHECK(pods.why("", mirror(R"("nodeName":"n")")).empty());
  CHECK(pods.why("", mine) ==
        refused +
            "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n\" can "
            "only create mirror pods");
  CHECK(pods.why("", mirror(R"("nodeName":"m")")) ==
        refused + "node \"n\" can only create pods with spec.nodeName set to itself");
  CHECK(pods.why("", mirror(R"("nodeName":"n","imagePullSecrets":[{"name":"s"}])")) ==
        refused + "node \"n\" can not create pods that reference secrets");
  CHECK(pods.why("", mirror(R"("nodeName":"n","serviceAccountName":"s")")) ==
        refused + "node \"n\" can not create pods that reference a service account");
  CHECK(pods.why(mine, "").empty());
  CHECK(pods.why(other, "") ==
        refused + "node \"n\" can only delete pods with spec.nodeName set to itself");
  CHECK(pods.why(mine, mine) == refused +
                                    "unexpected operation \"UPDATE\", node \"n\" can only create "
                                    "and delete mirror pods");
  pods.request.subresource = api::resource::pods().find_subresource("status");
  CHECK(pods.why(mine, mine).empty());
  CHECK(pods.why(other, other) ==
        refused +
            "node \"n\" can only update pod status for pods with spec.nodeName set to itself");
  CHECK(pods.why(mine, R"({"metadata":{"labels":{"a":"1"}},"spec":{"nodeName":"n"}})") ==
        refused + "node \"n\" cannot update labels through pod status");
  pods.request.subresource = api::resource::pods().find_subresource("eviction");
  CHECK(pods.why(other, "") ==
        refused + "node \"n\" can only evict pods with spec.nodeName set to itself");
}

}  // namespace
}  // namespace orch::apiserver
