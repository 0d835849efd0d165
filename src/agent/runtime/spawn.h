// Starting a program with posix_spawn (vfork inside): it costs the same from a large process.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace orch::runtime {

struct SpawnRequest {
  std::vector<std::string> argv;
  std::string executable;  // "" = argv[0]; no PATH search.
  std::string cwd;         // "" = ours.
  int in = -1;             // -1 = /dev/null.
  int out = -1;
  int err = -1;
  int third = -1;  // Becomes descriptor 3; -1 = none.
};

// Signal mask empty, SIGPIPE default, our environment; every other descriptor stays behind.
Result<pid_t> spawn(const SpawnRequest& request);

// Waits for our child `pid`. The exit code, 128+signal when killed.
int wait_for(pid_t pid);
int exit_code_of(int wait_status);

}  // namespace orch::runtime
