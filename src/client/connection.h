// Connection: one HTTP client and who we are, shared by RemoteApi and RemoteCache; and the paths
// of the API. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/json.h"
#include "api/schema.h"
#include "client/api.h"
#include "client/kubeconfig.h"
#include "http/client.h"

namespace orch::client {

class Connection {
 public:
  static Result<std::shared_ptr<Connection>> create(const ClusterAccess& access);
  Connection(std::unique_ptr<http::Client> client, std::string token)
      : client_(std::move(client)), token_(std::move(token)) {}

  // Sends a request; `body` is JSON when not null. A refusal is the Status in its body.
  Result<api::Value> call(const std::string& method, const std::string& target,
                          const api::Value& body = {},
                          const std::string& content_type = "application/json");
  // Opens a response that goes on. Anything but 200 is a Status.
  Result<std::unique_ptr<http::ResponseStream>> open(const std::string& target);

 private:
  http::Request request_to(const std::string& method, const std::string& target) const;

  const std::unique_ptr<http::Client> client_;
  const std::string token_;
};

// "/apis/apps/v1/namespaces/default/deployments/web/status"; name and subresource may be "".
// With namespace "" the path of all namespaces.
std::string path_of(const api::Resource& resource, const ObjectKey& key,
                    std::string_view subresource = "");
// "?labelSelector=...&fieldSelector=...", "" when both are empty.
std::string query_of(const std::string& label_selector, const std::string& field_selector);

// The failure that an answer stands for: its Status body, or what its code says.
Status parse_status(int code, std::string_view body);

}  // namespace orch::client
