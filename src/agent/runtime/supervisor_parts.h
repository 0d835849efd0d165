// The two things that a Supervisor keeps lists of. Included by its two .cpp files only.
#pragma once

#include "agent/runtime/supervisor.h"

namespace orch::runtime {

struct Supervisor::Container {
  Container(std::string an_id, CriLog a_log) : id(std::move(an_id)), log(std::move(a_log)) {}

  std::string id;
  pid_t pid = 0;
  CriLog log;
  UniqueFd out;  // Read ends, non-blocking; with a tty, out is the pty's master.
  UniqueFd err;
  UniqueFd in;  // Write end, with stdin_open.
  bool tty = false;
  bool stdin_once = false;
  bool removing = false;  // Somebody waits for it to go.
  bool removed = false;   // Erased at the end of this round.
  std::optional<Exit> exit;
};

struct Supervisor::Connection {
  UniqueFd fd;
  bool subscribed = false;
  pid_t pid = 0;                  // exec: the program, until it is reaped.
  std::string attached_to;        // attach: the container, until it exits.
  std::string awaits_removal_of;  // remove: the container, until it is gone.
  UniqueFd out;                   // attach: write ends of the copies, non-blocking.
  UniqueFd err;

  void detach() {
    attached_to.clear();
    out.reset();
    err.reset();
  }
};

}  // namespace orch::runtime
