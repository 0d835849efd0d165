// AccountedExchange: an exchange whose answer is counted and, where a policy says so, audited. It
// holds the request's place in flight until the answer is given, whenever and on whichever thread
// that is; a stream or an upgraded connection counts as long-running until it is let go.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "http/http.h"
#include "server/apiserver/audit_entry.h"
#include "server/apiserver/in_flight.h"
#include "server/apiserver/metrics.h"
#include "server/apiserver/route.h"

namespace orch::apiserver {

class AccountedExchange : public http::Exchange {
 public:
  AccountedExchange(std::shared_ptr<http::Exchange> inner, RequestMetrics& metrics,
                    const Clock& clock)
      : inner_(std::move(inner)), metrics_(metrics), clock_(clock), began_(clock.monotonic()) {}

  // What the request turned out to be; before it is answered, once.
  void set_target(const Target& target);
  void set_place(InFlight::Place place) { place_ = std::move(place); }
  void set_audit(std::shared_ptr<AuditEntry> audit) { audit_ = std::move(audit); }
  AuditEntry* audit() const { return audit_.get(); }  // Null: nobody wants to know.

  const http::Request& request() const override { return inner_->request(); }
  void send(http::Response response) override;
  std::shared_ptr<http::Stream> start_stream(http::Response head, size_t backlog_limit_bytes,
                                             std::function<void()> on_closed) override;
  void upgrade(http::Response head,
               std::function<void(std::unique_ptr<http::Duplex>)> run) override;

 private:
  RequestLabels labels() const;
  void settle(int code, size_t bytes, bool long_running);
  void start_audit(http::Response* head);

  const std::shared_ptr<http::Exchange> inner_;
  RequestMetrics& metrics_;
  const Clock& clock_;
  const MonoTime began_;
  InFlight::Place place_;
  std::shared_ptr<AuditEntry> audit_;
  std::string_view verb_ = "OTHER", scope_, dry_run_;
  // Copies: a custom resource may go while its request is under way. Short, so no allocation.
  std::string group_, version_, resource_, subresource_;
};

// Requests that go on until somebody ends them.
bool is_long_running(const Target& target);
bool is_mutating(std::string_view method);

}  // namespace orch::apiserver
