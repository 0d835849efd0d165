#include "server/apiserver/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <mutex>

#include "base/files.h"
#include "base/strings.h"

namespace orch::apiserver {
namespace {

constexpr size_t kMaxProcBytes = 64u << 10;

std::string number(double value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr;
  return {text, end};
}

std::string label_text(const RequestLabels& labels) {
  const auto one = [](std::string_view name, std::string_view value) {
    return std::string(name) + "=\"" + std::string(value) + "\"";
  };
  return one("verb", labels.verb) + "," + one("group", labels.group) + "," +
         one("version", labels.version) + "," + one("resource", labels.resource) + "," +
         one("subresource", labels.subresource);
}

// A field of /proc/self/stat by its number in proc(5); those behind the name, which may hold
// blanks.
double stat_field(std::string_view stat, size_t wanted) {
  const auto fields = split(stat.substr(stat.rfind(')') + 2), ' ');
  const size_t at = wanted - 3;
  return at < fields.size() ? parse_double(trim(fields[at])).value_or(0) : 0;
}

double boot_time_s() {
  const std::string stat = read_file("/proc/stat", kMaxProcBytes).value_or("");
  const size_t at = stat.find("\nbtime ");
  if (at == stat.npos) return 0;
  const size_t begin = at + 7;
  return parse_double(std::string_view(stat).substr(begin, stat.find('\n', begin) - begin))
      .value_or(0);
}

}  // namespace

void RequestMetrics::count(const RequestLabels& labels, int code, std::chrono::nanoseconds took,
                           bool long_running) {
  Series* const series = series_of(labels);
  if (!series) return;
  const auto known = std::find(kCodes.begin(), kCodes.end() - 1, code);
  const auto code_at = static_cast<size_t>(known - kCodes.begin());
  series->codes[code_at].fetch_add(1, std::memory_order_relaxed);
  if (long_running) return;
  const double seconds = std::chrono::duration<double>(took).count();
  const auto bucket = std::lower_bound(kBucketsS.begin(), kBucketsS.end(), seconds);
  const auto bucket_at = static_cast<size_t>(bucket - kBucketsS.begin());
  series->buckets[bucket_at].fetch_add(1, std::memory_order_relaxed);
  series->sum_us.fetch_add(static_cast<uint64_t>(took / std::chrono::microseconds(1)),
                           std::memory_order_relaxed);
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
  Series* const series = made.get();
  series_.emplace(series->labels(), std::move(made));
  return series;
}

void RequestMetrics::render(std::string* out) const {
  const std::shared_lock lock(mutex_);
  constexpr std::string_view kTotal = "apiserver_request_total";
  append_family(out, kTotal, "counter", "Requests by what was asked and how it was answered.");
  for (const auto& [labels, series] : series_) {
    for (size_t i = 0; i < kCodes.size(); ++i) {
      const uint64_t n = series->codes[i].load(std::memory_order_relaxed);
      if (n == 0) continue;
      const std::string code = kCodes[i] ? std::to_string(kCodes[i]) : "other";
      append_sample(out, kTotal, label_text(labels) + ",code=\"" + code + "\"",
                    static_cast<double>(n));
    }
  }
  const std::string duration = "apiserver_request_duration_seconds";
  append_family(out, duration, "histogram", "Time from a request to its answer.");
  for (const auto& [labels, series] : series_) {
    const std::string text = label_text(labels);
    uint64_t sum = 0;
    for (size_t i = 0; i < series->buckets.size(); ++i) {
      sum += series->buckets[i].load(std::memory_order_relaxed);
      const std::string limit = i < kBucketsS.size() ? number(kBucketsS[i]) : "+Inf";
      append_sample(out, duration + "_bucket", text + ",le=\"" + limit + "\"",
                    static_cast<double>(sum));
    }
    const auto sum_us = static_cast<double>(series->sum_us.load(std::memory_order_relaxed));
    append_sample(out, duration + "_sum", text, sum_us / 1e6);
    append_sample(out, duration + "_count", text, static_cast<double>(sum));
  }
}

void append_family(std::string* out, std::string_view name, std::string_view type,
                   std::string_view help) {
  out->append("# HELP ").append(name).append(" ").append(help);
  out->append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void append_sample(std::string* out, std::string_view name, std::string_view labels, double value) {
  out->append(name);
  if (!labels.empty()) out->append("{").append(labels).append("}");
  out->append(" ").append(number(value)).append("\n");
}

void append_process_metrics(std::string* out) {
  const std::string stat = read_file("/proc/self/stat", kMaxProcBytes).value_or("() ");
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  constexpr std::string_view kCpu = "process_cpu_seconds_total",
                             kMemory = "process_resident_memory_bytes",
                             kStart = "process_start_time_seconds";
  append_family(out, kCpu, "counter", "User and system CPU time spent.");
  append_sample(out, kCpu, "", (stat_field(stat, 14) + stat_field(stat, 15)) / ticks);
  append_family(out, kMemory, "gauge", "Resident memory.");
  append_sample(out, kMemory, "", stat_field(stat, 24) * static_cast<double>(getpagesize()));
  append_family(out, kStart, "gauge", "Start of the process since the epoch.");
  append_sample(out, kStart, "", boot_time_s() + stat_field(stat, 22) / ticks);
}

}  // namespace orch::apiserver
