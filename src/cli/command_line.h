// Reads argv, the environment and the configuration file into a Command. CLI11 stays behind this.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "cli/options.h"

namespace orch::cli {

struct Parsed {
  std::optional<Command> command;
  int exit_code = 0;  // When there is no command: help was printed (0), or what was wrong (2).
};

// Prints help to stdout and errors to stderr. REQUIRES: argv as main got it.
Parsed parse_command_line(int argc, char** argv);

}  // namespace orch::cli
