// The page of /metrics/cadvisor: what cAdvisor tells of containers, pods and the machine, under its
// names and labels, as far as cgroups and the pod's interface say it.
#include <algorithm>

#include "agent/pods/metrics_text.h"
#include "agent/pods/node_stats.h"

namespace orch::pods {
namespace {

using runtime::CgroupStats;
using Value = double (*)(const CgroupStats&);

// In the order of the alphabet, as cAdvisor has them.
std::string labels_of(const PodUsage& pod, const ContainerUsage* container,
                      const std::string& cpu = "", const std::string& interface = "") {
  const std::string id = "/" + pod.cgroup + (container ? "/" + container->id : std::string());
  std::string text = label("container", container ? container->name : "");
  if (!cpu.empty()) text += "," + label("cpu", cpu);
  text += "," + label("id", id) + "," + label("image", container ? container->image : "");
  if (!interface.empty()) text += "," + label("interface", interface);
  text += "," + label("name", container ? container->id : "") + "," + label("namespace", pod.ns);
  return text + "," + label("pod", pod.name);
}

struct Family {
  const char* name;
  const char* type;
  const char* help;
  Value value;
  const char* cpu = "";  // The label "cpu", where there is one.
};

constexpr double number(uint64_t value) { return static_cast<double>(value); }

constexpr Family kFamilies[] = {
    {"container_cpu_usage_seconds_total", "counter", "Processor time used.",
     [](const CgroupStats& s) { return seconds(s.cpu_usage_ns); }, "total"},
    {"container_cpu_user_seconds_total", "counter", "Processor time used outside the kernel.",
     [](const CgroupStats& s) { return seconds(s.cpu_user_ns); }},
    {"container_cpu_system_seconds_total", "counter", "Processor time used in the kernel.",
     [](const CgroupStats& s) { return seconds(s.cpu_system_ns); }},
    {"container_cpu_cfs_periods_total", "counter", "Periods over which the CPU limit was watched.",
     [](const CgroupStats& s) { return number(s.cpu_periods); }},
    {"container_cpu_cfs_throttled_periods_total", "counter", "Those in which it was reached.",
     [](const CgroupStats& s) { return number(s.cpu_throttled_periods); }},
    {"container_cpu_cfs_throttled_seconds_total", "counter", "Time for which it held back.",
     [](const CgroupStats& s) { return seconds(s.cpu_throttled_ns); }},
    {"container_memory_usage_bytes", "gauge", "Memory in use, with what is cached.",
     [](const CgroupStats& s) { return number(s.memory_usage_bytes); }},
    {"container_memory_working_set_bytes", "gauge", "Memory that is needed now.",
     [](const CgroupStats& s) { return number(s.memory_working_set_bytes); }},
    {"container_memory_rss", "gauge", "Memory that holds no file.",
     [](const CgroupStats& s) { return number(s.memory_rss_bytes); }},
    {"container_memory_cache", "gauge", "Memory that holds files.",
     [](const CgroupStats& s) { return number(s.memory_cache_bytes); }},
    {"container_oom_events_total", "counter", "Processes killed for want of memory.",
     [](const CgroupStats& s) { return number(s.oom_kills); }},
    {"container_processes", "gauge", "Processes and threads.",
     [](const CgroupStats& s) { return number(s.pids); }},
    {"container_spec_memory_limit_bytes", "gauge", "The memory limit; 0: none.",
     [](const CgroupStats& s) { return number(s.memory_limit_bytes.value_or(0)); }},
};

struct NetworkFamily {
  const char* name;
  const char* help;
  const Traffic InterfaceUsage::*direction;
  uint64_t Traffic::*counter;
};
constexpr NetworkFamily kNetworkFamilies[] = {
    {"container_network_receive_bytes_total", "Bytes received.", &InterfaceUsage::received,
     &Traffic::bytes},
    {"container_network_receive_packets_total", "Packets received.", &InterfaceUsage::received,
     &Traffic::packets},
    {"container_network_receive_errors_total", "Errors in receiving.", &InterfaceUsage::received,
     &Traffic::errors},
    {"container_network_receive_packets_dropped_total", "Packets dropped on their way in.",
     &InterfaceUsage::received, &Traffic::dropped},
    {"container_network_transmit_bytes_total", "Bytes sent.", &InterfaceUsage::sent,
     &Traffic::bytes},
    {"container_network_transmit_packets_total", "Packets sent.", &InterfaceUsage::sent,
     &Traffic::packets},
    {"container_network_transmit_errors_total", "Errors in sending.", &InterfaceUsage::sent,
     &Traffic::errors},
    {"container_network_transmit_packets_dropped_total", "Packets dropped on their way out.",
     &InterfaceUsage::sent, &Traffic::dropped},
};

// The machine as a whole is the cgroup "/".
CgroupStats root_stats(const NodeUsage& usage) {
  CgroupStats stats;
  const auto used = std::max<int64_t>(usage.memory_bytes - usage.available_memory_bytes, 0);
  stats.cpu_usage_ns = usage.cpu_usage_ns;
  stats.memory_usage_bytes = stats.memory_working_set_bytes = static_cast<uint64_t>(used);
  return stats;
}

bool is_of_machine(const Family& family) {
  const std::string_view name = family.name;
  return name == "container_cpu_usage_seconds_total" || name == "container_memory_usage_bytes" ||
         name == "container_memory_working_set_bytes";
}

void add_family(const Family& family, const NodeUsage& usage, MetricsText* page) {
  page->family(family.name, family.type, family.help);
  if (is_of_machine(family)) {
    PodUsage machine;
    page->sample(labels_of(machine, nullptr, family.cpu), family.value(root_stats(usage)));
  }
  for (const PodUsage& pod : usage.pods) {
    for (const ContainerUsage& one : pod.containers)
      page->sample(labels_of(pod, &one, family.cpu), family.value(one.stats));
  }
}

void add_times(const NodeUsage& usage, MetricsText* page) {
  const auto unix_seconds = [](WallTime time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
  };
  page->family("container_start_time_seconds", "gauge", "When it started.");
  for (const PodUsage& pod : usage.pods) {
    for (const ContainerUsage& one : pod.containers) {
      WallTime started;
      if (!parse_time(one.started_at, &started)) continue;
      page->sample(labels_of(pod, &one), unix_seconds(started));
    }
  }
  page->family("container_last_seen", "gauge", "When this was read.");
  for (const PodUsage& pod : usage.pods) {
    for (const ContainerUsage& one : pod.containers)
      page->sample(labels_of(pod, &one), unix_seconds(usage.now));
  }
}

}  // namespace

std::string render_cadvisor_metrics(const NodeUsage& usage) {
  MetricsText page(usage.now);
  for (const Family& family : kFamilies) add_family(family, usage, &page);
  add_times(usage, &page);
  for (const NetworkFamily& family : kNetworkFamilies) {
    page.family(family.name, "counter", family.help);
    for (const PodUsage& pod : usage.pods) {
      if (!pod.network) continue;
      const Traffic& traffic = (*pod.network).*family.direction;
      page.sample(labels_of(pod, nullptr, "", "eth0"), number(traffic.*family.counter));
    }
  }
  page.family("machine_cpu_cores", "gauge", "Logical processors.");
  page.sample("", static_cast<double>(usage.cpus));
  page.family("machine_memory_bytes", "gauge", "Memory of the machine.");
  page.sample("", static_cast<double>(usage.memory_bytes));
  page.family("container_scrape_error", "gauge", "1 when something could not be read.");
  page.sample("", 0);
  return page.take();
}

}  // namespace orch::pods
