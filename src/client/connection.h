// Connection: the servers of one cluster and who we are, shared by RemoteApi and RemoteCache; and
// the paths of the API. Thread-safe.
//
// Calls go to one of the servers until it fails: when no answer comes from it, or it says itself
// that it can't serve (503, 504), as one that has lost sight of the others does. Then that server
// rests, the streams that it has open end, and whatever comes next goes to another one. Which
// server is the first to be tried is settled by a hash of its address and ours, so that many
// clients spread over the servers without knowing of each other.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "api/schema.h"
#include "base/clock.h"
#include "client/api.h"
#include "client/kubeconfig.h"
#include "http/client.h"

namespace orch::client {

class Connection {
 public:
  static constexpr int kConnectTimeoutMs = 3'000;
  static constexpr int kAnswerTimeoutMs = 20'000;  // Longer than a server waits for its leader.
  static constexpr int kSilentServerMs = 8'000;    // One that lost its power is noticed so soon.
  // How long a server that failed is passed over: one that has served us before, and another.
  static constexpr std::chrono::seconds kRest{30};
  static constexpr std::chrono::minutes kLongRest{10};

  // `more_urls`: other servers of the same cluster.
  static Result<std::shared_ptr<Connection>> create(const ClusterAccess& access,
                                                    const std::vector<std::string>& more_urls = {});
  using MakeClient = std::function<Result<std::unique_ptr<http::Client>>(const std::string& url)>;
  // `self`: who we are among many clients.
  Connection(std::vector<std::string> urls, MakeClient make_client, std::string token,
             std::string self);
  ~Connection();

  // The servers of the cluster, as it tells them now. Those that were given at first are turned to
  // when none of these serves.
  void set_servers(const std::vector<std::string>& urls);
  // The URL that the next call goes to.
  std::string server() const;

  // Sends a request; `body` is JSON when not null. A refusal is the Status in its body. A GET that
  // finds no server is sent to the others, too; what may have happened is not sent twice.
  Result<api::Value> call(const std::string& method, const std::string& target,
                          const api::Value& body = {},
                          const std::string& content_type = "application/json");
  // Opens a response that goes on. Anything but 200 is a Status. It outlives no Connection.
  Result<std::unique_ptr<http::ResponseStream>> open(const std::string& target);

 private:
  struct Server;
  class Stream;

  http::Request request_to(const std::string& method, const std::string& target) const;
  std::shared_ptr<Server> choose() const;
  Result<std::shared_ptr<http::Client>> client_of(Server& server);
  void note_served(Server& server);
  void note_failed(Server& server, const Status& why);
  size_t size() const;
  // To the server that is chosen now, once.
  Result<api::Value> send(const http::Request& request);
  Result<std::unique_ptr<http::ResponseStream>> open_one(const std::string& target);

  const std::vector<std::string> first_urls_;
  const MakeClient make_client_;
  const std::string token_;
  const std::string self_;

  mutable std::mutex mutex_;                      // Guards these, and what is in a Server.
  std::vector<std::shared_ptr<Server>> servers_;  // In the order in which we turn to them.
};

// "/apis/apps/v1/namespaces/default/deployments/web/status"; name and subresource may be "".
// With namespace "" the path of all namespaces.
std::string path_of(const api::Resource& resource, const ObjectKey& key,
                    std::string_view subresource = "");
// "?labelSelector=...&fieldSelector=...", "" when both are empty.
std::string query_of(const std::string& label_selector, const std::string& field_selector);

// The failure that an answer stands for: its Status body, or what its code says.
Status parse_status(int code, std::string_view body);

// One POST of a JSON document by who is no client of the API yet: a node or a server that joins.
// `request` has the target and whatever else the head needs. The answer's document; anything but
// 200 is a Status.
Result<api::Value> post_once(http::ClientOptions options, http::Request request,
                             const api::Value& body);

}  // namespace orch::client
