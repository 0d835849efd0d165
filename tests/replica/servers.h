// Servers: several replica_server processes, and what a test says to them. One thread.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/fd.h"

extern char** environ;

namespace orch::replica {

class Servers {
 public:
  // Null when the server died before it answered.
  using Answer = std::function<void(const std::string* text)>;

  explicit Servers(std::string program) : program_(std::move(program)) {
    char folder[] = "/tmp/orch-replica-XXXXXX";
    ORCH_CHECK(::mkdtemp(folder) != nullptr);
    folder_ = folder;
    ::signal(SIGPIPE, SIG_IGN);
  }
  ~Servers() {
    for (uint64_t id = 1; id <= kServers; ++id) kill(id);
    std::filesystem::remove_all(folder_);
  }
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;

  static constexpr uint64_t kServers = 3;

  // Waits until it serves.
  void start(uint64_t id, bool begins = false) {
    int in[2], out[2];
    ORCH_CHECK(::pipe2(in, O_CLOEXEC) == 0 && ::pipe2(out, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    const std::string number = std::to_string(id);
    const char* const arguments[] = {program_.c_str(), folder_.c_str(), number.c_str(),
                                     begins ? "begins" : nullptr, nullptr};
    Process& process = processes_[id];
    ORCH_CHECK(::posix_spawn(&process.pid, program_.c_str(), &actions, nullptr,
                             const_cast<char**>(arguments), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    process.in.reset(in[1]);
    process.out.reset(out[0]);
    bool serves = false;
    process.open[0] = [&](const std::string* text) {
      ORCH_CHECK(text != nullptr);
      serves = true;
    };
    while (!serves) hear();
  }
  bool lives(uint64_t id) { return processes_[id].pid > 0; }
  void kill(uint64_t id) { end(id, SIGKILL); }
  // Lets it close: waits for its end.
  void close(uint64_t id) {
    processes_[id].in.reset();
    end(id, 0);
  }

  void order(uint64_t id, const std::string& text, Answer answer) {
    Process& process = processes_[id];
    const uint64_t number = ++orders_;
    process.open[number] = std::move(answer);
    const std::string line = std::to_string(number) + " " + text + "\n";
    // It is read as fast as it comes; a process that is gone is noticed where answers are read.
    (void)!::write(process.in.get(), line.data(), line.size());
  }
  // The answer without "ok "; "" when it failed or died.
  std::string ask(uint64_t id, const std::string& text) {
    bool answered = false;
    std::string got;
    order(id, text, [&](const std::string* said) {
      answered = true;
      if (said != nullptr && said->starts_with("ok ")) got = said->substr(3);
    });
    while (!answered) hear();
    return got;
  }
  size_t open(uint64_t id) { return processes_[id].open.size(); }

  // Waits for something to be said, and hands it on.
  void hear() {
    std::vector<pollfd> polled;
    std::vector<uint64_t> ids;
    for (auto& [id, process] : processes_) {
      if (process.pid <= 0) continue;
      polled.push_back({process.out.get(), POLLIN, 0});
      ids.push_back(id);
    }
    ORCH_CHECK(!polled.empty() && ::poll(polled.data(), polled.size(), -1) > 0);
    for (size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents != 0) read(ids[i]);
    }
  }
  // The first server with the log, then the others as voters.
  void form() {
    start(1, true);
    for (uint64_t id = 2; id <= kServers; ++id) {
      start(id);
      const std::string rest = std::to_string(id) + " " + folder_ + "/" + std::to_string(id);
      ORCH_CHECK(!ask(1, "change 0 " + rest + ".sock").empty());
      ORCH_CHECK(!ask(1, "change 1 " + rest + ".sock").empty());
    }
  }

 private:
  struct Process {
    pid_t pid = 0;
    UniqueFd in, out;
    std::string read;
    std::map<uint64_t, Answer> open;
  };

  void read(uint64_t id) {
    Process& process = processes_[id];
    char bytes[4096];
    const ssize_t size = ::read(process.out.get(), bytes, sizeof bytes);
    if (size <= 0) {
      std::fprintf(stderr, "server %d died by itself\n", static_cast<int>(id));
      ORCH_CHECK(size > 0);
    }
    process.read.append(bytes, static_cast<size_t>(size));
    for (size_t at; (at = process.read.find('\n')) != std::string::npos;) {
      const std::string line = process.read.substr(0, at);
      process.read.erase(0, at + 1);
      const size_t space = line.find(' ');
      const auto found = process.open.find(std::stoull(line.substr(0, space)));
      ORCH_CHECK(found != process.open.end());
      const Answer answer = std::move(found->second);
      process.open.erase(found);
      const std::string text = line.substr(space + 1);
      answer(&text);
    }
  }

  void end(uint64_t id, int signal) {
    Process& process = processes_[id];
    if (process.pid <= 0) return;
    if (signal != 0) ::kill(process.pid, signal);
    int status = 0;
    ORCH_CHECK(::waitpid(process.pid, &status, 0) == process.pid);
    process.pid = 0;
    // What it said before still counts.
    char bytes[4096];
    for (ssize_t size; (size = ::read(process.out.get(), bytes, sizeof bytes)) > 0;) {
      process.read.append(bytes, static_cast<size_t>(size));
    }
    std::istringstream lines(std::exchange(process.read, {}));
    for (std::string line; std::getline(lines, line);) {
      const size_t space = line.find(' ');
      const auto found = process.open.find(std::stoull(line));
      if (lines.eof() || found == process.open.end()) break;  // Half a line.
      const std::string text = line.substr(space + 1);
      const Answer answer = std::move(found->second);
      process.open.erase(found);
      answer(&text);
    }
    for (const auto& [number, answer] : std::exchange(process.open, {})) answer(nullptr);
    process.in.reset();
    process.out.reset();
  }

  const std::string program_;
  std::string folder_;
  std::map<uint64_t, Process> processes_;
  uint64_t orders_ = 0;
};

}  // namespace orch::replica
