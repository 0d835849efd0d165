#include "server/apiserver/node_authorizer.h"

#include "api/selector.h"

namespace orch::apiserver {
namespace {

using rbac::Action;
using rbac::Rule;
using rbac::Rules;

NodeDecision allow() { return {true, ""}; }
NodeDecision refuse(std::string why) { return {false, std::move(why)}; }

bool is_read(std::string_view verb) { return verb == "get" || verb == "list" || verb == "watch"; }

// What every node may, whichever its pods are.
const Rules& common_rules() {
  static const Rules rules = {
      {{"get", "list", "watch"}, {""}, {"services", "endpoints", "nodes"}, {}, {}},
      {{"get", "list", "watch"}, {"discovery.k8s.io"}, {"endpointslices"}, {}, {}},
      {{"create", "update", "patch"}, {""}, {"nodes"}, {}, {}},
      {{"update", "patch"}, {""}, {"nodes/status"}, {}, {}},
      {{"create", "update", "patch"}, {"", "events.k8s.io"}, {"events"}, {}, {}},
      {{"create", "delete"}, {""}, {"pods"}, {}, {}},
      {{"update", "patch"}, {""}, {"pods/status"}, {}, {}},
      {{"create"}, {""}, {"pods/eviction"}, {}, {}},
      {{"create"}, {"authentication.k8s.io"}, {"tokenreviews"}, {}, {}},
      {{"create"},
       {"authorization.k8s.io"},
       {"subjectaccessreviews", "localsubjectaccessreviews"},
       {},
       {}},
      {{"create", "get", "list", "watch"},
       {"certificates.k8s.io"},
       {"certificatesigningrequests"},
       {},
       {}},
      {{"get", "list", "watch"}, {"storage.k8s.io"}, {"csidrivers"}, {}, {}},
      {{"get", "list", "watch"}, {"node.k8s.io"}, {"runtimeclasses"}, {}, {}},
  };
  return rules;
}

class Question {
 public:
  Question(const NodeGraph& graph, std::string_view node, const Action& action)
      : graph_(graph), node_(node), action_(action) {}

  NodeDecision related(NodeGraph::Kind kind) const {
    if (action_.name.empty()) return refuse("No Object name found");
    if (graph_.related(node_, kind, action_.ns, action_.name)) return allow();
    return refuse("no relationship found between node '" + std::string(node_) +
                  "' and this object");
  }

  NodeDecision read_namespaced(NodeGraph::Kind kind) const {
    if (!is_read(action_.verb)) return refuse("can only read resources of this type");
    if (!action_.subresource.empty()) return refuse("cannot read subresource");
    if (action_.ns.empty()) return refuse("can only read namespaced object of this type");
    return related(kind);
  }

  NodeDecision get_one(NodeGraph::Kind kind) const {
    if (action_.verb != "get") return refuse("can only get individual resources of this type");
    if (!action_.subresource.empty()) return refuse("cannot get subresource");
    return related(kind);
  }

  NodeDecision token() const {
    if (action_.verb != "create" || action_.name.empty()) {
      return refuse("can only create tokens for individual service accounts");
    }
    if (action_.subresource != "token") {
      return refuse("can only create token subresource of serviceaccount");
    }
    return related(NodeGraph::Kind::service_account);
  }

  NodeDecision lease() const {
    if (!touches()) return refuse("can only get, create, update, patch, or delete a node lease");
    if (action_.ns != "kube-node-lease") {
      return refuse(R"(can only access leases in the "kube-node-lease" system namespace)");
    }
    if (own_name()) return allow();
    return refuse("can only access node lease with the same name as the requesting node");
  }

  NodeDecision csi_node() const {
    if (!touches()) return refuse("can only get, create, update, patch, or delete a CSINode");
    if (!action_.subresource.empty()) return refuse("cannot authorize CSINode subresources");
    if (own_name()) return allow();
    return refuse("can only access CSINode with the same name as the requesting node");
  }

  NodeDecision pod() const {
    if (!action_.subresource.empty() || !is_read(action_.verb)) return common();
    const bool own = !action_.name.empty() && graph_.node_of(action_.ns, action_.name) == node_;
    if (own || (action_.verb != "get" && selects_own_pods())) return allow();
    if (action_.verb == "get" || !action_.name.empty()) return related_pod();
    return refuse("can only list/watch pods with spec.nodeName field selector");
  }

  NodeDecision common() const {
    for (const Rule& rule : common_rules()) {
      if (rule.allows(action_)) return allow();
    }
    return refuse("");
  }

 private:
  bool touches() const {
    const std::string_view verb = action_.verb;
    return verb == "get" || verb == "create" || verb == "update" || verb == "patch" ||
           verb == "delete";
  }
  // A name is not known when the object is created: node_restriction compares it then.
  bool own_name() const { return action_.name == node_ || action_.verb == "create"; }

  bool selects_own_pods() const {
    const auto fields = api::FieldSelector::parse(action_.field_selector);
    if (!fields) return false;
    for (const auto& one : fields->requirements()) {
      if (one.equal && one.path == "spec.nodeName" && one.value == node_) return true;
    }
    return false;
  }

  NodeDecision related_pod() const {
    return refuse("no relationship found between node '" + std::string(node_) +
                  "' and this object");
  }

  const NodeGraph& graph_;
  const std::string_view node_;
  const Action& action_;
};

}  // namespace

NodeDecision decide_node(const NodeGraph& graph, std::string_view node, const Action& action) {
  using Kind = NodeGraph::Kind;
  const Question question(graph, node, action);
  const std::string_view group = action.group, resource = action.resource;
  if (resource.empty()) return refuse("");
  if (group.empty()) {
    if (resource == "secrets") return question.read_namespaced(Kind::secret);
    if (resource == "configmaps") return question.read_namespaced(Kind::config_map);
    if (resource == "persistentvolumeclaims") return question.get_one(Kind::claim);
    if (resource == "persistentvolumes") return question.get_one(Kind::volume);
    if (resource == "serviceaccounts") return question.token();
    if (resource == "pods") return question.pod();
  }
  if (group == "coordination.k8s.io" && resource == "leases") return question.lease();
  if (group == "storage.k8s.io" && resource == "csinodes") return question.csi_node();
  return question.common();
}

}  // namespace orch::apiserver
