#include "agent/volumes/payload.h"

#include "base/strings.h"

namespace orch::volumes {
namespace {

using Contents = std::map<std::string, std::string>;

Result<Contents> decoded(const api::Value& base64_map) {
  Contents contents;
  for (const auto& [key, value] : base64_map.members()) {
    auto bytes = base64_decode(value.as_string());
    if (!bytes) return bad_request("value of key " + key + " is no base64");
    contents[key] = std::move(*bytes);
  }
  return contents;
}

Result<void> add_keys(const Contents& contents, const api::Value& items, mode_t mode, bool optional,
                      Payload* payload) {
  if (items.empty()) {
    for (const auto& [key, content] : contents) (*payload)[key] = {content, mode};
    return {};
  }
  for (const auto& item : items.items()) {
    const auto& key = item["key"].as_string();
    const auto& path = item["path"].as_string();
    const auto found = contents.find(key);
    if (found == contents.end()) {
      if (optional) continue;
      return bad_request("references non-existent config key: " + key);
    }
    ORCH_TRY(validate_payload_path(path));
    (*payload)[path] = {found->second, static_cast<mode_t>(item["mode"].as_int(mode))};
  }
  return {};
}

}  // namespace

Result<void> add_config_map(const api::Value& config_map, const api::Value& items, mode_t mode,
                            bool optional, Payload* payload) {
  Contents contents = ORCH_TRY(decoded(config_map["binaryData"]));
  for (const auto& [key, value] : config_map["data"].members()) contents[key] = value.as_string();
  return add_keys(contents, items, mode, optional, payload);
}

Result<void> add_secret(const api::Value& secret, const api::Value& items, mode_t mode,
                        bool optional, Payload* payload) {
  return add_keys(ORCH_TRY(decoded(secret["data"])), items, mode, optional, payload);
}

Result<void> validate_payload_path(const std::string& path) {
  const auto parts = split(path, '/');
  for (const auto part : parts) {
    if (part.empty() || part == "." || part == "..") {
      return bad_request("invalid path \"" + path + "\": must be relative and without \"..\"");
    }
  }
  if (parts[0].starts_with("..")) {
    return bad_request("invalid path \"" + path + "\": must not start with \"..\"");
  }
  return {};
}

}  // namespace orch::volumes
