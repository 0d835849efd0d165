// metrics_page: the text of /metrics: requests, what is in flight, objects by resource, process.
#pragma once

#include <string>

#include "api/schema.h"
#include "server/apiserver/in_flight.h"
#include "server/apiserver/metrics.h"
#include "store/store.h"

namespace orch::apiserver {

inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

std::string render_metrics_page(const RequestMetrics& requests, const InFlight& in_flight,
                                const store::Store& store, const api::Schema& schema);

}  // namespace orch::apiserver
