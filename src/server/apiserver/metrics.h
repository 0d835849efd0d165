// metrics: what the server counts. Names and labels are kube-apiserver's, so that dashboards and
// alerts which know those work; the page is put together in metrics_page.h.
//
// Thread-safe. A request costs one look-up under a shared lock and a few atomic additions; a series
// is made when its first request comes, and their number is bounded: what comes beyond is served,
// not counted. No label is a client's to choose.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "api/schema.h"
#include "base/histogram.h"
#include "server/apiserver/in_flight.h"

namespace orch::apiserver {

inline constexpr size_t kMaxRequestSeries = 4096;

// What one request was, for its labels. Views; they live as long as the call.
struct RequestLabels {
  std::string_view verb;  // "GET", "LIST", "CONNECT"
  std::string_view group, version, resource, subresource;
  std::string_view scope;    // "resource", "namespace", "cluster"; "" of what is no resource.
  std::string_view dry_run;  // "All" or ""

  auto operator<=>(const RequestLabels&) const = default;
};

// How it was answered.
struct RequestOutcome {
  int code = 200;
  std::chrono::nanoseconds took{};
  size_t response_bytes = 0;
  bool long_running = false;  // Has no duration worth telling.
};

// How often each status code was answered; what is rare is counted together, as "other".
class CodeCounts {
 public:
  void add(int code);
  // A sample for each that was seen, `labels` and the code as its labels.
  void append(std::string* out, std::string_view name, const std::string& labels) const;

 private:
  static constexpr std::array<int, 20> kCodes = {101, 200, 201, 202, 400, 401, 403, 404, 405, 406,
                                                 409, 410, 413, 415, 422, 429, 500, 503, 504, 0};
  std::array<std::atomic<uint64_t>, kCodes.size()> counts_{};
};

class RequestMetrics {
 public:
  void count(const RequestLabels& labels, const RequestOutcome& outcome);
  // For as long as the place is held.
  InFlight::Place enter_long_running(const RequestLabels& labels);
  void render(std::string* out) const;

 private:
  static constexpr std::array<double, 25> kLimitsS = {
      0.0005, 0.001, 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1,  1.25, 1.5,
      2,      3,     4,     5,     6,    8,   10,  15,  20,  30,  45, 60};
  static constexpr std::array<double, 7> kSizeLimits = {1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
  struct Series {
    std::string verb, group, version, resource, subresource, scope, dry_run;
    CodeCounts codes;
    std::atomic<int> long_running{0};
    Histogram seconds{kLimitsS};
    std::unique_ptr<Histogram> sizes;  // Of what reads.

    RequestLabels labels() const {
      return {verb, group, version, resource, subresource, scope, dry_run};
    }
  };
  Series* series_of(const RequestLabels& labels);

  mutable std::shared_mutex mutex_;
  // Keyed by views into the series itself, which never moves.
  std::map<RequestLabels, std::unique_ptr<Series>> series_;
};

// Events told to watchers, by kind.
class WatchMetrics {
 public:
  // Lives as long as this.
  std::atomic<uint64_t>& of(const api::Resource& resource);
  void render(std::string* out) const;

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::unique_ptr<std::atomic<uint64_t>>> by_labels_;
};

// Everything that is counted while requests are served.
struct ServerMetrics {
  static constexpr std::array<double, 11> kStoreLimitsS = {
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5};

  RequestMetrics requests;
  WatchMetrics watches;
  std::atomic<uint64_t> authenticated{0}, not_authenticated{0};
  std::atomic<uint64_t> allowed{0}, denied{0};
  // From a write's way into the store until it is durable, or lost its race.
  Histogram store_creates{kStoreLimitsS}, store_updates{kStoreLimitsS},
      store_deletes{kStoreLimitsS};
  // Calls of the loops in this process, which need no HTTP: get, create, update, patch, delete.
  struct {
    CodeCounts get, post, put, patch, remove;
  } calls;
};

}  // namespace orch::apiserver
