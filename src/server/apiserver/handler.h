// handler: the way of one request through the API server, each step once:
// route → authenticate → admit by load → authorize → read, watch, write, stream or review.
// Called on the HTTP server's I/O threads; waits for nothing.
#pragma once

#include <memory>
#include <string>

#include "api/schema.h"
#include "http/http.h"
#include "server/apiserver/accounted.h"
#include "server/apiserver/authenticate.h"
#include "server/apiserver/authorize.h"
#include "server/apiserver/cluster_routes.h"
#include "server/apiserver/fresh.h"
#include "server/apiserver/health.h"
#include "server/apiserver/join.h"
#include "server/apiserver/metrics_page.h"
#include "server/apiserver/openapi_documents.h"
#include "server/apiserver/reader.h"
#include "server/apiserver/registry.h"
#include "server/apiserver/streams.h"
#include "server/apiserver/watch.h"

namespace orch::apiserver {

class Handler {
 public:
  struct Parts {
    const api::Schema& schema;
    Clock& clock;
    const Authenticator& authenticator;
    const Authorizer& authorizer;
    const rbac::Policy& policy;
    const Reader& reader;
    WatchServer& watches;
    Registry& registry;
    Fresh& fresh;
    const Tokens& tokens;
    Streams& streams;
    const Join& join;
    ClusterRoutes& servers;
    TaskPool& slow;             // For what must wait: collections that are deleted one by one.
    const Health& health;       // What /readyz says.
    const store::Store& store;  // Counted by /metrics.
    Audit* audit = nullptr;     // Null: none.
    InFlight::Limits in_flight;
    ServerMetrics& metrics;
    const MetricSources& more_metrics;
    std::string server_address;
    std::string token_keys;               // With which tokens are checked, as JSON Web Keys.
    std::vector<std::string> components;  // What ComponentStatus tells of.
  };
  explicit Handler(Parts parts)
      : parts_(std::move(parts)),
        openapi_(parts_.schema, parts_.clock),
        in_flight_(parts_.in_flight) {}

  void handle(const std::shared_ptr<http::Exchange>& exchange);

 private:
  using ExchangePtr = std::shared_ptr<http::Exchange>;

  // Each answers the exchange, now or later; a Status means that it was not answered yet.
  void answer(const std::shared_ptr<AccountedExchange>& exchange, bool again);
  Result<void> serve(const std::shared_ptr<AccountedExchange>& exchange, bool again);
  Result<void> serve_join(const ExchangePtr& exchange);
  Result<void> serve_servers(const std::shared_ptr<AccountedExchange>& exchange,
                             const Target& target);
  Result<http::Response> serve_path(const http::Request& request, const Target& target) const;
  Result<void> serve_resource(const std::shared_ptr<AccountedExchange>& exchange,
                              const Target& target, User user);
  // Answers now when nothing newer than what is here is asked for, else when it is here.
  Result<void> serve_read(const ExchangePtr& exchange, const Target& target,
                          const Presentation& form);
  Result<void> serve_read_now(const ExchangePtr& exchange, const Target& target,
                              const ReadOptions& options, const Presentation& form);
  // Runs `work` when the state isn't stale (fresh.h), and sends its Status if it gives one.
  void when_fresh(const ExchangePtr& exchange, std::function<Result<void>()> work);
  Result<void> serve_write(const std::shared_ptr<AccountedExchange>& exchange, const Target& target,
                           User user, const Presentation& form);
  Result<void> serve_review(const ExchangePtr& exchange, const Target& target, const User& user,
                            const Media& media);
  Result<void> serve_remove_collection(const ExchangePtr& exchange, const WriteRequest& request,
                                       const Target& target, const Media& media);
  Result<void> remove_collection(const WriteRequest& request, const Target& target,
                                 const ReadOptions& options);
  Result<WriteRequest> read_write_request(const http::Request& http, const Target& target,
                                          User user) const;
  http::Response present_scale(int code, const api::Value& scale, const Presentation& form) const;
  http::Response render(const Target& target, WriteReply reply, const Presentation& form) const;

  Parts parts_;
  const OpenApiDocuments openapi_;
  InFlight in_flight_;
};

}  // namespace orch::apiserver
