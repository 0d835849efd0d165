#include "http/client.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "http/client_connection.h"

namespace orch::http {

namespace {

constexpr uint64_t no_limit = UINT64_MAX;

// The idle connections of one client. Streams may outlive the client, hence shared.
class Pool {
 public:
  explicit Pool(size_t max_idle) : max_idle_(max_idle) {}
  std::unique_ptr<ClientConnection> take() {
    for (;;) {
      std::unique_ptr<ClientConnection> connection;
      {
        const std::lock_guard lock(mutex_);
        if (idle_.empty()) return nullptr;
        connection = std::move(idle_.back());  // The youngest is the likeliest to live.
        idle_.pop_back();
      }
      if (connection->still_idle()) return connection;
    }
  }
  void give_back(std::unique_ptr<ClientConnection> connection) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < max_idle_) idle_.push_back(std::move(connection));
  }

 private:
  const size_t max_idle_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<ClientConnection>> idle_;
};

class PooledStream : public ResponseStream {
 public:
  PooledStream(std::unique_ptr<ClientConnection> connection, std::shared_ptr<Pool> pool)
      : connection_(std::move(connection)), pool_(std::move(pool)), head_(connection_->head()) {}
  ~PooledStream() override {
    if (pool_ && !cancelled_ && connection_->reusable()) pool_->give_back(std::move(connection_));
  }

  const Response& head() const override { return head_; }
  Result<size_t> read(char* into, size_t size, int timeout_ms) override {
    if (cancelled_) return service_unavailable("cancelled");
    return connection_->read_body(into, size, timeout_ms);
  }
  void cancel() override {
    cancelled_ = true;
    connection_->cancel();
  }

 private:
  std::unique_ptr<ClientConnection> connection_;
  const std::shared_ptr<Pool> pool_;  // Null: the connection is not to be kept.
  const Response head_;
  std::atomic<bool> cancelled_{false};
};

class PooledClient : public Client {
 public:
  PooledClient(ClientOptions options, Endpoint endpoint, SslContext tls)
      : options_(std::move(options)), endpoint_(std::move(endpoint)), tls_(std::move(tls)) {}

  Result<Response> send(const Request& request) override {
    auto connection = ORCH_TRY(exchange(request, options_.max_body_bytes));
    return whole_response(std::move(connection));
  }

  Result<std::unique_ptr<ResponseStream>> open(const Request& request) override {
    auto connection = ORCH_TRY(exchange(request, no_limit));
    return std::unique_ptr<ResponseStream>(std::make_unique<PooledStream>(
        std::move(connection), options_.keep_alive ? pool_ : nullptr));
  }

  Result<Upgraded> upgrade(const Request& request) override {
    auto connection = ORCH_TRY(exchange(request, options_.max_body_bytes));
    if (connection->head().status != 101) {
      Response refusal = ORCH_TRY(whole_response(std::move(connection)));
      return Upgraded{std::move(refusal), nullptr};
    }
    Response head = connection->head();
    return Upgraded{std::move(head), connection->into_duplex()};
  }

 private:
  // A connection whose response's head was read.
  Result<std::unique_ptr<ClientConnection>> exchange(const Request& request, uint64_t body_limit) {
    // A body that comes only once can't be sent twice.
    if (auto kept = request.rest ? nullptr : pool_->take()) {
      Result<void> done = kept->exchange(request, endpoint_, options_, body_limit);
      if (done.ok()) return kept;
      // The server may have closed it just now, without having seen this request. Any byte of an
      // answer, or a timeout, shows that it had.
      const bool may_repeat = options_.repeat_on_kept && !kept->answered();
      if (!may_repeat || done.status().code == 504) return std::move(done).status();
    }
    auto fresh = ORCH_TRY(ClientConnection::connect(endpoint_, options_, tls_));
    Result<void> done = fresh->exchange(request, endpoint_, options_, body_limit);
    if (!done.ok()) return std::move(done).status().in(request.method + " " + options_.url);
    return fresh;
  }

  Result<Response> whole_response(std::unique_ptr<ClientConnection> connection) {
    Response response = connection->head();
    std::string body;
    char buffer[16 << 10];
    for (;;) {
      const size_t n =
          ORCH_TRY(connection->read_body(buffer, sizeof buffer, options_.response_timeout_ms));
      if (n == 0) break;
      if (body.size() + n > options_.max_body_bytes)
        return service_unavailable("the answer is larger than " +
                                   std::to_string(options_.max_body_bytes) + " bytes");
      body.append(buffer, n);
    }
    response.body.append(std::move(body));
    if (options_.keep_alive && connection->reusable()) pool_->give_back(std::move(connection));
    return response;
  }

  const ClientOptions options_;
  const Endpoint endpoint_;
  const SslContext tls_;
  const std::shared_ptr<Pool> pool_ = std::make_shared<Pool>(options_.max_idle_connections);
};

}  // namespace

Result<std::unique_ptr<Client>> Client::create(ClientOptions options) {
  Endpoint endpoint = ORCH_TRY(parse_endpoint(options.url));
  SslContext tls;
  if (endpoint.tls) tls = ORCH_TRY(make_client_context(options));
  return std::unique_ptr<Client>(
      std::make_unique<PooledClient>(std::move(options), std::move(endpoint), std::move(tls)));
}

}  // namespace orch::http
