// The rules for volumes of a pod and for where containers mount them.
#include <algorithm>
#include <set>
#include <string>

#include "api/names.h"
#include "api/pod_spec.h"
#include "api/quantity.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr int64_t kMaxMode = 0777;
constexpr int64_t kMinTokenSeconds = 600;
constexpr int64_t kMaxTokenSeconds = int64_t{1} << 32;

void validate_mode(const Value& mode, const std::string& path, Causes* causes) {
  if (mode.as_int() >= 0 && mode.as_int() <= kMaxMode) return;
  add_invalid(causes, path, mode, "must be a number between 0 and 0777 (octal), both inclusive");
}

void validate_items(const Value& source, const std::string& path, Causes* causes) {
  validate_mode(source["defaultMode"], at(path, "defaultMode"), causes);
  const Value& items = source["items"];
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string here = at(at(path, "items"), i);
    const Value& file = items[i]["path"];
    if (!file.empty()) {
      add_problems(causes, at(here, "path"), file, local_path_problems(file.as_string()));
    }
    validate_mode(items[i]["mode"], at(here, "mode"), causes);
    if (items[i]["fieldRef"].is_object()) {
      validate_field_ref(items[i]["fieldRef"], true, at(here, "fieldRef"), causes);
    }
    if (items[i]["resourceFieldRef"].is_object()) {
      validate_resource_ref(items[i]["resourceFieldRef"], true, at(here, "resourceFieldRef"),
                            causes);
    }
  }
}

void validate_projected(const Value& projected, const std::string& path, Causes* causes) {
  validate_mode(projected["defaultMode"], at(path, "defaultMode"), causes);
  const Value& sources = projected["sources"];
  for (size_t i = 0; i < sources.size(); ++i) {
    const std::string here = at(at(path, "sources"), i);
    if (sources[i].size() > 1) {
      add_forbidden(causes, here, "may not specify more than 1 volume type");
    } else if (sources[i].empty()) {
      add_required(causes, here, "must specify a volume type");
    }
    for (const Value::Member& source : sources[i].members()) {
      validate_items(source.value, at(here, source.name), causes);
      if (source.name != "serviceAccountToken") continue;
      add_problems(causes, at(at(here, source.name), "path"), source.value["path"],
                   local_path_problems(source.value["path"].as_string()));
      const Value& seconds = source.value["expirationSeconds"];
      if (!seconds.is_null() && seconds.as_int() < kMinTokenSeconds) {
        add_invalid(causes, at(at(here, source.name), "expirationSeconds"), seconds,
                    "may not specify a duration less than 10 minutes");
      } else if (seconds.as_int() > kMaxTokenSeconds) {
        add_invalid(causes, at(at(here, source.name), "expirationSeconds"), seconds,
                    "may not specify a duration larger than 2^32 seconds");
      }
    }
  }
}

void validate_source(std::string_view kind, const Value& source, const std::string& path,
                     Causes* causes) {
  if (kind == "hostPath") {
    const auto parts = split(source["path"].as_string(), '/');
    if (std::find(parts.begin(), parts.end(), "..") != parts.end()) {
      add_invalid(causes, at(path, "path"), source["path"], "must not contain '..'");
    }
  } else if (kind == "emptyDir") {
    const auto limit = Quantity::parse(source["sizeLimit"].as_string());
    if (limit.ok() && limit->sign() < 0) {
      add_forbidden(causes, at(path, "sizeLimit"),
                    "SizeLimit field must be a valid resource quantity");
    }
  } else if (kind == "secret") {
    if (source["secretName"].empty()) add_required(causes, at(path, "secretName"));
    validate_items(source, path, causes);
  } else if (kind == "configMap") {
    if (source["name"].empty()) add_required(causes, at(path, "name"));
    validate_items(source, path, causes);
  } else if (kind == "downwardAPI") {
    validate_items(source, path, causes);
  } else if (kind == "ephemeral") {
    if (source["volumeClaimTemplate"].is_null()) {
      add_required(causes, at(path, "volumeClaimTemplate"));
    }
  } else if (kind == "projected") {
    validate_projected(source, path, causes);
  }
}

const Value* find_volume(const Value& volumes, const std::string& name) {
  for (const Value& volume : volumes.items()) {
    if (volume["name"].as_string() == name) return &volume;
  }
  return nullptr;
}

// A device is a claim's, and stands where nothing is mounted.
void validate_devices(const Value& devices, const Value& volumes,
                      const std::set<std::string>& mounted, const std::string& path,
                      Causes* causes) {
  std::set<std::string> places;
  for (size_t i = 0; i < devices.size(); ++i) {
    const std::string here = at(path, i);
    const std::string& name = devices[i]["name"].as_string();
    const Value* volume = find_volume(volumes, name);
    if (!name.empty() && volume == nullptr) {
      add_not_found(causes, at(here, "name"), name);
    } else if (volume != nullptr && (*volume)["persistentVolumeClaim"].is_null() &&
               (*volume)["ephemeral"].is_null()) {
      add_invalid(causes, at(here, "name"), name,
                  "can only use volume source type of PersistentVolumeClaim or Ephemeral for block "
                  "mode");
    }
    const std::string& place = devices[i]["devicePath"].as_string();
    if (place.empty()) continue;  // The table has complained.
    if (!places.insert(place).second) {
      add_invalid(causes, at(here, "devicePath"), place, "must be unique");
    } else if (mounted.contains(place)) {
      add_invalid(causes, at(here, "devicePath"), place,
                  "must not already exist as a path in volumeMounts");
    }
  }
}

}  // namespace

void validate_volumes(const Value& volumes, const std::string& path, Causes* causes) {
  std::set<std::string> names;
  for (size_t i = 0; i < volumes.size(); ++i) {
    const std::string here = at(path, i);
    const Value& name = volumes[i]["name"];
    if (!name.empty()) {
      add_problems(causes, at(here, "name"), name, dns_label_problems(name.as_string()));
      if (!names.insert(name.as_string()).second) add_duplicate(causes, at(here, "name"), name);
    }
    int sources = 0;
    for (const Value::Member& member : volumes[i].members()) {
      if (!member.value.is_object()) continue;
      if (++sources > 1) {
        add_forbidden(causes, at(here, member.name), "may not specify more than 1 volume type");
      }
      validate_source(member.name, member.value, at(here, member.name), causes);
    }
    if (sources == 0) add_required(causes, here, "must specify a volume type");
  }
}

void validate_volume_mounts(const Value& container, const Value& volumes, const std::string& path,
                            Causes* causes) {
  const Value& mounts = container["volumeMounts"];
  std::set<std::string> places;
  for (size_t i = 0; i < mounts.size(); ++i) {
    const Value& mount = mounts[i];
    const std::string here = at(at(path, "volumeMounts"), i);
    const std::string& name = mount["name"].as_string();
    if (!name.empty() && find_volume(volumes, name) == nullptr) {
      add_not_found(causes, at(here, "name"), name);
    }
    const std::string& place = mount["mountPath"].as_string();
    if (!place.empty() && !places.insert(place).second) {
      add_invalid(causes, at(here, "mountPath"), place, "must be unique");
    }
    if (!mount["subPath"].empty() && !mount["subPathExpr"].empty()) {
      add_invalid(causes, at(here, "subPathExpr"), mount["subPathExpr"],
                  "subPathExpr and subPath are mutually exclusive");
    }
    for (const char* field : {"subPath", "subPathExpr"}) {
      add_problems(causes, at(here, field), mount[field],
                   local_path_problems(mount[field].as_string()));
    }
    if (mount["mountPropagation"].as_string() == "Bidirectional" &&
        !container.at("securityContext.privileged").as_bool()) {
      add_forbidden(causes, at(here, "mountPropagation"),
                    "Bidirectional mount propagation is available only to privileged containers");
    }
    const std::string& deep = mount["recursiveReadOnly"].as_string();
    if (!deep.empty() && deep != "Disabled" && !mount["readOnly"].as_bool()) {
      add_forbidden(causes, at(here, "recursiveReadOnly"),
                    "may only be specified when readOnly is true");
    }
  }
  validate_devices(container["volumeDevices"], volumes, places, at(path, "volumeDevices"), causes);
}

}  // namespace orch::api
