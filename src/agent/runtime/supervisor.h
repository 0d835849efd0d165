// Supervisor: what a shim does all day. One thread, one poll loop over: SIGCHLD (signalfd), the
// listening socket, its connections, and the output of its containers. It is the parent of the
// containers, writes their logs, records their exits and answers these requests (one Record each,
// key "verb"):
//
//   subscribe            then: {event=exit, id, code, ...} at every exit, as long as we both live
//   start    id          runs the bundle c/<id>
//   kill     id signal
//   remove   id          kills if need be; answers when nothing is left
//   exec     id argv* tty in out err  + descriptors → {pid} (+ terminal), later {exit_code}
//   attach   id                       → {tty} + descriptors, later {exit_code}
//   reopen   id          its log
//
// The answer is a Record; one with "code" is a failure. A call of runc (some 30 ms) holds the loop
// up: the pipes of the other containers buffer meanwhile, and requests for one pod are in order.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/runtime/cgroup.h"
#include "agent/runtime/channel.h"
#include "agent/runtime/container_record.h"
#include "agent/runtime/cri_log.h"
#include "agent/runtime/faults.h"
#include "agent/runtime/paths.h"
#include "base/clock.h"
#include "base/fd.h"

namespace orch::runtime {

class Supervisor {
 public:
  Supervisor(PodPaths paths, SandboxConfig sandbox, Settings settings, Cgroups cgroups,
             Faults& faults, const Clock& clock);
  ~Supervisor();

  Result<void> listen();
  // Ends only when it cannot go on; the pod's end is a SIGKILL.
  Result<void> run();

 private:
  struct Container;
  struct Connection;

  Container* find(const std::string& id);

  // Children.
  void reap();
  void finish(Container& container, int wait_status);
  void remove_now(Container& container);

  // Output.
  void pump(Container& container, Stream stream, bool drain);
  void copy_to_attached(const Container& container, Stream stream, std::string_view bytes);

  // Requests.
  void accept_connection();
  void serve(Connection& connection);
  void hang_up(Connection& connection);
  Result<void> dispatch(Connection& connection, Message& message);
  Result<void> start(const std::string& id);
  Result<void> kill(const std::string& id, int signal);
  Result<void> remove(Connection& connection, const std::string& id);
  Result<void> exec(Connection& connection, Message& message);
  Result<void> attach(Connection& connection, const std::string& id);

  PodPaths paths_;
  SandboxConfig sandbox_;
  Settings settings_;
  Cgroups cgroups_;
  Faults& faults_;
  const Clock& clock_;
  UniqueFd signals_;
  UniqueFd listener_;
  std::vector<std::unique_ptr<Container>> containers_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace orch::runtime
