#include "server/apiserver/encryption.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "crypto/aead.h"

namespace orch::apiserver {
namespace {

using api::Value;

constexpr std::string_view kPrefix = "k8s:enc:aesgcm:v1:";
constexpr size_t kMaxSecrets = 64;

std::string random_bytes(Random& random, size_t size) {
  std::string bytes(size, '\0');
  random.fill(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// The day is for people; what follows keeps two rotations of a day apart.
Value new_secret(const Clock& clock, Random& random) {
  const std::string name = format_time(clock.now()).substr(0, 10) + "-" + random.name_suffix();
  const std::string secret = base64_encode(random_bytes(random, crypto::kAeadKeyBytes));
  return Value::object({{"name", name}, {"secret", secret}});
}

std::string resource_name(const api::Resource& resource) {
  return resource.group.empty() ? resource.plural : resource.plural + "." + resource.group;
}

Value new_config(const Clock& clock, Random& random) {
  const Value names = Value::array({"secrets"});
  const Value keys = Value::object({{"keys", Value::array({new_secret(clock, random)})}});
  const Value providers = Value::array(
      {Value::object({{"aesgcm", keys}}), Value::object({{"identity", Value::object()}})});
  const Value entry = Value::object({{"resources", names}, {"providers", providers}});
  return Value::object({{"kind", "EncryptionConfiguration"},
                        {"apiVersion", "apiserver.config.k8s.io/v1"},
                        {"resources", Value::array({entry})}});
}

std::span<Value> items_of(Value* object, std::string_view name) {
  Value* const list = object->find(name);
  return list && list->is_array() ? std::span(list->array_items()) : std::span<Value>();
}

const api::Resource* find_resource(const api::Schema& schema, const std::string& name) {
  for (const api::Resource* resource : schema.resources()) {
    if (!resource->storage_prefix.empty() && resource_name(*resource) == name) return resource;
  }
  return nullptr;
}

}  // namespace

std::string encryption_config_path(const std::string& data_dir) {
  return data_dir + "/server/encryption-config.json";
}

Result<Value> open_encryption_config(const std::string& path, const Clock& clock, Random& random) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return read_encryption_config(path);
  if (errno != ENOENT) return system_error("stat " + path, errno);
  const Value config = new_config(clock, random);
  ORCH_TRY(write_encryption_config(path, config));
  log::info("apiserver", "made " + path + " with a new secret: keep a copy with your backups");
  return config;
}

Result<Value> read_encryption_config(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return system_error("stat " + path, errno);
  if ((info.st_mode & 077) != 0) {
    return bad_request(path + " can be read by others than its owner: chmod 600 it first");
  }
  auto config = api::parse_yaml(ORCH_TRY(read_file(path, kMaxEncryptionConfigBytes)),
                                {kMaxEncryptionConfigBytes, nullptr});
  if (!config) return std::move(config).status().in(path);
  return config;
}

Result<void> write_encryption_config(const std::string& path, const Value& config) {
  const size_t slash = path.rfind('/');
  if (slash != path.npos && slash > 0) ORCH_TRY(make_dirs(path.substr(0, slash), 0700));
  return write_file_atomic(path, api::to_json_pretty(config) + "\n", 0600);
}

Result<Value> rotated(Value config, const Clock& clock, Random& random) {
  const Value fresh = new_secret(clock, random);
  bool found = false;
  for (Value& entry : items_of(&config, "resources")) {
    for (Value& provider : items_of(&entry, "providers")) {
      Value* const aesgcm = provider.find("aesgcm");
      if (!aesgcm || !aesgcm->is_object()) continue;
      Value keys = Value::array({fresh});
      for (const Value& key : (*aesgcm)["keys"].items()) keys.push_back(key);
      aesgcm->set("keys", std::move(keys));
      found = true;
    }
  }
  if (!found) return bad_request("there is no aesgcm provider whose secret could be rotated");
  return config;
}

Result<void> Encryption::parse_provider(const Value& provider, Rule* rule) {
  if (provider.find("identity")) return {};
  if (!provider.find("aesgcm")) {
    return bad_request("each of providers must be aesgcm or identity: orch knows no other");
  }
  for (const Value& key : provider["aesgcm"]["keys"].items()) {
    Secret secret{key["name"].as_string(), base64_decode(key["secret"].as_string()).value_or("")};
    if (secret.name.empty() || secret.name.find(':') != secret.name.npos) {
      return bad_request("a name of aesgcm.keys is empty or has a \":\" in it");
    }
    if (secret.key.size() != crypto::kAeadKeyBytes) {
      return bad_request("the secret of key \"" + secret.name + "\" must be 32 bytes in base64");
    }
    if (rule->secrets.size() == kMaxSecrets) {
      return bad_request("aesgcm.keys: at most " + std::to_string(kMaxSecrets));
    }
    rule->secrets.push_back(std::move(secret));
  }
  return {};
}

Result<Encryption::Rule> Encryption::parse_rule(const Value& entry, const api::Schema& schema) {
  Rule rule;
  for (const Value& name : entry["resources"].items()) {
    const api::Resource* const resource = find_resource(schema, name.as_string());
    if (!resource) return bad_request("resources: \"" + name.as_string() + "\" is no stored kind");
    rule.folders.push_back(resource->storage_prefix + "/");
  }
  if (entry["providers"].items().empty()) return bad_request("providers: needs at least one");
  rule.seals = !entry["providers"].items().front().find("identity");
  for (const Value& provider : entry["providers"].items()) {
    ORCH_TRY(parse_provider(provider, &rule));
  }
  if (rule.seals && rule.secrets.empty()) return bad_request("aesgcm.keys: needs at least one");
  return rule;
}

Result<Encryption> Encryption::create(const Value& config, const std::string& file,
                                      const api::Schema& schema, Random& random) {
  if (config["kind"].as_string() != "EncryptionConfiguration") {
    return bad_request(file + ": kind must be EncryptionConfiguration");
  }
  std::vector<Rule> rules;
  for (const Value& entry : config["resources"].items()) {
    auto rule = parse_rule(entry, schema);
    if (!rule) return std::move(rule).status().in(file);
    rules.push_back(*std::move(rule));
  }
  return Encryption(std::move(rules), file, random);
}

const Encryption::Rule* Encryption::rule_of(std::string_view key) const {
  for (const Rule& rule : rules_) {
    for (const std::string& folder : rule.folders) {
      if (key.starts_with(folder)) return &rule;
    }
  }
  return nullptr;
}

std::string_view Encryption::sealing_secret(std::string_view key) const {
  const Rule* const rule = rule_of(key);
  return rule && rule->seals ? std::string_view(rule->secrets.front().name) : std::string_view();
}

std::string_view Encryption::secret_of(std::string_view stored) {
  if (!stored.starts_with(kPrefix)) return {};
  stored.remove_prefix(kPrefix.size());
  const size_t end = stored.find(':');
  return end == stored.npos ? std::string_view() : stored.substr(0, end);
}

std::optional<std::string> Encryption::seal(std::string_view key, std::string_view value) const {
  const Rule* const rule = rule_of(key);
  if (!rule || !rule->seals) return std::nullopt;
  const Secret& secret = rule->secrets.front();
  std::string stored(kPrefix);
  stored.append(secret.name).append(":");
  return stored +
         crypto::aead_seal(secret.key, random_bytes(*random_, crypto::kAeadNonceBytes), value, key);
}

Result<std::optional<std::string>> Encryption::open(std::string_view key,
                                                    std::string_view stored) const {
  const std::string_view name = secret_of(stored);
  if (name.empty()) return std::optional<std::string>();
  const std::string what = "the value of " + std::string(key) + " is sealed with the secret \"" +
                           std::string(name) + "\", ";
  if (const Secret* const secret = find_secret(name)) {
    auto opened =
        crypto::aead_open(secret->key, stored.substr(kPrefix.size() + name.size() + 1), key);
    if (opened) return opened;
    return internal_error(what + "which doesn't open it: it was altered, or the secret in " +
                          file_ + " is another");
  }
  return internal_error(what + "which is not in " + file_ +
                        ": bring that file back from where the copy of this database is from");
}

const Encryption::Secret* Encryption::find_secret(std::string_view name) const {
  for (const Rule& rule : rules_) {
    const auto found = std::ranges::find(rule.secrets, name, &Secret::name);
    if (found != rule.secrets.end()) return &*found;
  }
  return nullptr;
}

std::string Encryption::missing_of(const Encryption& other) const {
  for (const Rule& rule : other.rules_) {
    for (const Secret& secret : rule.secrets) {
      const Secret* const ours = find_secret(secret.name);
      if (ours == nullptr || ours->key != secret.key) return secret.name;
    }
  }
  return "";
}

std::vector<std::string> Encryption::folders_beside(const Encryption& other) const {
  std::vector<std::string> all;
  for (const Encryption* each : {this, &other}) {
    for (const Rule& rule : each->rules_) {
      for (const std::string& folder : rule.folders) {
        if (std::ranges::find(all, folder) == all.end()) all.push_back(folder);
      }
    }
  }
  return all;
}

bool Encryption::is_stale(std::string_view key, std::string_view stored) const {
  return secret_of(stored) != sealing_secret(key);
}

}  // namespace orch::apiserver
