#include "server/apiserver/metrics.h"

#include <algorithm>
#include <mutex>

#include "server/apiserver/metrics_text.h"

namespace orch::apiserver {
namespace {

std::string label_text(const RequestLabels& of, bool with_dry_run) {
  std::string text = labels({{"verb", of.verb},
                             {"group", of.group},
                             {"version", of.version},
                             {"resource", of.resource},
                             {"subresource", of.subresource},
                             {"scope", of.scope},
                             {"component", "apiserver"}});
  if (with_dry_run) text += "," + labels({{"dry_run", of.dry_run}});
  return text;
}

}  // namespace

void CodeCounts::add(int code) {
  const auto known = std::find(kCodes.begin(), kCodes.end() - 1, code);
  counts_[static_cast<size_t>(known - kCodes.begin())].fetch_add(1, std::memory_order_relaxed);
}

void CodeCounts::append(std::string* out, std::string_view name,
                        const std::string& with_labels) const {
  for (size_t i = 0; i < kCodes.size(); ++i) {
    const uint64_t n = counts_[i].load(std::memory_order_relaxed);
    if (n == 0) continue;
    const std::string code = kCodes[i] ? std::to_string(kCodes[i]) : "other";
    append_sample(out, name, with_labels + "," + labels({{"code", code}}), static_cast<double>(n));
  }
}

void RequestMetrics::count(const RequestLabels& labels, const RequestOutcome& outcome) {
  Series* const series = series_of(labels);
  if (!series) return;
  series->codes.add(outcome.code);
  if (outcome.long_running) return;
  series->seconds.add(std::chrono::duration<double>(outcome.took).count());
  if (series->sizes) series->sizes->add(static_cast<double>(outcome.response_bytes));
}

InFlight::Place RequestMetrics::enter_long_running(const RequestLabels& labels) {
  Series* const series = series_of(labels);
  if (!series) return {};
  series->long_running.fetch_add(1, std::memory_order_relaxed);
  return InFlight::Place(&series->long_running);
}

RequestMetrics::Series* RequestMetrics::series_of(const RequestLabels& labels) {
  {
    const std::shared_lock lock(mutex_);
    if (const auto at = series_.find(labels); at != series_.end()) return at->second.get();
  }
  const std::unique_lock lock(mutex_);
  if (const auto at = series_.find(labels); at != series_.end()) return at->second.get();
  if (series_.size() == kMaxRequestSeries) return nullptr;
  auto made = std::make_unique<Series>();
  made->verb = labels.verb;
  made->group = labels.group;
  made->version = labels.version;
  made->resource = labels.resource;
  made->subresource = labels.subresource;
  made->scope = labels.scope;
  made->dry_run = labels.dry_run;
  if (labels.verb == "GET" || labels.verb == "LIST") {
    made->sizes = std::make_unique<Histogram>(kSizeLimits);
  }
  Series* const series = made.get();
  series_.emplace(series->labels(), std::move(made));
  return series;
}

void RequestMetrics::render(std::string* out) const {
  const std::shared_lock lock(mutex_);
  constexpr std::string_view kTotal = "apiserver_request_total";
  append_family(out, kTotal, "counter", "Requests by what was asked and how it was answered.");
  for (const auto& [key, series] : series_) {
    series->codes.append(out, kTotal, label_text(key, true));
  }
  const std::string duration = "apiserver_request_duration_seconds";
  append_family(out, duration, "histogram", "Time from a request to its answer.");
  for (const auto& [key, series] : series_) {
    append_histogram(out, duration, label_text(key, true), series->seconds);
  }
  const std::string sizes = "apiserver_response_sizes";
  append_family(out, sizes, "histogram", "Bytes of an answer before they are encrypted.");
  for (const auto& [key, series] : series_) {
    if (series->sizes) append_histogram(out, sizes, label_text(key, false), *series->sizes);
  }
  constexpr std::string_view kLong = "apiserver_longrunning_requests";
  append_family(out, kLong, "gauge", "Watches, logs and upgraded connections that go on.");
  for (const auto& [key, series] : series_) {
    const int n = series->long_running.load(std::memory_order_relaxed);
    if (n > 0) append_sample(out, kLong, label_text(key, false), n);
  }
}

std::atomic<uint64_t>& WatchMetrics::of(const api::Resource& resource) {
  const std::string key =
      labels({{"group", resource.group}, {"version", resource.version}, {"kind", resource.kind}});
  {
    const std::shared_lock lock(mutex_);
    if (const auto at = by_labels_.find(key); at != by_labels_.end()) return *at->second;
  }
  const std::unique_lock lock(mutex_);
  auto& counter = by_labels_[key];
  if (!counter) counter = std::make_unique<std::atomic<uint64_t>>(0);
  return *counter;
}

void WatchMetrics::render(std::string* out) const {
  constexpr std::string_view kEvents = "apiserver_watch_events_total";
  append_family(out, kEvents, "counter", "Events told to watchers.");
  const std::shared_lock lock(mutex_);
  for (const auto& [key, counter] : by_labels_) {
    append_sample(out, kEvents, key, static_cast<double>(counter->load()));
  }
}

}  // namespace orch::apiserver
