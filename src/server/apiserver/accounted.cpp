#include "server/apiserver/accounted.h"

namespace orch::apiserver {
namespace {

// What lasts as long as somebody holds a stream or an upgraded connection.
struct LongRunning {
  InFlight::Place place;
  std::shared_ptr<AuditEntry> audit;

  ~LongRunning() {
    if (audit) audit->ended();
  }
};

class CountedStream : public http::Stream {
 public:
  CountedStream(std::shared_ptr<http::Stream> inner, InFlight::Place place,
                std::shared_ptr<AuditEntry> audit)
      : inner_(std::move(inner)), counted_{std::move(place), std::move(audit)} {}
  bool write(http::Body piece) override { return inner_->write(std::move(piece)); }
  size_t backlog() const override { return inner_->backlog(); }
  bool wait_for_backlog(size_t bytes) override { return inner_->wait_for_backlog(bytes); }
  void close() override { inner_->close(); }
  void abort() override { inner_->abort(); }

 private:
  const std::shared_ptr<http::Stream> inner_;
  const LongRunning counted_;
};

bool is_connect(std::string_view subresource) {
  return subresource == "exec" || subresource == "attach" || subresource == "portforward" ||
         subresource == "proxy";
}

// As kube-apiserver spells them: HTTP's methods, and what a GET may mean besides.
std::string_view verb_label(const Target& target, std::string_view method) {
  if (!target.resource) return method == "GET" ? "GET" : method == "HEAD" ? "HEAD" : "OTHER";
  if (is_connect(target.subresource_name())) return "CONNECT";
  switch (target.verb) {
    case Verb::get:
      return "GET";
    case Verb::list:
      return "LIST";
    case Verb::watch:
      return "WATCH";
    case Verb::create:
      return "POST";
    case Verb::update:
      return "PUT";
    case Verb::patch:
      return "PATCH";
    case Verb::remove:
      return "DELETE";
    case Verb::remove_collection:
      return "DELETECOLLECTION";
  }
  return "OTHER";
}

}  // namespace

bool is_long_running(const Target& target) {
  if (!target.resource) return false;
  if (is_connect(target.subresource_name())) return true;
  if (target.subresource_name() == "log") return true;
  return target.verb == Verb::watch;
}

bool is_mutating(std::string_view method) { return method != "GET" && method != "HEAD"; }

void AccountedExchange::set_target(const Target& target) {
  verb_ = verb_label(target, request().method);
  if (!target.resource) return;
  group_ = target.resource->group;
  version_ = target.resource->version;
  resource_ = target.resource->plural;
  subresource_ = target.subresource_name();
  const bool one = !target.name.empty() || target.verb == Verb::create;
  scope_ = one ? "resource" : target.ns.empty() ? "cluster" : "namespace";
  if (target.query.get("dryRun") == "All") dry_run_ = "All";
}

RequestLabels AccountedExchange::labels() const {
  return {verb_, group_, version_, resource_, subresource_, scope_, dry_run_};
}

void AccountedExchange::settle(int code, size_t bytes, bool long_running) {
  metrics_.count(labels(), {code, clock_.monotonic() - began_, bytes, long_running});
  place_ = {};
}

void AccountedExchange::start_audit(http::Response* head) {
  if (!audit_) return;
  head->headers.set("Audit-Id", audit_->id());
  audit_->started(head->status);
}

void AccountedExchange::send(http::Response response) {
  if (audit_) {
    response.headers.set("Audit-Id", audit_->id());
    audit_->completed(request(), response);
  }
  settle(response.status, response.body.size(), false);
  inner_->send(std::move(response));
}

std::shared_ptr<http::Stream> AccountedExchange::start_stream(http::Response head,
                                                              size_t backlog_limit_bytes,
                                                              std::function<void()> on_closed) {
  start_audit(&head);
  settle(head.status, 0, true);
  return std::make_shared<CountedStream>(
      inner_->start_stream(std::move(head), backlog_limit_bytes, std::move(on_closed)),
      metrics_.enter_long_running(labels()), audit_);
}

void AccountedExchange::upgrade(http::Response head,
                                std::function<void(std::unique_ptr<http::Duplex>)> run) {
  start_audit(&head);
  settle(head.status, 0, true);
  const std::shared_ptr<LongRunning> counted(
      new LongRunning{metrics_.enter_long_running(labels()), audit_});
  inner_->upgrade(std::move(head),
                  [counted, run = std::move(run)](std::unique_ptr<http::Duplex> duplex) {
                    run(std::move(duplex));
                  });
}

}  // namespace orch::apiserver
