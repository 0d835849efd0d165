#include "server/apiserver/admission.h"

#include <array>
#include <utility>

#include "api/resources.h"
#include "base/check.h"
#include "base/strings.h"
#include "server/admission/limit_range.h"
#include "server/apiserver/class_admission.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/node_restriction.h"

namespace orch::apiserver {
namespace {

constexpr std::string_view kTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr int64_t kTokenSeconds = 3607;
constexpr int64_t kTolerationSeconds = 300;
constexpr int kTokenFileMode = 0644;

bool is_pod(const WriteRequest& request) { return request.resource == &api::resource::pods(); }

ResourceName name_of(const WriteRequest& request, const api::Value& object) {
  return {request.resource->group, request.resource->plural,
          object.at("metadata.name").as_string()};
}

// Every pod leaves a node that is not ready, or out of reach, after five minutes, unless it says
// otherwise.
void add_tolerations(api::Value* spec) {
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool tolerated = false;
    for (const api::Value& toleration : std::as_const(*spec)["tolerations"].items()) {
      const std::string& effect = toleration["effect"].as_string();
      const std::string& its_key = toleration["key"].as_string();
      if ((its_key == key || its_key.empty()) && (effect == "NoExecute" || effect.empty())) {
        tolerated = true;
      }
    }
    if (tolerated) continue;
    (*spec)["tolerations"].push_back(
        api::Value::object({{"key", key},
                            {"operator", "Exists"},
                            {"effect", "NoExecute"},
                            {"tolerationSeconds", kTolerationSeconds}}));
  }
}

bool is_kind(const WriteRequest& request, std::string_view group, std::string_view plural) {
  return request.resource->group == group && request.resource->plural == plural &&
         request.subresource_name().empty();
}

// What nobody may lose while somebody uses it; controllers take it off again.
void add_finalizer(std::string_view finalizer, api::Value* object) {
  const api::Value& list = std::as_const(*object)["metadata"]["finalizers"];
  for (const api::Value& each : list.items()) {
    if (each.as_string() == finalizer) return;
  }
  (*object)["metadata"]["finalizers"].push_back(finalizer);
}

// Nothing is sent to a node before it has said that it is ready.
void add_not_ready_taint(api::Value* node) {
  for (const api::Value& taint : std::as_const(*node)["spec"]["taints"].items()) {
    if (taint["key"].as_string() == "node.kubernetes.io/not-ready") return;
  }
  (*node)["spec"]["taints"].push_back(
      api::Value::object({{"key", "node.kubernetes.io/not-ready"}, {"effect", "NoSchedule"}}));
}

std::string joined(const std::vector<std::string>& problems) {
  return problems.size() == 1 ? problems.front() : "[" + join(problems, ", ") + "]";
}

api::Value token_volume(const std::string& name) {
  using api::Value;
  const Value token =
      Value::object({{"serviceAccountToken",
                      Value::object({{"expirationSeconds", kTokenSeconds}, {"path", "token"}})}});
  const Value ca = Value::object(
      {{"configMap",
        Value::object(
            {{"name", "kube-root-ca.crt"},
             {"items", Value::array({Value::object({{"key", "ca.crt"}, {"path", "ca.crt"}})})}})}});
  const Value field = Value::object({{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}});
  const Value space = Value::object(
      {{"downwardAPI",
        Value::object({{"items", Value::array({Value::object(
                                     {{"path", "namespace"}, {"fieldRef", field}})})}})}});
  return Value::object({{"name", name},
                        {"projected", Value::object({{"sources", Value::array({token, ca, space})},
                                                     {"defaultMode", kTokenFileMode}})}});
}

bool mounts_token_path(const api::Value& container) {
  for (const api::Value& mount : container["volumeMounts"].items()) {
    if (mount["mountPath"].as_string() == kTokenPath) return true;
  }
  return false;
}

}  // namespace

Result<void> Admission::admit_create(const WriteRequest& request, api::Value* object) const {
  ORCH_TRY(check_namespace(request, *object));
  if (is_pod(request)) ORCH_TRY(admit_pod(request, object));
  if (is_kind(request, "", "persistentvolumeclaims")) {
    ORCH_TRY(check_limits(request, object));
    add_default_storage_class(store_, object);
    add_finalizer("kubernetes.io/pvc-protection", object);
  } else if (is_kind(request, "", "persistentvolumes")) {
    add_finalizer("kubernetes.io/pv-protection", object);
  } else if (is_kind(request, "networking.k8s.io", "ingresses")) {
    add_default_ingress_class(store_, object);
  } else if (is_kind(request, "scheduling.k8s.io", "priorityclasses")) {
    ORCH_TRY(check_priority_class(store_, request, *object));
  } else if (is_kind(request, "", "nodes")) {
    add_not_ready_taint(object);
  }
  return restrict_node(request, {}, *object);
}

Result<void> Admission::admit_pod(const WriteRequest& request, api::Value* pod) const {
  ORCH_TRY(check_limits(request, pod));
  if (!std::as_const(*pod)["metadata"]["annotations"].has("kubernetes.io/config.mirror")) {
    ORCH_TRY(add_service_account(request, pod));
  }
  add_tolerations(&(*pod)["spec"]);
  const ResourceName name = name_of(request, *pod);  // A view: nothing is added to the root below.
  ORCH_TRY(add_priority(store_, name, &(*pod)["spec"]));
  return add_runtime_class(store_, name, &(*pod)["spec"]);
}

// LimitRanger.
Result<void> Admission::check_limits(const WriteRequest& request, api::Value* object) const {
  static const api::Resource* const limit_ranges =
      api::Schema::builtin().find("", "v1", "limitranges");
  const std::string folder = store_prefix(*limit_ranges, request.ns);
  if (store_.count(folder) == 0) return {};
  const auto range = store_.range({folder, "", 0, 0});
  ORCH_CHECK(range.ok());
  std::vector<std::string> problems;
  for (const auto& record : range->records) {
    const api::Value limits = decode_stored(record->bytes);
    if (is_pod(request)) admission::apply_limit_defaults(limits, object);
    auto found = is_pod(request) ? admission::check_pod_limits(limits, *object)
                                 : admission::check_claim_limits(limits, *object);
    problems.insert(problems.end(), found.begin(), found.end());
  }
  if (problems.empty()) return {};
  return forbidden(name_of(request, *object), joined(problems));
}

Result<void> Admission::admit_update(const WriteRequest& request, const api::Value& old,
                                     const api::Value& object) const {
  if (is_kind(request, "", "persistentvolumeclaims")) {
    ORCH_TRY(check_claim_resize(store_, request, old, object));
  } else if (is_kind(request, "scheduling.k8s.io", "priorityclasses")) {
    ORCH_TRY(check_priority_class(store_, request, object));
  }
  return restrict_node(request, old, object);
}

Result<void> Admission::admit_delete(const WriteRequest& request, const api::Value& old) const {
  ORCH_TRY(restrict_node(request, old, {}));
  if (request.resource != &api::resource::namespaces()) return {};
  for (const std::string_view kept : {"default", "kube-system", "kube-public"}) {
    if (request.name == kept) {
      return forbidden(request.resource_name(), "this namespace may not be deleted");
    }
  }
  return {};
}

Result<void> Admission::check_namespace(const WriteRequest& request,
                                        const api::Value& object) const {
  if (request.ns.empty()) return {};
  const auto space = store_.get(store_key(api::resource::namespaces(), "", request.ns));
  if (!space) return not_found({"", "namespaces", request.ns});
  if (space->tags.field("status.phase") != "Terminating") return {};
  Status status =
      forbidden(name_of(request, object), "unable to create new content in namespace " +
                                              request.ns + " because it is being terminated");
  status.details.causes.push_back({"NamespaceTerminating",
                                   "namespace " + request.ns + " is being terminated",
                                   "metadata.namespace"});
  return status;
}

Result<void> Admission::add_service_account(const WriteRequest& request, api::Value* pod) const {
  api::Value& spec = (*pod)["spec"];
  if (!spec.is_object()) return {};
  const api::Value& now = spec;
  if (now["serviceAccountName"].empty()) {
    const std::string old_name = now["serviceAccount"].as_string();
    spec.set("serviceAccountName", old_name.empty() ? "default" : old_name);
  }
  const std::string account = now["serviceAccountName"].as_string();
  spec.set("serviceAccount", account);
  const auto record = store_.get(store_key(api::resource::service_accounts(), request.ns, account));
  if (!record) {
    return forbidden(name_of(request, *pod), "error looking up service account " + request.ns +
                                                 "/" + account + ": serviceaccount \"" + account +
                                                 "\" not found");
  }
  const auto shared = decode_shared(record);
  const api::Value& stored = *shared;
  bool mount = stored["automountServiceAccountToken"].as_bool(true);
  if (const api::Value& own = now["automountServiceAccountToken"]; own.is_bool()) {
    mount = own.as_bool();
  }
  if (mount) add_token_volume(&spec);
  if (now["imagePullSecrets"].empty() && !stored["imagePullSecrets"].empty()) {
    spec.set("imagePullSecrets", stored["imagePullSecrets"]);
  }
  return {};
}

void Admission::add_token_volume(api::Value* spec) const {
  const std::string name = "kube-api-access-" + random_.name_suffix();
  bool used = false;
  for (const char* list : {"initContainers", "containers"}) {
    api::Value* containers = spec->find(list);
    if (!containers || !containers->is_array()) continue;
    for (api::Value& container : containers->array_items()) {
      if (!container.is_object() || mounts_token_path(container)) continue;
      container["volumeMounts"].push_back(
          api::Value::object({{"name", name}, {"readOnly", true}, {"mountPath", kTokenPath}}));
      used = true;
    }
  }
  if (used) (*spec)["volumes"].push_back(token_volume(name));
}

}  // namespace orch::apiserver
