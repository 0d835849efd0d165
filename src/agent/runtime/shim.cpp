#include "agent/runtime/shim.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "agent/runtime/channel.h"
#include "agent/runtime/sandbox.h"
#include "agent/runtime/supervisor.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"

namespace orch::runtime {

namespace {

constexpr int kReadyFd = 3;
constexpr const char* kOomScoreAdj = "-998";  // As a kubelet gives the pause process.

struct Arguments {
  std::string folder;
  int fail_at = 0;
};

Result<Arguments> parse_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--dir") {
      arguments.folder = argv[i + 1];
    } else if (name == "--fail-at") {
      arguments.fail_at = static_cast<int>(parse_int(argv[i + 1]).value_or(0));
    } else {
      return bad_request("shim: unknown option " + std::string(name));
    }
  }
  if (arguments.folder.empty()) return bad_request("shim: --dir is missing");
  return arguments;
}

// Away from the agent: its child is gone at once, we belong to init and lead our own session.
void leave_parent() {
  const pid_t pid = ::fork();
  if (pid > 0) ::_exit(0);
  ::setsid();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ::prctl(PR_SET_NAME, "orch-shim", 0, 0, 0);
  // The kernel's last choice for a victim, where we may ask for that.
  const UniqueFd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (score) (void)!::write(score.get(), kOomScoreAdj, std::strlen(kOomScoreAdj));
}

Result<void> serve(const Arguments& arguments, Faults& faults, UniqueFd* ready) {
  const PodPaths paths(arguments.folder);
  const SandboxConfig sandbox = ORCH_TRY(read_sandbox(paths));
  const Settings settings = ORCH_TRY(read_settings(paths));
  const Cgroups cgroups = ORCH_TRY(Cgroups::detect());
  pid_t pause = 0;  // Reaped like any other child; its death ends the containers that share it.
  ORCH_TRY(enter_sandbox(sandbox, paths, cgroups, faults, &pause));
  Supervisor supervisor(paths, sandbox, settings, cgroups, faults, system_clock());
  ORCH_TRY(supervisor.listen());
  ORCH_TRY(faults.step("report ready"));
  ORCH_TRY(write_all(ready->get(), success_record().render()));
  ready->reset();
  return supervisor.run();
}

}  // namespace

int run_shim(int argc, char** argv) {
  ::close_range(kReadyFd + 1, ~0u, 0);
  ::fcntl(kReadyFd, F_SETFD, FD_CLOEXEC);
  const Result<Arguments> arguments = parse_arguments(argc, argv);
  if (!arguments) {
    log::error("shim", arguments.status().message);
    return 2;
  }
  leave_parent();
  Faults faults(arguments->fail_at);
  UniqueFd ready(kReadyFd);
  const Result<void> served = serve(*arguments, faults, &ready);
  if (served) return 0;
  log::error("shim", served.status().message);
  if (ready) (void)write_all(ready.get(), failure_record(served.status()).render());
  return 1;
}

}  // namespace orch::runtime
