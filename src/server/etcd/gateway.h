// Gateway: calls to an etcd cluster through the JSON gateway of any of its servers. When one does
// not answer, the next call goes to the next one.
//
// Thread-safe; every call blocks, for GatewayOptions::call_ms at most, and once more as long when
// it has to connect.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/fd.h"
#include "base/result.h"
#include "http/client.h"

namespace orch::etcd {

inline constexpr int kMaxConnectMs = 3'000;
// Calls at once; each has a connection.
inline constexpr size_t kMaxCalls = 32;

struct GatewayOptions {
  std::vector<std::string> endpoints;  // "https://10.0.0.1:2379"; at least one.
  // PEM. Without a CA the system's, without a certificate none.
  std::string ca = {}, certificate = {}, private_key = {};
  int call_ms = 10'000;  // etcd itself gives up a request after 7 s.
};

class Gateway {
 public:
  static Result<std::unique_ptr<Gateway>> create(const GatewayOptions& options);

  // The answer's document. A Status: no server answered as one of this cluster (503), the outcome
  // is unknown (504), or wire.h's failure_of(). Nothing is ever sent twice.
  Result<api::Value> call(const char* path, std::string body);
  // A watch: lines of wire.h's read_seen().
  Result<std::unique_ptr<http::ResponseStream>> open(const char* path, std::string body);
  // All servers of one cluster have its id; one that has another is refused (503).
  Result<void> check_cluster(const std::string& id);
  // The server in use didn't keep its word: the next calls go elsewhere.
  void turn_away();

  size_t servers() const { return clients_.size(); }
  // Every call fails at once, now and later.
  void cancel();

 private:
  Gateway() = default;
  http::Client& client(size_t* at);
  void turn_away(size_t from);

  UniqueFd cancelled_;
  std::vector<std::unique_ptr<http::Client>> clients_;
  std::atomic<size_t> at_{0};
  std::mutex mutex_;
  std::string cluster_;  // Its id, once it is known.
};

}  // namespace orch::etcd
