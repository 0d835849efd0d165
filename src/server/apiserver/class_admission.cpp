#include "server/apiserver/class_admission.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "api/quantity.h"
#include "base/check.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"

namespace orch::apiserver {
namespace {

using api::Value;

constexpr std::string_view kDefaultStorageClass = "storageclass.kubernetes.io/is-default-class";
constexpr std::string_view kDefaultIngressClass = "ingressclass.kubernetes.io/is-default-class";
constexpr std::string_view kStorageClassAnnotation = "volume.beta.kubernetes.io/storage-class";
constexpr std::string_view kIngressClassAnnotation = "kubernetes.io/ingress.class";

struct ClassKind {
  const char *group, *version, *plural;
};
constexpr ClassKind kPriorityClass = {"scheduling.k8s.io", "v1", "priorityclasses"};
constexpr ClassKind kRuntimeClass = {"node.k8s.io", "v1", "runtimeclasses"};
constexpr ClassKind kStorageClass = {"storage.k8s.io", "v1", "storageclasses"};
constexpr ClassKind kIngressClass = {"networking.k8s.io", "v1", "ingressclasses"};

const api::Resource& resource_of(const ClassKind& kind) {
  const auto* resource = api::Schema::builtin().find(kind.group, kind.version, kind.plural);
  ORCH_CHECK(resource != nullptr);
  return *resource;
}

using ClassPtr = std::shared_ptr<const Value>;  // Null when there is none.

ClassPtr find_class(const store::Store& store, const ClassKind& kind, const std::string& name) {
  const auto record = store.get(store_key(resource_of(kind), "", name));
  return record ? decode_shared(record) : nullptr;
}

std::vector<ClassPtr> all_classes(const store::Store& store, const ClassKind& kind) {
  const auto range = store.range({store_prefix(resource_of(kind), ""), "", 0, 0});
  ORCH_CHECK(range.ok());
  std::vector<ClassPtr> all;
  for (const auto& record : range->records) all.push_back(decode_shared(record));
  return all;
}

// Of several defaults the youngest counts; among those of one second, the first by name.
std::string default_class(const store::Store& store, const ClassKind& kind,
                          std::string_view annotation) {
  std::string best, made;
  for (const ClassPtr& each : all_classes(store, kind)) {
    const Value& metadata = (*each)["metadata"];
    if (metadata["annotations"][annotation].as_string() != "true") continue;
    const std::string& when = metadata["creationTimestamp"].as_string();
    if (!best.empty() && when <= made) continue;
    best = metadata["name"].as_string();
    made = when;
  }
  return best;
}

// The class that pods get that name none. Of several the least counts.
ClassPtr default_priority_class(const store::Store& store) {
  ClassPtr best;
  for (const ClassPtr& each : all_classes(store, kPriorityClass)) {
    if (!(*each)["globalDefault"].as_bool()) continue;
    if (!best || (*each)["value"].as_int() < (*best)["value"].as_int()) best = each;
  }
  return best;
}

Status rejected(const ResourceName& name, const std::string& why) {
  return forbidden(name, "pod rejected: " + why);
}

Result<void> merge_node_selector(const ResourceName& name, const Value& wanted, Value* spec) {
  for (const auto& [key, value] : wanted.members()) {
    const std::string& mine = std::as_const(*spec)["nodeSelector"][key].as_string();
    if (std::as_const(*spec)["nodeSelector"].has(key) && mine != value.as_string()) {
      return rejected(name, "conflict: runtimeClass.scheduling.nodeSelector[" + key +
                                "] = " + value.as_string() + "; pod.spec.nodeSelector[" + key +
                                "] = " + mine);
    }
    (*spec)["nodeSelector"].set(key, value);
  }
  return {};
}

}  // namespace

Result<void> add_priority(const store::Store& store, const ResourceName& name, Value* spec) {
  const Value& now = *spec;
  const std::string class_name = now["priorityClassName"].as_string();
  ClassPtr found;
  if (class_name.empty()) {
    found = default_priority_class(store);
    if (found) spec->set("priorityClassName", found->at("metadata.name"));
  } else {
    found = find_class(store, kPriorityClass, class_name);
    if (!found) return forbidden(name, "no PriorityClass with name " + class_name + " was found");
  }
  const int64_t priority = found ? (*found)["value"].as_int() : 0;
  std::string policy = found ? (*found)["preemptionPolicy"].as_string() : "";
  if (policy.empty()) policy = "PreemptLowerPriority";
  if (now["priority"].is_int() && now["priority"].as_int() != priority) {
    return forbidden(name, "the integer value of priority (" +
                               std::to_string(now["priority"].as_int()) +
                               ") must not be provided in pod spec; priority admission controller "
                               "computed " +
                               std::to_string(priority) + " from the given PriorityClass name");
  }
  if (const std::string& given = now["preemptionPolicy"].as_string();
      !given.empty() && given != policy) {
    return forbidden(name, "the string value of PreemptionPolicy (" + given +
                               ") must not be provided in pod spec; priority admission controller "
                               "computed " +
                               policy + " from the given PriorityClass name");
  }
  spec->set("priority", priority);
  spec->set("preemptionPolicy", policy);
  return {};
}

Result<void> add_runtime_class(const store::Store& store, const ResourceName& name, Value* spec) {
  const Value& now = *spec;
  const std::string class_name = now["runtimeClassName"].as_string();
  Value overhead;
  if (!class_name.empty()) {
    const auto found = find_class(store, kRuntimeClass, class_name);
    if (!found) return rejected(name, "RuntimeClass \"" + class_name + "\" not found");
    overhead = found->at("overhead.podFixed");
    const Value& scheduling = (*found)["scheduling"];
    ORCH_TRY(merge_node_selector(name, scheduling["nodeSelector"], spec));
    for (const Value& toleration : scheduling["tolerations"].items()) {
      const auto& mine = now["tolerations"].items();
      if (std::find(mine.begin(), mine.end(), toleration) == mine.end()) {
        (*spec)["tolerations"].push_back(toleration);
      }
    }
  }
  if (overhead.empty()) {
    if (now["overhead"].empty()) return {};
    return rejected(name, "Pod Overhead set without corresponding RuntimeClass defined Overhead");
  }
  if (!now["overhead"].empty() && now["overhead"] != overhead) {
    return rejected(name, "Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  }
  spec->set("overhead", std::move(overhead));
  return {};
}

void add_default_storage_class(const store::Store& store, Value* claim) {
  const Value& now = *claim;
  if (!now["spec"]["storageClassName"].is_null() ||
      now["metadata"]["annotations"].has(kStorageClassAnnotation)) {
    return;
  }
  const std::string name = default_class(store, kStorageClass, kDefaultStorageClass);
  if (!name.empty()) (*claim)["spec"].set("storageClassName", name);
}

void add_default_ingress_class(const store::Store& store, Value* ingress) {
  const Value& now = *ingress;
  if (!now["spec"]["ingressClassName"].is_null() ||
      now["metadata"]["annotations"].has(kIngressClassAnnotation)) {
    return;
  }
  const std::string name = default_class(store, kIngressClass, kDefaultIngressClass);
  if (!name.empty()) (*ingress)["spec"].set("ingressClassName", name);
}

Result<void> check_priority_class(const store::Store& store, const WriteRequest& request,
                                  const Value& priority_class) {
  if (!priority_class["globalDefault"].as_bool()) return {};
  const ClassPtr other = default_priority_class(store);
  if (!other) return {};
  const std::string& name = priority_class.at("metadata.name").as_string();
  const std::string& its_name = other->at("metadata.name").as_string();
  if (its_name == name) return {};
  return forbidden(
      {request.resource->group, request.resource->plural, name},
      "PriorityClass " + its_name + " is already marked as default. Only one default can exist");
}

Result<void> check_claim_resize(const store::Store& store, const WriteRequest& request,
                                const Value& old, const Value& claim) {
  const auto size = [](const Value& each) {
    const Value& storage = each.at("spec.resources.requests")["storage"];
    return api::Quantity::parse(storage.as_string()).value_or({});
  };
  if (size(claim) <= size(old)) return {};
  if (old.at("status.phase").as_string() != "Bound") {
    return forbidden(request.resource_name(),
                     "Only bound persistent volume claims can be expanded");
  }
  const auto found =
      find_class(store, kStorageClass, claim.at("spec.storageClassName").as_string());
  if (found && found->at("allowVolumeExpansion").as_bool()) return {};
  return forbidden(request.resource_name(),
                   "only dynamically provisioned pvc can be resized and the storageclass that "
                   "provisions the pvc must support resize");
}

}  // namespace orch::apiserver
