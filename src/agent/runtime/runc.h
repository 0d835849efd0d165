// runc: how the shim calls it. `runc create` makes everything and leaves the container's first
// process waiting at a fifo; we open that ourselves instead of running `runc start`. The first
// process outlives runc and becomes the child of the nearest subreaper: the shim.
#pragma once

#include <sys/types.h>

#include <string>

#include "agent/runtime/container_record.h"
#include "agent/runtime/faults.h"
#include "agent/runtime/paths.h"
#include "base/fd.h"
#include "base/result.h"

namespace orch::runtime {

// What the container's first process gets as 0, 1, 2. Unused with a tty.
struct ChildStreams {
  int in = -1;  // -1 = /dev/null
  int out = -1;
  int err = -1;
};

struct Launched {
  pid_t pid = 0;
  UniqueFd terminal;  // The pty's master, with a tty.
};

// The bundle is written. A failure of runc is a 400 "StartError" in runc's words; what is left then
// is for demolish_container().
Result<Launched> run_runc(const Settings& settings, const PodPaths& paths, const std::string& id,
                          bool tty, const ChildStreams& streams, Faults& faults);

// Pure: the message of the last error line of runc's JSON log; "" when there is none.
std::string plan_runc_error(std::string_view log);

}  // namespace orch::runtime
