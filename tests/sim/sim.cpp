// Runs the replicated store from seeds: servers on simulated time, disks and network, clients that
// write and read through any of them, an operator who changes which servers there are, faults of
// every kind at any moment, and the checks of history.h and ballots.h. One seed is one run, always
// the same.
//
// - Messages are dropped, late, repeated and overtaken; streams break in one direction or both,
//   between some or around the leader, libraft's alone or all.
// - Servers are killed, lose power (of what was not synced a part is gone, in the log and in the
//   table), stand still, find their clock jumped ahead.
// - Disks are slow or full; bits of what lies on one flip while its server is down. Then the server
//   says so when it starts, or nothing was lost, and the operator replaces it.
// - Servers are added, learn, vote, lose their vote, are removed, also the one that leads, and one
//   is gone for good now and then: from one to five voters, even numbers too.
//
//   sim --seeds=300 [--first=1] [--canary=NAME] [--trace]
//
// Prints the first seed that fails, what was wrong, and how to see it again; with --trace, all that
// happened. With a canary (canary.h: a fault that the checks must notice) it fails when no seed
// does.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/check.h"
#include "run.h"

namespace orch::sim {
namespace {

struct Arguments {
  uint64_t seeds = 100, first = 1;
  Canary canary = Canary::none;
  std::string canary_name;
  bool tells = false;
};

[[noreturn]] void refuse(const std::string& text) {
  std::fprintf(stderr, "unknown argument: %s\n", text.c_str());
  std::exit(2);
}

Arguments parse(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string text = values[i];
    const size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const std::string value = equals == text.npos ? "" : text.substr(equals + 1);
    if (name == "--seeds") {
      arguments.seeds = std::stoull(value);
    } else if (name == "--first") {
      arguments.first = std::stoull(value);
    } else if (name == "--canary") {
      const auto found =
          std::ranges::find(kCanaries, value, [](const auto& each) { return each.first; });
      if (found == kCanaries.end()) refuse(text);
      arguments.canary = found->second;
      arguments.canary_name = value;
    } else if (text == "--trace") {
      arguments.tells = true;
    } else {
      refuse(text);
    }
  }
  return arguments;
}

// For a process that is ended by a check of the product's or of libraft's. A canary is noticed by
// that as well.
char now_running[128];
char folder[] = "/tmp/orch-sim-XXXXXX";
bool has_canary = false;

void say_seed(int signal) {
  [[maybe_unused]] const auto written =
      ::write(STDOUT_FILENO, now_running, std::strlen(now_running));
  // (Of all that can remove a folder only this may be called here.)
  if (has_canary) ::execlp("rm", "rm", "-rf", folder, nullptr);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

int run(const Arguments& arguments) {
  namespace fs = std::filesystem;
  ORCH_CHECK(::mkdtemp(folder) != nullptr);
  for (const int ended : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) ::signal(ended, say_seed);
  const std::string canary =
      arguments.canary_name.empty() ? "" : " --canary=" + arguments.canary_name;
  has_canary = arguments.canary != Canary::none;
  Counts counts;
  std::string wrong;
  uint64_t seed = arguments.first;
  for (; wrong.empty() && seed < arguments.first + arguments.seeds; ++seed) {
    std::snprintf(now_running, sizeof now_running,
                  "\nended in: sim --seeds=1 --first=%llu%s --trace\n",
                  static_cast<unsigned long long>(seed), canary.c_str());
    const std::string own = std::string(folder) + "/" + std::to_string(seed);
    {
      Run one(seed, arguments.canary, arguments.tells, own);
      wrong = one.run();
      counts += one.counts();
    }
    fs::remove_all(own);
  }
  fs::remove_all(folder);
  std::printf(
      "%llu seeds, %zu operations, %zu acknowledged, %zu crashes, %zu changes of membership, "
      "%zu servers replaced, %zu damaged disks, %zu full disks\n",
      static_cast<unsigned long long>(seed - arguments.first), counts.operations, counts.done,
      counts.crashes, counts.changes, counts.replaced, counts.flips, counts.full_disks);
  if (!wrong.empty()) {
    std::printf("sim --seeds=1 --first=%llu%s --trace: %s\n",
                static_cast<unsigned long long>(seed - 1), canary.c_str(), wrong.c_str());
  }
  const bool should_fail = arguments.canary != Canary::none;
  if (should_fail && wrong.empty()) std::printf("the canary was not noticed\n");
  return wrong.empty() == should_fail ? 1 : 0;
}

}  // namespace
}  // namespace orch::sim

int main(int count, char** values) { return orch::sim::run(orch::sim::parse(count, values)); }
