#include "agent/runtime/runc.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/runtime/channel.h"
#include "agent/runtime/spawn.h"
#include "api/json.h"
#include "base/files.h"
#include "base/strings.h"

namespace orch::runtime {

namespace {

constexpr size_t kMaxRuncLogBytes = 1u << 20;

Status start_error(std::string message) {
  Status status = bad_request(std::move(message));
  status.reason = "StartError";
  return status;
}

Status start_error(const std::string& log_file, const std::string& verb, int exit_code) {
  const Result<std::string> log = read_file(log_file, kMaxRuncLogBytes);
  std::string message = log ? plan_runc_error(*log) : "";
  if (message.empty())
    message = "runc " + verb + " failed with exit code " + std::to_string(exit_code);
  return start_error(std::move(message));
}

Result<void> run(const Settings& settings, const std::string& bundle,
                 std::vector<std::string> arguments, const ChildStreams& streams) {
  const std::string log = bundle + "/runc.log";
  SpawnRequest request;
  request.argv = {settings.runc,  "--root", settings.runc_root, "--log", log,
                  "--log-format", "json"};
  const std::string verb = arguments.front();
  request.argv.insert(request.argv.end(), std::make_move_iterator(arguments.begin()),
                      std::make_move_iterator(arguments.end()));
  request.cwd = bundle;
  request.in = streams.in;
  request.out = streams.out;
  request.err = streams.err;
  const int exit_code = wait_for(ORCH_TRY(spawn(request)));
  if (exit_code != 0) return start_error(log, verb, exit_code);
  return {};
}

// What `runc start` does, without the 10 ms and more that its process takes: the container's first
// process waits in its exec.fifo for a reader, and becomes the program once it has one.
Result<void> open_gate(const Settings& settings, const std::string& id, pid_t pid) {
  const std::string path = settings.runc_root + "/" + id + "/exec.fifo";
  const UniqueFd gate(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!gate) return system_error("open " + path, errno);
  // Our child, not reaped: nobody else's pid.
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return system_error("pidfd_open", errno);
  pollfd events[] = {{gate.get(), POLLIN, 0}, {process.get(), POLLIN, 0}};
  while (::poll(events, 2, -1) < 0) {
    if (errno != EINTR) return system_error("poll " + path, errno);
  }
  char word = 0;
  if (::read(gate.get(), &word, 1) != 1)
    return start_error("the container's process ended before it became its program");
  ::unlink(path.c_str());  // For runc's own eyes: with it, the container would be "created".
  return {};
}

}  // namespace

std::string plan_runc_error(std::string_view log) {
  std::string message;
  for (const std::string_view line : split(log, '\n')) {
    const Result<api::Value> entry = api::parse_json(line);
    if (entry && (*entry)["level"].as_string() == "error") message = (*entry)["msg"].as_string();
  }
  return message;
}

Result<Launched> run_runc(const Settings& settings, const PodPaths& paths, const std::string& id,
                          bool tty, const ChildStreams& streams, Faults& faults) {
  const std::string bundle = paths.bundle(id);
  const std::string pid_file = bundle + "/pid";
  UniqueFd console;
  std::vector<std::string> create = {"create", "--pid-file", pid_file};
  if (tty) {
    console = ORCH_TRY(listen_in(bundle, kConsoleSocket, SOCK_STREAM | SOCK_NONBLOCK));
    create.insert(create.end(), {"--console-socket", kConsoleSocket});
  }
  create.push_back(id);
  ORCH_TRY(faults.step("runc create"));
  ORCH_TRY(run(settings, bundle, std::move(create), tty ? ChildStreams{} : streams));

  Launched launched;
  if (tty) {
    // runc has sent the terminal before it ended; so neither call waits.
    ORCH_TRY(faults.step("take terminal"));
    const UniqueFd sender(::accept4(console.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!sender) return system_error("accept runc's console", errno);
    launched.terminal = ORCH_TRY(receive_fd(sender.get()));
  }
  ORCH_TRY(faults.step("read pid"));
  const std::string text = ORCH_TRY(read_file(pid_file, 64));
  launched.pid = static_cast<pid_t>(parse_int(trim(text)).value_or(0));
  if (launched.pid <= 0) return internal_error("runc wrote no pid to " + pid_file);

  ORCH_TRY(faults.step("open gate"));
  ORCH_TRY(open_gate(settings, id, launched.pid));
  return launched;
}

}  // namespace orch::runtime
