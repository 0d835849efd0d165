#include "agent/pods/metrics_text.h"

#include <array>
#include <cstdio>

namespace orch::pods {
namespace {

int64_t unix_ms(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

MetricsText::MetricsText(std::optional<WallTime> now, std::string help_prefix)
    : time_(now ? " " + std::to_string(unix_ms(*now)) : ""), help_prefix_(std::move(help_prefix)) {}

void MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += "# HELP " + name_ + " " + help_prefix_ + std::string(help) + "\n# TYPE " + name_ + " " +
           std::string(type) + "\n";
}

void MetricsText::sample(const std::string& labels, double value) {
  std::array<char, 40> number{};
  std::snprintf(number.data(), number.size(), "%.15g", value);
  text_ += name_ + (labels.empty() ? "" : "{" + labels + "}") + " " + number.data() + time_ + "\n";
}

std::string label(std::string_view name, std::string_view value) {
  std::string text = std::string(name) + "=\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    text += c == '\n' ? ' ' : c;
  }
  return text + "\"";
}

}  // namespace orch::pods
