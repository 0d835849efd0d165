// ConfigMaps and Secrets: keys, sizes, and what immutable means.
// Follows: kubernetes.io "ConfigMaps", "Secrets".
#include <string>
#include <utility>

#include "api/hook_list.h"
#include "api/names.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr size_t kMaxDataBytes = 1u << 20;

void validate_keys(const Value& data, const std::string& path, Causes& causes) {
  for (const Value::Member& one : data.members()) {
    add_problems(&causes, at_key(path, one.name), one.name, data_key_problems(one.name));
  }
}

size_t decoded_size(const Value& data) {
  size_t bytes = 0;
  for (const Value::Member& one : data.members()) {
    const std::string& text = one.value.as_string();
    bytes += text.size() / 4 * 3;
    if (text.ends_with("==")) {
      bytes -= 2;
    } else if (text.ends_with('=')) {
      bytes -= 1;
    }
  }
  return bytes;
}

void validate_immutable(const Value& object, const Value& old,
                        std::initializer_list<const char*> fields, Causes& causes) {
  if (!old["immutable"].as_bool()) return;
  if (!object["immutable"].as_bool()) {
    add_forbidden(&causes, "immutable", "field is immutable when `immutable` is set");
  }
  for (const char* field : fields) {
    const bool both_empty = object[field].empty() && old[field].empty();
    if (both_empty || object[field] == old[field]) continue;
    add_forbidden(&causes, field, "field is immutable when `immutable` is set");
  }
}

void validate_config_map(const Value& map, Causes& causes) {
  validate_keys(map["data"], "data", causes);
  validate_keys(map["binaryData"], "binaryData", causes);
  size_t bytes = decoded_size(map["binaryData"]);
  for (const Value::Member& one : map["data"].members()) {
    bytes += one.value.as_string().size();
    if (!map["binaryData"].has(one.name)) continue;
    add_invalid(&causes, at_key("data", one.name), one.name,
                "duplicate of key present in binaryData");
  }
  if (bytes > kMaxDataBytes) add_too_long(&causes, "[]", kMaxDataBytes);  // Of no one field.
}

void validate_config_map_update(const Value& map, const Value& old, std::string_view,
                                Causes& causes) {
  validate_immutable(map, old, {"data", "binaryData"}, causes);
}

// stringData is for writing only: its plain texts go over data.
void merge_string_data(Value& secret) {
  const Value texts = std::as_const(secret)["stringData"];
  secret.remove("stringData");
  for (const Value::Member& one : texts.members()) {
    secret["data"].set(one.name, base64_encode(one.value.as_string()));
  }
}

void prepare_secret_update(Value& secret, const Value&, std::string_view) {
  merge_string_data(secret);
}

void require_key(const Value& secret, const char* key, Causes& causes) {
  if (!secret["data"].has(key)) add_required(&causes, at_key("data", key));
}

void require_json(const Value& secret, const char* key, Causes& causes) {
  const Value& given = secret["data"][key];
  if (given.is_null()) return add_required(&causes, at_key("data", key));
  const auto parsed = parse_json(base64_decode(given.as_string()).value_or(""));
  if (!parsed.ok()) {
    add_invalid(&causes, at_key("data", key), "<secret contents redacted>",
                parsed.status().message);
  }
}

void validate_secret(const Value& secret, Causes& causes) {
  validate_keys(secret["data"], "data", causes);
  if (decoded_size(secret["data"]) > kMaxDataBytes) add_too_long(&causes, "data", kMaxDataBytes);
  const std::string& type = secret["type"].as_string();
  if (type == "kubernetes.io/service-account-token") {
    const Value& notes = secret.at("metadata")["annotations"];
    if (notes["kubernetes.io/service-account.name"].empty()) {
      add_required(&causes, "metadata.annotations[kubernetes.io/service-account.name]");
    }
  } else if (type == "kubernetes.io/dockercfg") {
    require_json(secret, ".dockercfg", causes);
  } else if (type == "kubernetes.io/dockerconfigjson") {
    require_json(secret, ".dockerconfigjson", causes);
  } else if (type == "kubernetes.io/basic-auth") {
    if (!secret["data"].has("username") && !secret["data"].has("password")) {
      add_required(&causes, "data[username]");
      add_required(&causes, "data[password]");
    }
  } else if (type == "kubernetes.io/ssh-auth") {
    require_key(secret, "ssh-privatekey", causes);
  } else if (type == "kubernetes.io/tls") {
    require_key(secret, "tls.crt", causes);
    require_key(secret, "tls.key", causes);
  }
}

void validate_secret_update(const Value& secret, const Value& old, std::string_view,
                            Causes& causes) {
  if (secret["type"] != old["type"]) {
    add_invalid(&causes, "type", secret["type"], "field is immutable");
  }
  validate_immutable(secret, old, {"data"}, causes);
}

}  // namespace

const Hook kConfigMapHook = {
    .validate = validate_config_map,
    .validate_update = validate_config_map_update,
};

const Hook kSecretHook = {
    .prepare_create = merge_string_data,
    .prepare_update = prepare_secret_update,
    .validate = validate_secret,
    .validate_update = validate_secret_update,
};

}  // namespace orch::api
