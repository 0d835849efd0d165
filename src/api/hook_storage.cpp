// Volumes, claims and storage classes.
// Follows: kubernetes.io "Persistent Volumes", "Storage Classes".
#include <algorithm>
#include <string>
#include <utility>

#include "api/canonical.h"
#include "api/hook_list.h"
#include "api/metadata.h"
#include "api/names.h"
#include "api/quantity.h"
#include "api/workload.h"
#include "base/strings.h"

namespace orch::api {
namespace {

const std::vector<std::string> kAccessModes = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                               "ReadWriteOncePod"};

void validate_access_modes(const Value& modes, const std::string& path, Causes& causes) {
  if (modes.empty()) add_required(&causes, path, "at least 1 access mode is required");
  bool alone = false;
  for (const Value& mode : modes.items()) {
    if (std::find(kAccessModes.begin(), kAccessModes.end(), mode.as_string()) ==
        kAccessModes.end()) {
      add_not_supported(&causes, path, mode, kAccessModes);
    }
    alone |= mode.as_string() == "ReadWriteOncePod";
  }
  if (alone && modes.size() > 1) {
    add_forbidden(&causes, path, "may not use ReadWriteOncePod with other access modes");
  }
}

// An amount of storage above zero.
void validate_storage(const Value& storage, const std::string& path, Causes& causes) {
  const auto amount = Quantity::parse(storage.as_string());
  if (amount.ok() && amount->sign() <= 0) {
    add_invalid(&causes, at_key(path, "storage"), storage, "must be greater than zero");
  }
}

// What a volume is made of: every member of its spec that comes from the drivers.
std::vector<std::string> sources_of(const Value& spec) {
  const Type& type = *Schema::builtin().find_type("core/v1.PersistentVolumeSpec");
  std::vector<std::string> sources;
  for (const Field& field : type.fields) {
    const bool other = field.name == "claimRef" || field.name == "nodeAffinity";
    if (field.shape == Shape::object && !other && !spec[field.name].is_null()) {
      sources.push_back(field.name);
    }
  }
  return sources;
}

void validate_persistent_volume(const Value& volume, Causes& causes) {
  const Value& spec = volume["spec"];
  validate_access_modes(spec["accessModes"], "spec.accessModes", causes);
  const Value& capacity = spec["capacity"];
  if (capacity.empty()) {
    add_required(&causes, "spec.capacity");
  } else if (capacity["storage"].is_null() || capacity.size() > 1) {
    add_not_supported(&causes, "spec.capacity", capacity, {"storage"});
  } else {
    validate_storage(capacity["storage"], "spec.capacity", causes);
  }
  const auto sources = sources_of(spec);
  if (sources.empty()) add_required(&causes, "spec", "must specify a volume type");
  for (size_t i = 1; i < sources.size(); ++i) {
    add_forbidden(&causes, at("spec", sources[i]), "may not specify more than 1 volume type");
  }
  if (!spec["local"].is_null() && spec["nodeAffinity"].is_null()) {
    add_required(&causes, "spec.nodeAffinity", "Local volume requires node affinity");
  }
  if (spec["persistentVolumeReclaimPolicy"].as_string() == "Recycle" &&
      spec.at("hostPath.path").as_string() == "/") {
    add_forbidden(&causes, "spec.persistentVolumeReclaimPolicy",
                  "may not be 'recycle' for a hostPath mount of '/'");
  }
}

void validate_persistent_volume_update(const Value& volume, const Value& old, std::string_view,
                                       Causes& causes) {
  for (const std::string& name : sources_of(old["spec"])) {
    if (volume["spec"][name] == old["spec"][name]) continue;
    add_forbidden(&causes, "spec.persistentvolumesource",
                  "spec.persistentvolumesource is immutable after creation");
  }
  validate_unchanged(volume, old, "spec.volumeMode", causes);
  if (!old.at("spec.nodeAffinity").is_null()) {
    validate_unchanged(volume, old, "spec.nodeAffinity", causes);
  }
}

// dataSource is the old name of dataSourceRef.
void default_claim(Value& claim) {
  Value& spec = claim["spec"];
  const Value source = std::as_const(spec)["dataSource"];
  const Value reference = std::as_const(spec)["dataSourceRef"];
  if (reference.is_null() && !source.is_null()) spec.set("dataSourceRef", source);
  if (source.is_null() && !reference.is_null() && reference["namespace"].is_null()) {
    spec.set("dataSource", reference);
  }
}

void validate_claim(const Value& claim, Causes& causes) {
  const Value& spec = claim["spec"];
  validate_access_modes(spec["accessModes"], "spec.accessModes", causes);
  const Value& storage = spec.at("resources.requests.storage");
  if (storage.empty()) {
    add_required(&causes, "spec.resources[storage]");
  } else {
    validate_storage(storage, "spec.resources", causes);
  }
  if (!spec["selector"].is_null()) {
    validate_label_selector(spec["selector"], "spec.selector", &causes);
  }
  const Value& storage_class = spec["storageClassName"];
  if (!storage_class.empty()) {
    add_problems(&causes, "spec.storageClassName", storage_class,
                 dns_subdomain_problems(storage_class.as_string()));
  }
}

// A claim may be bound once, get its class once, and grow.
void validate_claim_update(const Value& claim, const Value& old, std::string_view, Causes& causes) {
  const Type& type = *Schema::builtin().find_type("core/v1.PersistentVolumeClaimSpec");
  const Value& before = old["spec"];
  Value now = claim["spec"];
  for (const char* name : {"volumeName", "storageClassName"}) {
    if (!before[name].is_null() && !before[name].empty()) continue;
    now.remove(name);
    if (!before[name].is_null()) now.set(name, before[name]);
  }
  now.remove("volumeAttributesClassName");
  if (before.has("volumeAttributesClassName")) {
    now.set("volumeAttributesClassName", before["volumeAttributesClassName"]);
  }
  const bool bound = old.at("status.phase").as_string() == "Bound";
  if (bound) now["resources"].set("requests", before.at("resources.requests"));
  if (canonicalize(type, std::move(now)) != canonicalize(type, before)) {
    add_forbidden(&causes, "spec",
                  "spec is immutable after creation except resources.requests and "
                  "volumeAttributesClassName for bound claims");
    return;
  }
  const auto size = Quantity::parse(claim.at("spec.resources.requests.storage").as_string());
  const auto old_size = Quantity::parse(before.at("resources.requests.storage").as_string());
  if (bound && size.ok() && old_size.ok() && *size < *old_size) {
    add_forbidden(&causes, "spec.resources.requests.storage",
                  "field can not be less than previous value");
  }
}

void validate_storage_class(const Value& storage_class, Causes& causes) {
  constexpr size_t kMaxParameters = 512;
  const Value& provisioner = storage_class["provisioner"];
  if (!provisioner.empty()) {
    add_problems(&causes, "provisioner", provisioner,
                 qualified_name_problems(to_lower(provisioner.as_string())));
  }
  if (storage_class["parameters"].size() > kMaxParameters) {
    add_too_many(&causes, "parameters", storage_class["parameters"].size(), kMaxParameters);
  }
}

void validate_storage_class_update(const Value& now, const Value& old, std::string_view,
                                   Causes& causes) {
  if (!(now["parameters"] == old["parameters"]) &&
      !(now["parameters"].empty() && old["parameters"].empty())) {
    add_forbidden(&causes, "parameters", "updates to parameters are forbidden.");
  }
  if (!(now["provisioner"] == old["provisioner"])) {
    add_forbidden(&causes, "provisioner", "updates to provisioner are forbidden.");
  }
  if (!(now["reclaimPolicy"] == old["reclaimPolicy"])) {
    add_forbidden(&causes, "reclaimPolicy", "updates to reclaimPolicy are forbidden.");
  }
  validate_unchanged(now, old, "volumeBindingMode", causes);
}

}  // namespace

const Hook kPersistentVolumeHook = {
    .validate = validate_persistent_volume,
    .validate_update = validate_persistent_volume_update,
};

const Hook kPersistentVolumeClaimHook = {
    .defaults = default_claim,
    .validate = validate_claim,
    .validate_update = validate_claim_update,
};

const Hook kStorageClassHook = {
    .validate = validate_storage_class,
    .validate_update = validate_storage_class_update,
};

}  // namespace orch::api
