// etcd beside what is measured: members of it on loopback, loaded through their JSON gateway. That
// costs them more than gRPC would, so a ratio to it is a bound, not a verdict. Their disk is
// /tmp's.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/fd.h"

namespace orch::bench {

inline double ms_since(MonoTime then) {
  return std::chrono::duration<double, std::milli>(system_clock().monotonic() - then).count();
}

struct Load {
  double rate = 0, p50_us = 0, p99_us = 0, longest_us = 0;
};

inline Load parse_load(const std::string& text) {
  std::istringstream in(text);
  Load load;
  in >> load.rate >> load.p50_us >> load.p99_us >> load.longest_us;
  return load;
}

inline Load print_load(const char* who, int writers, const Load& load) {
  std::printf("%-8s %4d writers  %8.0f writes/s   p50 %7.2f ms   p99 %7.2f ms\n", who, writers,
              load.rate, load.p50_us / 1000, load.p99_us / 1000);
  return load;
}

inline void print_ratio(int writers, const Load& orch, const Load& etcd) {
  std::printf("orch to etcd, %d writers: %.1f times the writes, p50 %.2f and p99 %.2f of its\n",
              writers, orch.rate / etcd.rate, orch.p50_us / etcd.p50_us, orch.p99_us / etcd.p99_us);
}

class Etcd {
 public:
  Etcd(const std::string& program, int members) : members_(members) {
    char folder[] = "/tmp/orch-etcd-XXXXXX";
    ORCH_CHECK(::mkdtemp(folder) != nullptr);
    folder_ = folder;
    for (int i = 0; i < members; ++i) start(program, i);
  }
  ~Etcd() {
    for (const pid_t pid : pids_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }

  // Durable writes of 1 KiB; a writer is a connection, each with keys of its own.
  Load load(int writers, int seconds) {
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
    if (all.empty()) return {};
    return {static_cast<double>(all.size()) / seconds, all[all.size() / 2],
            all[all.size() * 99 / 100]};
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
    for (int each = 0; each < members_; ++each) {
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
                                            "--logger",
                                            "zap",
                                            "--log-outputs",
                                            folder_ + "/" + name + ".log"};
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t pid = 0;
    ORCH_CHECK(::posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments.data(), environ) ==
               0);
    pids_.push_back(pid);
  }

  const int members_;
  std::string folder_;
  std::vector<pid_t> pids_;
};

}  // namespace orch::bench
