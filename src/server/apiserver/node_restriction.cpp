#include "server/apiserver/node_restriction.h"

#include <array>
#include <set>

#include "api/pod_references.h"
#include "api/resources.h"
#include "base/strings.h"
#include "crypto/pki.h"

namespace orch::apiserver {
namespace {

using api::Value;

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

bool ends_in_domain(std::string_view name, std::string_view domain) {
  if (name == domain) return true;
  return name.ends_with(domain) && name[name.size() - domain.size() - 1] == '.';
}

std::string_view domain_of(std::string_view label) {
  const size_t slash = label.find('/');
  return slash == label.npos ? "" : label.substr(0, slash);
}

bool is_kubelet_label(std::string_view key) {
  constexpr std::array<std::string_view, 13> kNames = {"kubernetes.io/hostname",
                                                       "kubernetes.io/os",
                                                       "kubernetes.io/arch",
                                                       "topology.kubernetes.io/zone",
                                                       "topology.kubernetes.io/region",
                                                       "node.kubernetes.io/instance-type",
                                                       "beta.kubernetes.io/os",
                                                       "beta.kubernetes.io/arch",
                                                       "beta.kubernetes.io/instance-type",
                                                       "failure-domain.beta.kubernetes.io/zone",
                                                       "failure-domain.beta.kubernetes.io/region",
                                                       "failure-domain.kubernetes.io/zone",
                                                       "failure-domain.kubernetes.io/region"};
  for (const std::string_view name : kNames) {
    if (key == name) return true;
  }
  const std::string_view domain = domain_of(key);
  return ends_in_domain(domain, "kubelet.kubernetes.io") ||
         ends_in_domain(domain, "node.kubernetes.io");
}

bool is_protected(std::string_view label, bool creating) {
  const std::string_view domain = domain_of(label);
  if (ends_in_domain(domain, "node-restriction.kubernetes.io")) return true;
  const bool kubernetes =
      ends_in_domain(domain, "kubernetes.io") || ends_in_domain(domain, "k8s.io");
  return !creating && kubernetes && !is_kubelet_label(label);
}

// Added, removed or given another value.
std::set<std::string> changed_labels(const Value& old, const Value& object) {
  std::set<std::string> changed;
  const Value& before = old["metadata"]["labels"];
  const Value& after = object["metadata"]["labels"];
  for (const auto& label : before.members()) {
    if (after[label.name] != label.value) changed.insert(label.name);
  }
  for (const auto& label : after.members()) {
    if (before[label.name] != label.value) changed.insert(label.name);
  }
  return changed;
}

// One write of one node.
class Write {
 public:
  Write(const WriteRequest& request, const Value& old, const Value& object)
      : request_(request), old_(old), object_(object), node_(request.user.node()) {}

  Result<void> check() const {
    const api::Resource& resource = *request_.resource;
    if (request_.resource == &api::resource::pods()) return pod();
    if (request_.resource == &api::resource::nodes()) return node();
    if (request_.resource == &api::resource::leases()) return lease();
    if (resource.group == "storage.k8s.io" && resource.plural == "csinodes") return csi_node();
    if (resource.group == "certificates.k8s.io") return signing_request();
    return {};
  }

 private:
  Status refuse(const std::string& why) const {
    return forbidden({request_.resource->group, request_.resource->plural, name()}, why);
  }
  std::string me() const { return "node " + quoted(node_); }
  bool creates() const { return old_.is_null() && !object_.is_null(); }
  const std::string& name() const {
    if (!request_.name.empty() || object_.is_null()) return request_.name;
    return object_["metadata"]["name"].as_string();
  }
  bool is_mine(const Value& pod) const { return pod["spec"]["nodeName"].as_string() == node_; }

  Result<void> pod() const {
    const std::string_view part = request_.subresource_name();
    if (part == "status") return pod_status();
    if (part == "eviction") {
      if (is_mine(old_)) return {};
      return refuse(me() + " can only evict pods with spec.nodeName set to itself");
    }
    if (!part.empty()) {
      return refuse("unexpected pod subresource " + quoted(part) +
                    ", only 'status' and 'eviction' are allowed");
    }
    if (creates()) return new_pod();
    if (object_.is_null()) {
      if (is_mine(old_)) return {};
      return refuse(me() + " can only delete pods with spec.nodeName set to itself");
    }
    return refuse("unexpected operation \"UPDATE\", " + me() +
                  " can only create and delete mirror pods");
  }

  Result<void> pod_status() const {
    if (!is_mine(old_)) {
      return refuse(me() + " can only update pod status for pods with spec.nodeName set to itself");
    }
    if (!changed_labels(old_, object_).empty()) {
      return refuse(me() + " cannot update labels through pod status");
    }
    return {};
  }

  // What a node runs by itself it may show, but such a pod may not give it anything.
  Result<void> new_pod() const {
    if (!object_["metadata"]["annotations"].has(api::kMirrorAnnotation)) {
      return refuse("pod does not have " + quoted(api::kMirrorAnnotation) + " annotation, " + me() +
                    " can only create mirror pods");
    }
    if (!is_mine(object_)) {
      return refuse(me() + " can only create pods with spec.nodeName set to itself");
    }
    const auto& owners = object_["metadata"]["ownerReferences"];
    if (owners.items().size() > 1) {
      return refuse(me() + " can only create pods with a single owner reference set to itself");
    }
    for (const Value& owner : owners.items()) {
      if (owner["kind"].as_string() != "Node" || owner["apiVersion"].as_string() != "v1" ||
          owner["name"].as_string() != node_) {
        return refuse(me() + " can only create pods with an owner reference set to itself");
      }
      if (owner["blockOwnerDeletion"].as_bool()) {
        return refuse(me() + " must not set blockOwnerDeletion on an owner reference");
      }
    }
    const api::PodReferences names = api::pod_references(object_);
    const std::string cannot = me() + " can not create pods that reference ";
    if (!names.service_account.empty()) return refuse(cannot + "a service account");
    if (!names.secrets.empty()) return refuse(cannot + "secrets");
    if (!names.config_maps.empty()) return refuse(cannot + "configmaps");
    if (!names.claims.empty()) return refuse(cannot + "persistentvolumeclaims");
    return {};
  }

  Result<void> node() const {
    if (name() != node_) {
      return refuse(me() + " is not allowed to modify node " + quoted(name()));
    }
    if (object_.is_null()) return {};
    std::vector<std::string> forbidden_labels;
    for (const std::string& label : changed_labels(old_, object_)) {
      if (is_protected(label, creates())) forbidden_labels.push_back(label);
    }
    if (!forbidden_labels.empty()) {
      return refuse(std::string("is not allowed to ") +
                    (creates() ? "set the following labels: " : "modify labels: ") +
                    join(forbidden_labels, ", "));
    }
    if (creates()) return {};
    if (old_["spec"]["taints"] != object_["spec"]["taints"]) {
      return refuse(me() + " is not allowed to modify taints");
    }
    if (old_["metadata"]["ownerReferences"] != object_["metadata"]["ownerReferences"]) {
      return refuse(me() + " is not allowed to modify ownerReferences");
    }
    return {};
  }

  Result<void> lease() const {
    if (request_.ns != "kube-node-lease") {
      return refuse(R"(can only access leases in the "kube-node-lease" system namespace)");
    }
    if (name() == node_) return {};
    return refuse("can only access node lease with the same name as the requesting node");
  }

  Result<void> csi_node() const {
    if (name() == node_) return {};
    return refuse("can only access CSINode with the same name as the requesting node");
  }

  // A node asks for certificates in its own name only.
  Result<void> signing_request() const {
    if (!creates()) return {};
    const std::string& signer = object_["spec"]["signerName"].as_string();
    if (signer != "kubernetes.io/kube-apiserver-client-kubelet" &&
        signer != "kubernetes.io/kubelet-serving") {
      return {};
    }
    const auto pem = base64_decode(object_["spec"]["request"].as_string());
    const auto info = crypto::csr_info(pem.value_or(""));
    if (!info) return refuse("unable to parse csr: " + info.status().message);
    const std::string wanted(request_.user.name);
    if (info->common_name == wanted) return {};
    return refuse("can only create a node CSR with CN=" + wanted);
  }

  const WriteRequest& request_;
  const Value& old_;
  const Value& object_;
  const std::string_view node_;
};

}  // namespace

Result<void> restrict_node(const WriteRequest& request, const Value& old, const Value& object) {
  if (request.user.node().empty()) return {};
  return Write(request, old, object).check();
}

bool node_may_set_label(std::string_view key) { return !is_protected(key, false); }

}  // namespace orch::apiserver
