#include "agent/volumes/volumes.h"

#include <sys/stat.h>

#include <algorithm>

#include "agent/volumes/atomic_writer.h"
#include "agent/volumes/mounts.h"
#include "api/quantity.h"
#include "api/resources.h"
#include "base/files.h"

namespace orch::volumes {
namespace {

constexpr mode_t kDefaultMode = 0644;
constexpr int64_t kDefaultTokenS = 3600;

const std::string& namespace_of(const api::Value& pod) {
  return pod["metadata"]["namespace"].as_string();
}

const api::Value& fs_group(const api::Value& pod) {
  return pod["spec"]["securityContext"]["fsGroup"];
}

// A token is for one user when all containers run as that one: then nobody else may read it.
std::optional<uid_t> common_user(const api::Value& pod) {
  std::optional<uid_t> common;
  const auto& of_pod = pod["spec"]["securityContext"]["runAsUser"];
  for (const char* list : {"initContainers", "containers"}) {
    for (const auto& container : pod["spec"][list].items()) {
      const auto& own = container["securityContext"]["runAsUser"];
      const auto& user = own.is_null() ? of_pod : own;
      if (!user.is_int()) return std::nullopt;
      const auto uid = static_cast<uid_t>(user.as_int());
      if (common && *common != uid) return std::nullopt;
      common = uid;
    }
  }
  return common;
}

const std::string& secret_name(const api::Value& source) {
  const auto& name = source["secretName"].as_string();
  return name.empty() ? source["name"].as_string() : name;
}

bool holds_secrets(const api::Value& volume) {
  return volume.has("secret") || volume.has("projected");
}

}  // namespace

Volumes::Volumes(client::Api& api, const client::Cache& cache, Clock& clock)
    : api_(api), cache_(cache), clock_(clock) {}

Result<SetUp> Volumes::set_up(const PodContext& context) {
  SetUp result;
  for (const auto& volume : context.pod["spec"]["volumes"].items()) {
    const auto& name = volume["name"].as_string();
    auto made = set_up_one(context, volume, &result);
    if (!made.ok()) {
      return internal_error("MountVolume.SetUp failed for volume \"" + name +
                            "\" : " + made.status().message);
    }
    result.volumes[name] = std::move(*made);
  }
  return result;
}

Result<void> Volumes::tear_down(const std::string& dir) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(tokens_, [&](const auto& entry) { return entry.first.starts_with(dir + "/"); });
  }
  // Only when nothing is mounted there any more: never delete through a bind mount.
  ORCH_TRY(unmount_beneath(dir));
  return remove_tree(dir);
}

Result<Volume> Volumes::set_up_one(const PodContext& context, const api::Value& volume,
                                   SetUp* result) {
  if (volume.has("emptyDir")) return set_up_empty_dir(context, volume);
  if (const auto* host = volume.find("hostPath")) {
    const auto& path = (*host)["path"].as_string();
    ORCH_TRY(check_host_path(path, (*host)["type"].as_string()));
    return Volume{path, false};
  }
  for (const char* kind : {"configMap", "secret", "downwardAPI", "projected"}) {
    if (volume.has(kind)) return set_up_payload(context, volume, result);
  }
  for (const auto& [kind, source] : volume.members()) {
    if (kind != "name") return bad_request("volumes of kind " + kind + " are not supported");
  }
  return bad_request("the volume has no source");
}

Result<Volume> Volumes::set_up_empty_dir(const PodContext& context, const api::Value& volume) {
  const std::string dir = context.dir + "/" + volume["name"].as_string();
  const auto& source = volume["emptyDir"];
  if (source["medium"].as_string() == "Memory") {
    int64_t size = 0;
    if (const auto& limit = source["sizeLimit"].as_string(); !limit.empty()) {
      size = ORCH_TRY(api::Quantity::parse(limit)).value();
    }
    ORCH_TRY(mount_tmpfs(dir, size));
  } else if (!file_exists(dir)) {
    ORCH_TRY(make_dirs(dir, 0750));
    if (::chmod(dir.c_str(), 0777) != 0) return system_error("chmod " + dir, errno);
  }
  if (const auto& group = fs_group(context.pod); group.is_int()) {
    ORCH_TRY(give_to_group(dir, static_cast<gid_t>(group.as_int()), true));
  }
  return Volume{dir, false};
}

Result<Volume> Volumes::set_up_payload(const PodContext& context, const api::Value& volume,
                                       SetUp* result) {
  const std::string dir = context.dir + "/" + volume["name"].as_string();
  if (holds_secrets(volume)) {
    ORCH_TRY(mount_tmpfs(dir, 0));
  } else {
    ORCH_TRY(make_dirs(dir, 0755));
  }
  const auto payload = payload_of(context, volume, result);
  if (!payload.ok()) {
    // Old content is better than none while the server is away; a missing object is no such case.
    const bool unreachable = payload.status().code >= 500;
    if (unreachable && has_payload(dir)) return Volume{dir, true};
    return payload.status();
  }
  Owner owner;
  if (const auto& group = fs_group(context.pod); group.is_int()) {
    owner.gid = static_cast<gid_t>(group.as_int());
    owner.fs_group = true;
  }
  const auto user = common_user(context.pod);
  if (user && volume.has("projected") && !owner.fs_group) owner.uid = *user;
  ORCH_TRY(write_payload(dir, *payload, owner, clock_));
  return Volume{dir, true};
}

Result<Payload> Volumes::payload_of(const PodContext& context, const api::Value& volume,
                                    SetUp* result) {
  Payload payload;
  const std::string key = context.dir + "/" + volume["name"].as_string();
  if (const auto* projected = volume.find("projected")) {
    const auto mode = static_cast<mode_t>((*projected)["defaultMode"].as_int(kDefaultMode));
    for (const auto& source : (*projected)["sources"].items()) {
      ORCH_TRY(add_source(context, source, mode, key, &payload, result));
    }
    return payload;
  }
  for (const char* kind : {"configMap", "secret", "downwardAPI"}) {
    const auto* source = volume.find(kind);
    if (source == nullptr) continue;
    const auto mode = static_cast<mode_t>((*source)["defaultMode"].as_int(kDefaultMode));
    ORCH_TRY(add_source(context, volume, mode, key, &payload, result));
  }
  return payload;
}

Result<void> Volumes::add_source(const PodContext& context, const api::Value& source, mode_t mode,
                                 const std::string& token_key, Payload* payload, SetUp* result) {
  const auto& ns = namespace_of(context.pod);
  if (const auto* map = source.find("configMap")) {
    const bool optional = (*map)["optional"].as_bool();
    const auto found =
        ORCH_TRY(object(api::resource::config_maps(), ns, (*map)["name"].as_string(), optional));
    if (found) ORCH_TRY(add_config_map(*found, (*map)["items"], mode, optional, payload));
  }
  if (const auto* secret = source.find("secret")) {
    const bool optional = (*secret)["optional"].as_bool();
    const auto found =
        ORCH_TRY(object(api::resource::secrets(), ns, secret_name(*secret), optional));
    if (found) ORCH_TRY(add_secret(*found, (*secret)["items"], mode, optional, payload));
  }
  if (const auto* downward = source.find("downwardAPI")) {
    ORCH_TRY(add_downward(context, (*downward)["items"], mode, payload));
  }
  if (const auto* token = source.find("serviceAccountToken")) {
    ORCH_TRY(add_token(context, *token, mode, token_key, payload, result));
  }
  if (source.has("clusterTrustBundle")) {
    return bad_request("projected clusterTrustBundle is not supported");
  }
  return {};
}

Result<void> Volumes::add_downward(const PodContext& context, const api::Value& items, mode_t mode,
                                   Payload* payload) {
  for (const auto& item : items.items()) {
    const auto& path = item["path"].as_string();
    ORCH_TRY(validate_payload_path(path));
    PayloadFile file;
    file.mode = static_cast<mode_t>(item["mode"].as_int(mode));
    if (const auto* field = item.find("fieldRef")) {
      file.content = ORCH_TRY(context.field((*field)["fieldPath"].as_string()));
    } else {
      file.content = ORCH_TRY(context.resource_field(item["resourceFieldRef"]));
    }
    (*payload)[path] = std::move(file);
  }
  return {};
}

// A token bound to this pod, asked for anew when 80 % of its life are over.
Result<void> Volumes::add_token(const PodContext& context, const api::Value& source, mode_t mode,
                                const std::string& token_key, Payload* payload, SetUp* result) {
  const auto& path = source["path"].as_string();
  ORCH_TRY(validate_payload_path(path));
  const std::string key = token_key + "/" + path;
  const auto later = [&](const Token& token) {
    result->refresh_at =
        result->refresh_at ? std::min(*result->refresh_at, token.refresh_at) : token.refresh_at;
    const bool private_file = common_user(context.pod) || fs_group(context.pod).is_int();
    (*payload)[path] = {token.text, private_file ? mode_t{0600} : mode};
  };
  {
    const std::lock_guard lock(mutex_);
    const auto known = tokens_.find(key);
    if (known != tokens_.end() && clock_.now() < known->second.refresh_at) {
      later(known->second);
      return {};
    }
  }
  const int64_t life_s = source["expirationSeconds"].as_int(kDefaultTokenS);
  const auto& metadata = context.pod["metadata"];
  auto spec = api::Value::object({{"expirationSeconds", life_s}});
  if (const auto& audience = source["audience"]; !audience.empty()) {
    spec.set("audiences", api::Value::array({audience}));
  } else {
    spec.set("audiences", api::Value::array());
  }
  spec.set("boundObjectRef", api::Value::object({{"apiVersion", "v1"},
                                                 {"kind", "Pod"},
                                                 {"name", metadata["name"]},
                                                 {"uid", metadata["uid"]}}));
  const auto request = api::Value::object({{"apiVersion", "authentication.k8s.io/v1"},
                                           {"kind", "TokenRequest"},
                                           {"spec", std::move(spec)}});
  const auto& account = context.pod["spec"]["serviceAccountName"].as_string();
  const auto answer = ORCH_TRY(api_.create_sub(
      api::resource::service_accounts(),
      {namespace_of(context.pod), account.empty() ? "default" : account}, "token", request));
  Token token;
  token.text = answer["status"]["token"].as_string();
  const WallTime now = clock_.now();
  WallTime expires = now + std::chrono::seconds(life_s);
  parse_time(answer["status"]["expirationTimestamp"].as_string(), &expires);
  token.refresh_at = now + (expires - now) / 10 * 8;
  const std::lock_guard lock(mutex_);
  tokens_[key] = token;
  later(token);
  return {};
}

// From the cache; what it does not have is asked for, since it may lag behind or not hold the kind.
Result<std::optional<api::Value>> Volumes::object(const api::Resource& resource,
                                                  const std::string& ns, const std::string& name,
                                                  bool optional) {
  if (auto cached = cache_.get(resource, {ns, name})) return cached;
  auto found = api_.get(resource, {ns, name});
  if (found.ok()) return std::optional(std::move(*found));
  if (optional && found.status().not_found()) return std::optional<api::Value>{};
  return found.status();
}

}  // namespace orch::volumes
