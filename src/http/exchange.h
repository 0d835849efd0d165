// ServerExchange: the Exchange that the server hands to its Handler. It points at its connection
// weakly: an answer to a connection that ended goes nowhere.
#pragma once

#include <atomic>
#include <memory>

#include "http/connection.h"
#include "http/http.h"

namespace orch::http {

class ServerExchange : public Exchange {
 public:
  ServerExchange(std::weak_ptr<Connection> connection, std::shared_ptr<Loop> loop, Request request,
                 bool http10)
      : connection_(std::move(connection)),
        loop_(std::move(loop)),
        request_(std::move(request)),
        http10_(http10) {}
  ~ServerExchange() override;  // Answers 500 when nobody did.

  const Request& request() const override { return request_; }
  void send(Response response) override;
  std::shared_ptr<Stream> start_stream(Response head, size_t backlog_limit_bytes,
                                       std::function<void()> on_closed) override;
  void upgrade(Response head, Upgrades::Run run) override;

 private:
  void claim_answer();

  const std::weak_ptr<Connection> connection_;
  const std::shared_ptr<Loop> loop_;
  const Request request_;
  const bool http10_;
  std::atomic<bool> answered_{false};
};

}  // namespace orch::http
