// Volumes: makes the folders that a pod's spec.volumes name, and keeps those made of API objects up
// to date.
//
// emptyDir, hostPath, configMap, secret, downwardAPI and projected (with service account tokens).
// Secrets and tokens lie on tmpfs only. Other kinds are refused by name.
//
// Threads: calls for different pods may run in parallel; one pod's are the caller's to put in
// order. They block on the Api. Everything may be called again after any failure.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "agent/volumes/payload.h"
#include "base/clock.h"
#include "client/api.h"

namespace orch::volumes {

struct PodContext {
  const api::Value& pod;
  std::string dir;  // Of this pod's volumes; ours alone.
  // The downward API: fieldRef.fieldPath, and resourceFieldRef.
  std::function<Result<std::string>(std::string_view path)> field;
  std::function<Result<std::string>(const api::Value& selector)> resource_field;
};

struct Volume {
  std::string path;
  bool read_only = false;  // Containers get it read-only whatever they ask for.
};

struct SetUp {
  std::map<std::string, Volume> volumes;  // By name.
  std::optional<WallTime> refresh_at;     // Call set_up again then: a token gets old.
};

class Volumes {
 public:
  Volumes(client::Api& api, const client::Cache& cache, Clock& clock);

  // Makes what is missing and rewrites what has changed. What was once written stays usable while
  // the cluster can't be reached. 500 "MountVolume.SetUp failed for volume ..." names the volume.
  Result<SetUp> set_up(const PodContext& context);
  // Unmounts and deletes everything in `dir`. Missing is success.
  Result<void> tear_down(const std::string& dir);

 private:
  struct Token {
    std::string text;
    WallTime refresh_at;
  };
  Result<Volume> set_up_one(const PodContext& context, const api::Value& volume, SetUp* result);
  Result<Volume> set_up_empty_dir(const PodContext& context, const api::Value& volume);
  Result<Volume> set_up_payload(const PodContext& context, const api::Value& volume, SetUp* result);
  Result<Payload> payload_of(const PodContext& context, const api::Value& volume, SetUp* result);
  Result<void> add_source(const PodContext& context, const api::Value& source, mode_t mode,
                          const std::string& token_key, Payload* payload, SetUp* result);
  Result<void> add_downward(const PodContext& context, const api::Value& items, mode_t mode,
                            Payload* payload);
  Result<void> add_token(const PodContext& context, const api::Value& source, mode_t mode,
                         const std::string& token_key, Payload* payload, SetUp* result);
  Result<std::optional<api::Value>> object(const api::Resource& resource, const std::string& ns,
                                           const std::string& name, bool optional);

  client::Api& api_;
  const client::Cache& cache_;
  Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Token> tokens_;  // By volume folder and path.
};

}  // namespace orch::volumes
