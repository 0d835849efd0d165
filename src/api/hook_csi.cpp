// Drivers of volumes, what they have on which node, and what is attached where.
// Follows: kubernetes.io "Volumes: csi", the CSI specification's rule for names of drivers.
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "api/canonical.h"
#include "api/hook_list.h"
#include "api/metadata.h"
#include "api/names.h"
#include "api/pod_spec.h"
#include "api/workload.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr size_t kMaxDriverName = 63;

void validate_driver_name(const Value& name, const std::string& path, Causes& causes) {
  if (name.empty()) return add_required(&causes, path);
  const std::string& text = name.as_string();
  if (text.size() > kMaxDriverName) add_too_long(&causes, path, kMaxDriverName);
  add_problems(&causes, path, name, dns_subdomain_problems(to_lower(text)));
}

void validate_driver(const Value& driver, Causes& causes) {
  const Value& spec = driver["spec"];
  validate_driver_name(driver["metadata"]["name"], "metadata.name", causes);
  static const std::vector<std::string> kPolicies = {"File", "None", "ReadWriteOnceWithFSType"};
  const Value& policy = spec["fsGroupPolicy"];
  if (!policy.empty() &&
      std::find(kPolicies.begin(), kPolicies.end(), policy.as_string()) == kPolicies.end()) {
    add_not_supported(&causes, "spec.fsGroupPolicy", policy, kPolicies);
  }
  for (const Value& mode : spec["volumeLifecycleModes"].items()) {
    if (mode.as_string() == "Persistent" || mode.as_string() == "Ephemeral") continue;
    add_not_supported(&causes, "spec.volumeLifecycleModes", mode, {"Ephemeral", "Persistent"});
  }
  std::set<std::string> audiences;
  const Value& tokens = spec["tokenRequests"];
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string here = at("spec.tokenRequests", i);
    if (!audiences.insert(tokens[i]["audience"].as_string()).second) {
      add_duplicate(&causes, at(here, "audience"), tokens[i]["audience"]);
    }
    const Value& seconds = tokens[i]["expirationSeconds"];
    if (!seconds.is_null() && (seconds.as_int() < 600 || seconds.as_int() > (int64_t{1} << 32))) {
      add_invalid(&causes, at(here, "expirationSeconds"), seconds,
                  "may not specify a duration less than 10 minutes or larger than 1<<32 seconds");
    }
  }
}

void validate_driver_update(const Value& driver, const Value& old, std::string_view,
                            Causes& causes) {
  validate_unchanged(driver, old, "spec.attachRequired", causes);
  validate_unchanged(driver, old, "spec.volumeLifecycleModes", causes);
}

// Its generation counts what kubelets must act upon, from nothing.
void prepare_driver(Value& driver) { driver["metadata"].remove("generation"); }

bool same_driver(const Value& driver, const Value& old) {
  const Value& now = driver["spec"];
  const Value& before = old["spec"];
  return now["tokenRequests"] == before["tokenRequests"] &&
         now["requiresRepublish"] == before["requiresRepublish"];
}

void validate_node_drivers(const Value& node, Causes& causes) {
  const Value& drivers = node.at("spec.drivers");
  std::set<std::string> seen;
  for (size_t i = 0; i < drivers.size(); ++i) {
    const std::string here = at("spec.drivers", i);
    validate_driver_name(drivers[i]["name"], at(here, "name"), causes);
    if (!seen.insert(drivers[i]["name"].as_string()).second) {
      add_duplicate(&causes, at(here, "name"), drivers[i]["name"]);
    }
    validate_not_negative(drivers[i]["allocatable"]["count"], at(here, "allocatable.count"),
                          &causes);
    std::set<std::string> keys;
    for (const Value& key : drivers[i]["topologyKeys"].items()) {
      const std::string path = at(here, "topologyKeys");
      add_problems(&causes, path, key, qualified_name_problems(key.as_string()));
      if (!keys.insert(key.as_string()).second) add_duplicate(&causes, path, key);
    }
  }
}

// A driver's entry may come and go, but not change what it says.
void validate_node_drivers_update(const Value& node, const Value& old, std::string_view,
                                  Causes& causes) {
  const Type& type = *Schema::builtin().find_type("storage/v1.CSINodeDriver");
  const Value& drivers = node.at("spec.drivers");
  for (size_t i = 0; i < drivers.size(); ++i) {
    for (const Value& before : old.at("spec.drivers").items()) {
      if (before["name"] != drivers[i]["name"]) continue;
      if (canonicalize(type, before) == canonicalize(type, drivers[i])) continue;
      add_invalid(&causes, at("spec.drivers", i), drivers[i], "field is immutable");
    }
  }
}

void validate_attachment(const Value& attachment, Causes& causes) {
  const Value& spec = attachment["spec"];
  if (!spec["attacher"].empty()) validate_driver_name(spec["attacher"], "spec.attacher", causes);
  const Value& source = spec["source"];
  const bool named = !source["persistentVolumeName"].empty();
  const bool inline_spec = !source["inlineVolumeSpec"].is_null();
  if (!named && !inline_spec) {
    add_required(&causes, "spec.source",
                 "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
  } else if (named && inline_spec) {
    add_forbidden(&causes, "spec.source",
                  "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
  }
}

void validate_attachment_update(const Value& attachment, const Value& old, std::string_view,
                                Causes& causes) {
  const Type& type = *Schema::builtin().find_type("storage/v1.VolumeAttachmentSpec");
  if (canonicalize(type, attachment["spec"]) == canonicalize(type, old["spec"])) return;
  add_invalid(&causes, "spec", attachment["spec"], "field is immutable");
}

void validate_capacity(const Value& capacity, Causes& causes) {
  const Value& name = capacity["storageClassName"];
  if (!name.empty()) {
    add_problems(&causes, "storageClassName", name, dns_subdomain_problems(name.as_string()));
  }
  if (!capacity["nodeTopology"].is_null()) {
    validate_label_selector(capacity["nodeTopology"], "nodeTopology", &causes);
  }
}

void validate_capacity_update(const Value& capacity, const Value& old, std::string_view,
                              Causes& causes) {
  validate_unchanged(capacity, old, "storageClassName", causes);
  validate_unchanged(capacity, old, "nodeTopology", causes);
}

}  // namespace

const Hook kCsiDriverHook = {
    .prepare_create = prepare_driver,
    .same_generation = same_driver,
    .validate = validate_driver,
    .validate_update = validate_driver_update,
};

const Hook kCsiNodeHook = {
    .validate = validate_node_drivers,
    .validate_update = validate_node_drivers_update,
};

const Hook kVolumeAttachmentHook = {
    .validate = validate_attachment,
    .validate_update = validate_attachment_update,
};

const Hook kCsiStorageCapacityHook = {
    .validate = validate_capacity,
    .validate_update = validate_capacity_update,
};

}  // namespace orch::api
