// metrics: what the server counts, and the text of /metrics (Prometheus text format 0.0.4). Names
// and labels are kube-apiserver's, so that dashboards which know those work.
//
// Thread-safe. A request costs one look-up under a shared lock and three atomic additions; a series
// is made when its first request comes, and their number is bounded.
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

namespace orch::apiserver {

inline constexpr size_t kMaxRequestSeries = 4096;

// What one request was, for its labels. Views; they live as long as the call.
struct RequestLabels {
  std::string_view verb;  // "GET", "LIST", "CONNECT"
  std::string_view group, version, resource, subresource;

  auto operator<=>(const RequestLabels&) const = default;
};

class RequestMetrics {
 public:
  // One request was answered so. Long-running ones have no duration worth telling.
  void count(const RequestLabels& labels, int code, std::chrono::nanoseconds took,
             bool long_running);
  void render(std::string* out) const;

 private:
  static constexpr std::array<int, 20> kCodes = {101, 200, 201, 202, 400, 401, 403, 404, 405, 406,
                                                 409, 410, 413, 415, 422, 429, 500, 503, 504, 0};
  static constexpr std::array<double, 9> kBucketsS = {0.0005, 0.001, 0.0025, 0.005, 0.025,
                                                      0.1,    0.5,   2.5,    10};
  struct Series {
    std::string verb, group, version, resource, subresource;
    std::array<std::atomic<uint64_t>, kCodes.size()> codes{};
    std::array<std::atomic<uint64_t>, kBucketsS.size() + 1> buckets{};
    std::atomic<uint64_t> sum_us{0};

    RequestLabels labels() const { return {verb, group, version, resource, subresource}; }
  };
  Series* series_of(const RequestLabels& labels);

  mutable std::shared_mutex mutex_;
  // Keyed by views into the series itself, which never moves.
  std::map<RequestLabels, std::unique_ptr<Series>> series_;
};

// name{labels} value, and the two lines before the first of a name.
void append_family(std::string* out, std::string_view name, std::string_view type,
                   std::string_view help);
void append_sample(std::string* out, std::string_view name, std::string_view labels, double value);

// CPU, memory and start time of this process, from /proc. Blocking, quick.
void append_process_metrics(std::string* out);

}  // namespace orch::apiserver
