// metrics_page: the text of /metrics: what is counted here, and what other rooms of this process
// add of theirs (loops, the scheduler).
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "api/schema.h"
#include "server/apiserver/audit_entry.h"
#include "server/apiserver/in_flight.h"
#include "server/apiserver/metrics.h"
#include "store/store.h"

namespace orch::apiserver {

inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

// Who else has something to tell. Thread-safe.
class MetricSources {
 public:
  using Append = std::function<void(std::string* out)>;

  // A source is asked until its handle is let go, and not while that returns. It may outlive this.
  std::shared_ptr<void> add(Append append);
  void render(std::string* out) const;

 private:
  struct State {
    std::mutex mutex;
    std::list<Append> sources;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

struct MetricParts {
  const ServerMetrics& server;
  const InFlight& in_flight;
  const store::Store& store;
  const api::Schema& schema;
  const Audit* audit = nullptr;
  const MetricSources& others;
};
std::string render_metrics_page(const MetricParts& parts);

}  // namespace orch::apiserver
