// metrics_text: families and samples as lines of Prometheus' text format 0.0.4. PURE but for
// process metrics.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/histogram.h"

namespace orch::apiserver {

// name="value",other="value", with values escaped.
std::string labels(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs);

// The two lines before the first sample of a name.
void append_family(std::string* out, std::string_view name, std::string_view type,
                   std::string_view help);
// name{labels} value
void append_sample(std::string* out, std::string_view name, std::string_view labels, double value);
// A family of one sample without labels.
void append_single(std::string* out, std::string_view name, std::string_view type,
                   std::string_view help, double value);
// The samples of one histogram.
void append_histogram(std::string* out, const std::string& name, const std::string& labels,
                      const Histogram& histogram);

// CPU, memory, descriptors and start time of this process, from /proc. Blocking, quick.
void append_process_metrics(std::string* out);

}  // namespace orch::apiserver
