#include "agent/pods/node_stats.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::pods {
namespace {

NodeUsage some_usage() {
  NodeUsage usage;
  usage.node = "n";
  usage.now = WallTime{std::chrono::seconds{1'700'000'000}};
  usage.cpu_usage_ns = 2'500'000'000;
  usage.memory_bytes = 1000;
  usage.available_memory_bytes = 400;
  ContainerUsage container{"c", "2023-11-14T22:13:20Z", {}, "u_c_0", "busybox:1"};
  container.stats.cpu_usage_ns = 1'500'000'000;
  container.stats.memory_working_set_bytes = 70;
  container.stats.memory_limit_bytes = 100;
  container.stats.cpu_throttled_ns = 250'000'000;
  InterfaceUsage network{{10, 1, 0, 0}, {20, 2, 0, 3}};
  usage.pods = {{"ns", "p", "u", "", {container, container}, "kubepods/podu", network}};
  return usage;
}

TEST_CASE("node stats: the summary names nodes, pods and containers") {
  const api::Value summary = render_stats_summary(some_usage());
  CHECK(summary.at("node.nodeName").as_string() == "n");
  CHECK(summary.at("node.memory.workingSetBytes").as_int() == 600);
  const api::Value& pod = summary["pods"][0];
  CHECK(pod.at("podRef.uid").as_string() == "u");
  CHECK(pod.at("cpu.usageCoreNanoSeconds").as_int() == 3'000'000'000);
  CHECK(pod["containers"][1].at("memory.availableBytes").as_int() == 30);
}

TEST_CASE("node stats: the metrics have kubelet's names and one moment") {
  const std::string page = render_resource_metrics(some_usage());
  for (const char* line :
       {"container_cpu_usage_seconds_total{container=\"c\",namespace=\"ns\",pod=\"p\"} 1.5 "
        "1700000000000\n",
        "container_start_time_seconds{container=\"c\",namespace=\"ns\",pod=\"p\"} 1700000000 "
        "1700000000000\n",
        "pod_memory_working_set_bytes{namespace=\"ns\",pod=\"p\"} 140 1700000000000\n",
        "node_cpu_usage_seconds_total 2.5 1700000000000\n", "resource_scrape_error 0\n"}) {
    INFO(line);
    CHECK(page.find(line) != page.npos);
  }
}

TEST_CASE("node stats: the page of cAdvisor has its names and labels") {
  const std::string page = render_cadvisor_metrics(some_usage());
  const std::string container =
      "container=\"c\",id=\"/kubepods/podu/u_c_0\",image=\"busybox:1\",name=\"u_c_0\","
      "namespace=\"ns\",pod=\"p\"} ";
  const std::string now = " 1700000000000\n";
  for (const std::string& line :
       {"container_memory_working_set_bytes{" + container + "70" + now,
        "container_spec_memory_limit_bytes{" + container + "100" + now,
        "container_cpu_cfs_throttled_seconds_total{" + container + "0.25" + now,
        "container_start_time_seconds{" + container + "1700000000" + now,
        "container_cpu_usage_seconds_total{container=\"c\",cpu=\"total\",id=\"/kubepods/podu/"
        "u_c_0\",image=\"busybox:1\",name=\"u_c_0\",namespace=\"ns\",pod=\"p\"} 1.5" +
            now,
        "container_cpu_usage_seconds_total{container=\"\",cpu=\"total\",id=\"/\",image=\"\","
        "name=\"\",namespace=\"\",pod=\"\"} 2.5" +
            now,
        "container_network_transmit_bytes_total{container=\"\",id=\"/kubepods/podu\",image=\"\","
        "interface=\"eth0\",name=\"\",namespace=\"ns\",pod=\"p\"} 20" +
            now,
        "machine_memory_bytes 1000" + now}) {
    INFO(line);
    CHECK(page.find(line) != page.npos);
  }
}

TEST_CASE("node stats: interfaces are counted") {
  const auto interfaces = parse_net_dev(
      "Inter-|   Receive                            |  Transmit\n"
      " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop\n"
      "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\nveth0:100 1 0 0 0 0 0 0 50 2 0 0 0 0 0 0\n");
  REQUIRE(interfaces.size() == 2);
  CHECK(interfaces.at("lo").received.dropped == 4);
  CHECK(interfaces.at("lo").sent.bytes == 9);
  CHECK(interfaces.at("veth0").sent.packets == 2);
}

TEST_CASE("node stats: processor time is all but idleness") {
  CHECK(parse_cpu_usage_ns("cpu  1 2 3 400 500 6 7 8 9 10\ncpu0 1 1 1 1\n", 100) == 270'000'000);
  CHECK(parse_cpu_usage_ns("", 100) == 0);
}

TEST_CASE("node stats: running containers are known by their status") {
  auto pod = api::parse_json(R"({"status":{"containerStatuses":[
      {"name":"a","containerID":"runc://1","state":{"running":{"startedAt":"t"}}},
      {"name":"b","containerID":"runc://2","state":{"terminated":{}}}]}})");
  REQUIRE(pod.ok());
  const auto running = running_containers(*pod);
  REQUIRE(running.size() == 1);
  CHECK(running[0].id == "1");
}

}  // namespace
}  // namespace orch::pods
