// payload: the files of a volume that is made of API objects, as values. Pure.
// Follows Kubernetes' "ConfigMap", "Secret", "Projected Volumes": items, modes, optional.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>

#include "api/json.h"
#include "base/result.h"

namespace orch::volumes {

struct PayloadFile {
  std::string content;
  mode_t mode = 0644;

  bool operator==(const PayloadFile&) const = default;
};
// By path relative to the volume: "a", "certs/tls.key". Never absolute, never with "..".
using Payload = std::map<std::string, PayloadFile>;

// The files of a ConfigMap's data and binaryData, or of a Secret's data. `items` empty: every key.
// 400 "references non-existent config key: x" when an item is not there and not `optional`.
Result<void> add_config_map(const api::Value& config_map, const api::Value& items, mode_t mode,
                            bool optional, Payload* payload);
Result<void> add_secret(const api::Value& secret, const api::Value& items, mode_t mode,
                        bool optional, Payload* payload);

// Relative, no "..", no empty part, not beginning with "..": may be made below a volume.
Result<void> validate_payload_path(const std::string& path);

}  // namespace orch::volumes
