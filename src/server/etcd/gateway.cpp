#include "server/etcd/gateway.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>

#include "server/etcd/wire.h"

namespace orch::etcd {

namespace {

// A page of the largest objects; a start reads many of them.
constexpr size_t kMaxAnswerBytes = 512u << 20;

http::Request request_for(const char* path, std::string body) {
  http::Request request;
  request.method = "POST";
  request.target = path;
  request.headers.add("Content-Type", "application/json");
  // Of a server that has lost the others we want to hear so, not to wait.
  request.headers.add("Grpc-Metadata-hasleader", "true");
  request.body = std::move(body);
  return request;
}

}  // namespace

Result<std::unique_ptr<Gateway>> Gateway::create(const GatewayOptions& options) {
  std::unique_ptr<Gateway> gateway(new Gateway);
  gateway->cancelled_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!gateway->cancelled_) return system_error("eventfd", errno);
  for (const std::string& endpoint : options.endpoints) {
    http::ClientOptions client;
    client.url = endpoint;
    client.ca = options.ca;
    client.certificate = options.certificate;
    client.private_key = options.private_key;
    client.connect_timeout_ms = std::min(options.call_ms, kMaxConnectMs);
    client.response_timeout_ms = options.call_ms;
    client.max_body_bytes = kMaxAnswerBytes;
    client.max_idle_connections = kMaxCalls;
    client.repeat_on_kept = false;
    client.cancel_fd = gateway->cancelled_.get();
    gateway->clients_.push_back(ORCH_TRY(http::Client::create(std::move(client))));
  }
  return gateway;
}

http::Client& Gateway::client(size_t* at) {
  *at = at_;
  return *clients_[*at % clients_.size()];
}

void Gateway::turn_away(size_t from) { at_.compare_exchange_strong(from, from + 1); }
void Gateway::turn_away() { turn_away(at_.load()); }

Result<api::Value> Gateway::call(const char* path, std::string body) {
  size_t at = 0;
  auto response = client(&at).send(request_for(path, std::move(body)));
  if (!response) {
    turn_away(at);
    return std::move(response).status().in("etcd does not answer");
  }
  const std::string text = response->body.flatten();
  if (response->status != 200) {
    Status failure = failure_of(response->status, text);
    if (failure.code == 503 || failure.code == 504) turn_away(at);
    return failure;
  }
  api::Value answer =
      ORCH_TRY(api::parse_json(text, {.max_bytes = kMaxAnswerBytes, .duplicates = nullptr}));
  ORCH_TRY(check_cluster(cluster_of(answer)));
  return answer;
}

Result<std::unique_ptr<http::ResponseStream>> Gateway::open(const char* path, std::string body) {
  size_t at = 0;
  auto stream = client(&at).open(request_for(path, std::move(body)));
  if (!stream || (*stream)->head().status != 200) turn_away(at);
  if (!stream) return std::move(stream).status().in("etcd does not answer");
  if ((*stream)->head().status != 200) return failure_of((*stream)->head().status, "");
  return stream;
}

Result<void> Gateway::check_cluster(const std::string& id) {
  if (id.empty()) return {};
  const std::lock_guard lock(mutex_);
  if (cluster_.empty()) cluster_ = id;
  if (cluster_ == id) return {};
  turn_away();
  return service_unavailable("etcd's cluster is " + id + " and no longer " + cluster_ +
                             ": restart orch if it is meant to go on with that one");
}

void Gateway::cancel() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then it is cancelled already.
  [[maybe_unused]] const ssize_t n = ::write(cancelled_.get(), &one, sizeof one);
}

}  // namespace orch::etcd
