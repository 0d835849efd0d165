// log: one line an event, to stderr, where systemd's journal takes it: "I store: opened rev=17".
// Messages are for the operator; secrets, tokens and object bodies never go in. Thread-safe.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

namespace orch::log {

enum class Level : int { debug = 0, info = 1, warning = 2, error = 3 };

void set_level(Level level);
// "debug", "info", "warn"/"warning", "error"; false when `name` is none of these.
bool parse_level(std::string_view name, Level* out);
bool enabled(Level level);

// `room` is the speaking part ("store", "agent"); it comes first, to be grepped for.
void debug(std::string_view room, std::string_view message);
void info(std::string_view room, std::string_view message);
void warning(std::string_view room, std::string_view message);
void error(std::string_view room, std::string_view message);

}  // namespace orch::log
