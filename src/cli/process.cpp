#include "cli/process.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "agent/network/network.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"

namespace orch::cli {

namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

Result<void> prepare_process(const NodeOptions& options) {
  log::Level level;
  if (!log::parse_level(options.log_level, &level))
    return bad_request("--log-level \"" + options.log_level +
                       "\": must be debug, info, warn or error");
  log::set_level(level);
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = ending_signals();
  ORCH_CHECK(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  ::umask(0022);
  return {};
}

void notify_ready() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = std::strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // An abstract socket.
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  constexpr std::string_view message = "READY=1";
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (!fd || ::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL,
                      reinterpret_cast<const sockaddr*>(&address), size) < 0)
    log::warning("server", "the service manager could not be told of readiness");
}

void wait_for_end() { wait_for_end_or(-1); }

void wait_for_end_or(int fd) {
  wait_for_end(fd, -1);
  std::signal(SIGALRM, [](int) { ::_exit(0); });
  ::alarm(kStopSeconds);
}

bool wait_for_end(int timeout_ms) {
  const sigset_t set = ending_signals();
  const timespec wait{timeout_ms / 1000, (timeout_ms % 1000) * 1'000'000L};
  return ::sigtimedwait(&set, nullptr, &wait) > 0;
}

UniqueFd ending_fd() {
  const sigset_t set = ending_signals();
  UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  ORCH_CHECK(signals.valid());
  return signals;
}

bool wait_for_end(int fd, int timeout_ms) {
  const UniqueFd signals = ending_fd();
  pollfd waited[2] = {{signals.get(), POLLIN, 0}, {fd, POLLIN, 0}};
  // An interruption is no answer: whoever waits for `fd` takes what is ready then.
  while (::poll(waited, 2, timeout_ms) < 0 && errno == EINTR) continue;
  return waited[0].revents != 0;
}

Result<std::string> node_name(const NodeOptions& options) {
  if (!options.node_name.empty()) return options.node_name;
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return system_error("gethostname", errno);
  return to_lower(name);
}

Result<Ipv4> node_ip(const NodeOptions& options) {
  if (options.node_ip.empty()) return network::default_node_ip();
  const auto ip = parse_ipv4(options.node_ip);
  if (!ip) return bad_request("--node-ip \"" + options.node_ip + "\" is no IPv4 address");
  return *ip;
}

Result<std::string> given_token(const NodeOptions& options) {
  if (options.token_file.empty()) return options.token;
  const std::string text = ORCH_TRY(read_file(options.token_file, kMaxTokenBytes));
  return std::string(trim(text));
}

Result<std::vector<std::pair<std::string, std::string>>> node_labels(const NodeOptions& options) {
  std::vector<std::pair<std::string, std::string>> labels;
  for (const std::string& text : options.node_labels) {
    const size_t equals = text.find('=');
    if (equals == text.npos || equals == 0)
      return bad_request("--node-label \"" + text + "\": must be key=value");
    labels.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return labels;
}

Result<PortRange> parse_port_range(const std::string& text) {
  const size_t dash = text.find('-');
  const auto first = parse_int(text.substr(0, dash));
  const auto last = dash == text.npos ? std::nullopt : parse_int(text.substr(dash + 1));
  if (!first || !last || *first < 1 || *last > 65535 || *first > *last)
    return bad_request("--service-node-port-range \"" + text + "\": must be like 30000-32767");
  return PortRange{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

Result<Cidr> cidr_flag(const char* flag, const std::string& text) {
  const auto cidr = parse_cidr(text);
  if (!cidr) return bad_request(std::string(flag) + " \"" + text + "\": must be like 10.42.0.0/16");
  return *cidr;
}

pods::AgentOptions agent_options(const NodeOptions& options) {
  pods::AgentOptions agent;
  agent.data_dir = options.data_dir + "/agent";
  agent.state_dir = options.run_dir;
  agent.log_dir = options.pod_log_dir;
  agent.kubelet_port = options.kubelet_port;
  agent.images.dir = images_dir(options.data_dir);
  agent.images.import_dir = options.data_dir + "/agent/images";
  return agent;
}

std::string images_dir(const std::string& data_dir) { return data_dir + "/agent/layers"; }

int fail(const Status& status) {
  std::fprintf(stderr, "orch: %s\n", status.message.c_str());
  return 1;
}

}  // namespace orch::cli
