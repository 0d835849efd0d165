#include "server/apiserver/metrics_text.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <memory>

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

double open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), &::closedir);
  if (!folder) return 0;
  double count = -3;  // ".", ".." and the folder's own.
  while (::readdir(folder.get()) != nullptr) ++count;
  return count;
}

}  // namespace

std::string labels(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
  std::string text;
  for (const auto& [name, value] : pairs) {
    if (!text.empty()) text += ',';
    text.append(name).append("=\"");
    for (const char c : value) {
      if (c == '"' || c == '\\') text += '\\';
      if (c == '\n') {
        text += "\\n";
      } else {
        text += c;
      }
    }
    text += '"';
  }
  return text;
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

void append_single(std::string* out, std::string_view name, std::string_view type,
                   std::string_view help, double value) {
  append_family(out, name, type, help);
  append_sample(out, name, "", value);
}

void append_histogram(std::string* out, const std::string& name, const std::string& labels,
                      const Histogram& histogram) {
  const std::string comma = labels.empty() ? "" : ",";
  const auto limits = histogram.limits();
  uint64_t count = 0;
  for (size_t i = 0; i <= limits.size(); ++i) {
    count += histogram.count(i);
    const std::string limit = i < limits.size() ? number(limits[i]) : "+Inf";
    append_sample(out, name + "_bucket", labels + comma + "le=\"" + limit + "\"",
                  static_cast<double>(count));
  }
  append_sample(out, name + "_sum", labels, histogram.sum());
  append_sample(out, name + "_count", labels, static_cast<double>(count));
}

void append_process_metrics(std::string* out) {
  const std::string stat = read_file("/proc/self/stat", kMaxProcBytes).value_or("() ");
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  append_single(out, "process_cpu_seconds_total", "counter", "User and system CPU time spent.",
                (stat_field(stat, 14) + stat_field(stat, 15)) / ticks);
  append_single(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                stat_field(stat, 24) * static_cast<double>(getpagesize()));
  append_single(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
                stat_field(stat, 23));
  append_single(out, "process_start_time_seconds", "gauge", "Start of the process since the epoch.",
                boot_time_s() + stat_field(stat, 22) / ticks);
  append_single(out, "process_open_fds", "gauge", "Open file descriptors.", open_descriptors());
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  append_single(out, "process_max_fds", "gauge", "File descriptors that may be open.",
                static_cast<double>(limit.rlim_cur));
}

}  // namespace orch::apiserver
