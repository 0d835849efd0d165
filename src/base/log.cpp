#include "base/log.h"

#include <unistd.h>

#include "base/clock.h"

namespace orch::log {

namespace {

std::atomic<Level> g_level{Level::info};

void write_line(Level level, std::string_view room, std::string_view message) {
  if (!enabled(level)) return;
  std::string line = format_micro_time(system_clock().now());
  line.append({' ', "DIWE"[static_cast<int>(level)], ' '});
  line.append(room).append(": ").append(message);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';  // One event stays one line.
  line += '\n';
  // One write call a line, so that lines of several threads do not mix. Nowhere to report failure.
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void set_level(Level level) { g_level = level; }
bool enabled(Level level) { return level >= g_level.load(std::memory_order_relaxed); }

bool parse_level(std::string_view name, Level* out) {
  if (name == "debug")
    *out = Level::debug;
  else if (name == "info")
    *out = Level::info;
  else if (name == "warn" || name == "warning")
    *out = Level::warning;
  else if (name == "error")
    *out = Level::error;
  else
    return false;
  return true;
}

void debug(std::string_view room, std::string_view m) { write_line(Level::debug, room, m); }
void info(std::string_view room, std::string_view m) { write_line(Level::info, room, m); }
void warning(std::string_view room, std::string_view m) { write_line(Level::warning, room, m); }
void error(std::string_view room, std::string_view m) { write_line(Level::error, room, m); }

}  // namespace orch::log
