// Three servers of one replicated store on this machine, each with its log on its own files of the
// one disk: durable writes of 1 KiB by 256 writers and by one, how long nobody can write when the
// leader is killed, and how long a write waits while the servers cut their logs. With etcd
// installed, three members of it do the same beside, through their JSON gateway (which costs them
// more than gRPC would: the ratio is a bound, not a verdict).
//
//   replica_bench REPLICA_SERVER [--seconds=5] [--failovers=10] [--etcd=/usr/bin/etcd]
#include <algorithm>
#include <vector>

#include "../replica/servers.h"
#include "etcd.h"

namespace orch::replica {
namespace {

using bench::Etcd, bench::Load, bench::ms_since, bench::parse_load, bench::print_load,
    bench::print_ratio;

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

// A server cuts its log after 8,192 entries: here every few seconds, all of them at the same entry.
// While the last of 100,000 objects are put into three tables on one disk, writes wait for that.
void print_waits(Servers& servers) {
  const uint64_t leader = leader_of(servers);
  const auto longest_ms = [&](int ms) {
    return parse_load(servers.ask(leader, "load 1 1024 " + std::to_string(ms))).longest_us / 1000;
  };
  const double small = longest_ms(20'000);
  ORCH_CHECK(!servers.ask(leader, "fill 100000 1024").empty());
  const double filling = longest_ms(2000), filled = longest_ms(20'000);
  std::printf(
      "one writer's longest wait in 20 s: %.0f ms; with 100,000 objects %.0f ms, and right after "
      "they were written %.0f ms\n",
      small, filled, filling);
}

int run(const std::string& program, int seconds, int kills, const std::string& etcd) {
  std::vector<Load> ours;
  {
    Servers servers(program);
    servers.form();
    const std::string ms = std::to_string(seconds * 1000);
    const uint64_t leader = leader_of(servers);
    for (const int writers : kWriters) {
      const std::string order = "load " + std::to_string(writers) + " 1024 " + ms;
      ours.push_back(print_load("orch", writers, parse_load(servers.ask(leader, order))));
    }
    const uint64_t other = 1 + leader % Servers::kServers;
    print_load("follower", 256, parse_load(servers.ask(other, "load 256 1024 " + ms)));
    if (kills > 0) {
      const std::vector<double> took = failovers(servers, kills);
      std::printf(
          "kill -9 of the leader to the next write: p50 %.0f ms, p99 %.0f ms, longest %.0f ms of "
          "%d\n",
          took[took.size() / 2], took[took.size() * 99 / 100], took.back(), kills);
    }
    print_waits(servers);
  }
  if (!std::filesystem::exists(etcd)) {
    std::printf("etcd is not installed: nothing to compare with\n");
    return 0;
  }
  Etcd members(etcd, Servers::kServers);
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
