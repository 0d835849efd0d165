// Three servers of one replicated store on this machine, each with its log on its own files of the
// one disk: durable writes of 1 KiB by 256 writers and by one, and how long nobody can write when
// the leader is killed. With etcd installed, three members of it do the same beside, through
// their JSON gateway (which costs them more than gRPC would: the ratio is a bound, not a verdict).
//
//   replica_bench REPLICA_SERVER [--seconds=5] [--failovers=10] [--etcd=/usr/bin/etcd]
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "../replica/servers.h"
#include "base/clock.h"

namespace orch::replica {
namespace {

double ms_since(MonoTime then) {
  return std::chrono::duration<double, std::milli>(system_clock().monotonic() - then).count();
}

struct Load {
  double rate = 0, p50_us = 0, p99_us = 0;
};

Load print_load(const char* who, int writers, const std::string& said) {
  std::istringstream in(said);
  Load load;
  in >> load.rate >> load.p50_us >> load.p99_us;
  std::printf("%-8s %4d writers  %8.0f writes/s   p50 %7.2f ms   p99 %7.2f ms\n", who, writers,
              load.rate, load.p50_us / 1000, load.p99_us / 1000);
  return load;
}

void print_ratio(int writers, const Load& orch, const Load& etcd) {
  std::printf("orch to etcd, %d writers: %.1f times the writes, p50 %.2f and p99 %.2f of its\n",
              writers, orch.rate / etcd.rate, orch.p50_us / etcd.p50_us, orch.p99_us / etcd.p99_us);
}

constexpr int kWriters[] = {256, 1};

uint64_t leader_of(Servers& servers) { return std::stoull("0" + servers.ask(1, "leader")); }

// From kill -9 of the leader to the next write that another server acknowledges.
std::vector<double> failovers(Servers& servers, int count) {
  std::vector<double> took;
  for (int i = 0; i < count; ++i) {
    const uint64_t leader = leader_of(servers);
    ORCH_CHECK(leader != 0);
    const uint64_t other = 1 + leader % Servers::kServers;
    ORCH_CHECK(!servers.ask(other, "write /failover before").empty());
    servers.kill(leader);
    const MonoTime killed = system_clock().monotonic();
    while (servers.ask(other, "write /failover after").empty()) {
    }
    took.push_back(ms_since(killed));
    servers.start(leader);
    // All know who leads, and have all, before the next is killed.
    for (uint64_t id = 1; id <= Servers::kServers; ++id) {
      ORCH_CHECK(!servers.ask(id, "state").empty());
    }
  }
  std::ranges::sort(took);
  return took;
}

// --- etcd, through its gateway.

class Etcd {
 public:
  explicit Etcd(const std::string& program) {
    char folder[] = "/tmp/orch-etcd-XXXXXX";
    ORCH_CHECK(::mkdtemp(folder) != nullptr);
    folder_ = folder;
    for (int i = 0; i < 3; ++i) start(program, i);
  }
  ~Etcd() {
    for (const pid_t pid : pids_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }

  // Writes per second and the times, as replica_server says them; writers are connections.
  std::string load(int writers, int seconds) {
    const std::string value = std::string(1368, 'e');  // 1 KiB, in base64.
    const MonoTime end = system_clock().monotonic() + std::chrono::seconds(seconds);
    std::vector<std::vector<double>> took(static_cast<size_t>(writers));
    std::vector<std::thread> threads;
    for (int i = 0; i < writers; ++i) {
      threads.emplace_back([&, i] {
        const UniqueFd connection = connect_to(kClientPort);
        for (int n = 0; connection && system_clock().monotonic() < end; ++n) {
          const MonoTime asked = system_clock().monotonic();
          const std::string key = base64_number(i * 10 + n % 10);
          const std::string body = R"({"key":")" + key + R"(","value":")" + value + "\"}";
          if (!put(connection.get(), body)) return;
          took[static_cast<size_t>(i)].push_back(ms_since(asked) * 1000);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::vector<double> all;
    for (const auto& each : took) all.insert(all.end(), each.begin(), each.end());
    std::ranges::sort(all);
    if (all.empty()) return "0 0 0";
    return std::to_string(all.size() / static_cast<size_t>(seconds)) + " " +
           std::to_string(all[all.size() / 2]) + " " + std::to_string(all[all.size() * 99 / 100]);
  }
  // Until it takes a write, for half a minute at most.
  bool is_ready() {
    const MonoTime began = system_clock().monotonic();
    while (ms_since(began) < 30'000) {
      const UniqueFd connection = connect_to(kClientPort);
      if (connection && put(connection.get(), R"({"key":"YQ==","value":"YQ=="})")) return true;
      ::poll(nullptr, 0, 100);
    }
    return false;
  }

 private:
  static constexpr int kClientPort = 23790, kPeerPort = 23800;

  static std::string base64_number(int number) {  // Of 8 digits, as 12 characters.
    constexpr char kSigns[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char digits[10];
    std::snprintf(digits, sizeof digits, "%09d", number);
    std::string out;
    for (int i = 0; i < 9; i += 3) {
      const uint32_t three = static_cast<uint32_t>(digits[i]) << 16 |
                             static_cast<uint32_t>(digits[i + 1]) << 8 |
                             static_cast<uint32_t>(digits[i + 2]);
      for (int shift = 18; shift >= 0; shift -= 6) out += kSigns[three >> shift & 63];
    }
    return out;
  }
  static UniqueFd connect_to(int port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_port = htons(static_cast<uint16_t>(port));
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&there), sizeof there) != 0) return {};
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
  }
  static bool put(int fd, const std::string& body) {
    const std::string request =
        "POST /v3/kv/put HTTP/1.1\r\nHost: etcd\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      return false;
    }
    std::string answer;
    char bytes[2048];
    while (true) {
      const ssize_t size = ::recv(fd, bytes, sizeof bytes, 0);
      if (size <= 0) return false;
      answer.append(bytes, static_cast<size_t>(size));
      const size_t head = answer.find("\r\n\r\n");
      const size_t length = answer.find("Content-Length: ");
      if (head == answer.npos || length == answer.npos) continue;
      if (answer.size() >= head + 4 + std::stoul(answer.substr(length + 16))) break;
    }
    return answer.starts_with("HTTP/1.1 200");
  }
  void start(const std::string& program, int i) {
    const auto url = [](int port) { return "http://127.0.0.1:" + std::to_string(port); };
    std::string cluster;
    for (int each = 0; each < 3; ++each) {
      cluster += (each ? ",m" : "m") + std::to_string(each) + "=" + url(kPeerPort + each);
    }
    const std::string name = "m" + std::to_string(i), peer = url(kPeerPort + i),
                      client = url(kClientPort + i);
    const std::vector<std::string> words = {program,
                                            "--name",
                                            name,
                                            "--data-dir",
                                            folder_ + "/" + name,
                                            "--listen-peer-urls",
                                            peer,
                                            "--initial-advertise-peer-urls",
                                            peer,
                                            "--listen-client-urls",
                                            client,
                                            "--advertise-client-urls",
                                            client,
                                            "--initial-cluster",
                                            cluster,
                                            "--log-level",
                                            "error"};
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t pid = 0;
    ORCH_CHECK(::posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments.data(), environ) ==
               0);
    pids_.push_back(pid);
  }

  std::string folder_;
  std::vector<pid_t> pids_;
};

int run(const std::string& program, int seconds, int kills, const std::string& etcd) {
  std::vector<Load> ours;
  {
    Servers servers(program);
    servers.form();
    const std::string ms = std::to_string(seconds * 1000);
    const uint64_t leader = leader_of(servers);
    for (const int writers : kWriters) {
      const std::string order = "load " + std::to_string(writers) + " 1024 " + ms;
      ours.push_back(print_load("orch", writers, servers.ask(leader, order)));
    }
    const uint64_t other = 1 + leader % Servers::kServers;
    print_load("follower", 256, servers.ask(other, "load 256 1024 " + ms));
    if (kills > 0) {
      const std::vector<double> took = failovers(servers, kills);
      std::printf(
          "kill -9 of the leader to the next write: p50 %.0f ms, p99 %.0f ms, longest %.0f ms of "
          "%d\n",
          took[took.size() / 2], took[took.size() * 99 / 100], took.back(), kills);
    }
  }
  if (!std::filesystem::exists(etcd)) {
    std::printf("etcd is not installed: nothing to compare with\n");
    return 0;
  }
  Etcd members(etcd);
  if (!members.is_ready()) {
    std::printf("etcd did not start\n");
    return 1;
  }
  for (size_t i = 0; i < std::size(kWriters); ++i) {
    const int writers = kWriters[i];
    print_ratio(writers, ours[i], print_load("etcd", writers, members.load(writers, seconds)));
  }
  return 0;
}

}  // namespace
}  // namespace orch::replica

int main(int count, char** values) {
  int seconds = 5, kills = 10;
  std::string etcd = "/usr/bin/etcd";
  for (int i = 2; i < count; ++i) {
    const std::string text = values[i];
    if (text.starts_with("--seconds=")) seconds = std::stoi(text.substr(10));
    if (text.starts_with("--failovers=")) kills = std::stoi(text.substr(12));
    if (text.starts_with("--etcd=")) etcd = text.substr(7);
  }
  if (count < 2) return 2;
  return orch::replica::run(values[1], seconds, kills, etcd);
}
