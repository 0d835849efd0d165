#include "agent/pods/node_stats.h"

#include <algorithm>

#include "agent/pods/metrics_text.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

using api::Value;

constexpr uint64_t kNsPerSecond = 1'000'000'000;

Value whole(uint64_t number) { return static_cast<int64_t>(number); }

Value cpu(const std::string& time, uint64_t usage_ns) {
  return Value::object({{"time", time}, {"usageCoreNanoSeconds", whole(usage_ns)}});
}

Value memory(const std::string& time, const runtime::CgroupStats& stats) {
  Value value = Value::object({{"time", time},
                               {"usageBytes", whole(stats.memory_usage_bytes)},
                               {"workingSetBytes", whole(stats.memory_working_set_bytes)},
                               {"rssBytes", whole(stats.memory_rss_bytes)},
                               {"pageFaults", whole(stats.page_faults)},
                               {"majorPageFaults", whole(stats.major_page_faults)}});
  if (stats.memory_limit_bytes) {
    const uint64_t limit = *stats.memory_limit_bytes, used = stats.memory_working_set_bytes;
    value.set("availableBytes", whole(limit > used ? limit - used : 0));
  }
  return value;
}

runtime::CgroupStats sum(const std::vector<ContainerUsage>& containers) {
  runtime::CgroupStats all;
  for (const ContainerUsage& container : containers) {
    const runtime::CgroupStats& one = container.stats;
    all.cpu_usage_ns += one.cpu_usage_ns;
    all.memory_usage_bytes += one.memory_usage_bytes;
    all.memory_working_set_bytes += one.memory_working_set_bytes;
    all.memory_rss_bytes += one.memory_rss_bytes;
    all.page_faults += one.page_faults;
    all.major_page_faults += one.major_page_faults;
    all.pids += one.pids;
  }
  return all;
}

Value summary_of(const PodUsage& pod, const std::string& now) {
  Value containers = Value::array();
  for (const ContainerUsage& container : pod.containers) {
    containers.push_back(Value::object({{"name", container.name},
                                        {"startTime", container.started_at},
                                        {"cpu", cpu(now, container.stats.cpu_usage_ns)},
                                        {"memory", memory(now, container.stats)}}));
  }
  const runtime::CgroupStats all = sum(pod.containers);
  return Value::object(
      {{"podRef", Value::object({{"name", pod.name}, {"namespace", pod.ns}, {"uid", pod.uid}})},
       {"startTime", pod.started_at},
       {"containers", std::move(containers)},
       {"cpu", cpu(now, all.cpu_usage_ns)},
       {"memory", memory(now, all)},
       {"process_stats", Value::object({{"process_count", whole(all.pids)}})}});
}

int64_t used_memory(const NodeUsage& usage) {
  return std::max<int64_t>(usage.memory_bytes - usage.available_memory_bytes, 0);
}

// Names of the API need no escaping: they hold no quotes.
std::string labels_of(const PodUsage& pod, const ContainerUsage* container) {
  const std::string of = "namespace=\"" + pod.ns + "\",pod=\"" + pod.name + "\"";
  return container ? "container=\"" + container->name + "\"," + of : of;
}

}  // namespace

uint64_t parse_cpu_usage_ns(std::string_view proc_stat, int64_t ticks_per_second) {
  // "cpu user nice system idle iowait irq softirq steal ...": all but idle and iowait is use.
  uint64_t ticks = 0;
  int column = 0;
  for (const std::string_view word : split(proc_stat.substr(0, proc_stat.find('\n')), ' ')) {
    if (word.empty() || word == "cpu") continue;
    ++column;
    const bool idle = column == 4 || column == 5;
    // "guest" counts in "user" already.
    if (!idle && column <= 8) ticks += static_cast<uint64_t>(parse_int(word).value_or(0));
  }
  return ticks * (kNsPerSecond / static_cast<uint64_t>(std::max<int64_t>(ticks_per_second, 1)));
}

// "  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop ..."
std::map<std::string, InterfaceUsage> parse_net_dev(std::string_view text) {
  constexpr size_t kSent = 8;  // The first column of what was sent.
  std::map<std::string, InterfaceUsage> all;
  for (const std::string_view line : split(text, '\n')) {
    const size_t colon = line.find(':');
    if (colon == line.npos) continue;
    std::vector<uint64_t> columns;
    for (const std::string_view word : split(line.substr(colon + 1), ' ')) {
      if (!word.empty()) columns.push_back(static_cast<uint64_t>(parse_int(word).value_or(0)));
    }
    if (columns.size() < kSent + 4) continue;
    const auto traffic = [&](size_t at) {
      return Traffic{columns[at], columns[at + 1], columns[at + 2], columns[at + 3]};
    };
    all[std::string(trim(line.substr(0, colon)))] = {traffic(0), traffic(kSent)};
  }
  return all;
}

std::vector<RunningContainer> running_containers(const Value& pod) {
  std::vector<RunningContainer> running;
  for (const char* list :
       {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"}) {
    for (const Value& status : pod["status"][list].items()) {
      const Value& state = status.at("state.running");
      if (state.is_null()) continue;
      const std::string& id = status["containerID"].as_string();
      const size_t scheme = id.find("://");
      running.push_back({status["name"].as_string(), scheme == id.npos ? id : id.substr(scheme + 3),
                         state["startedAt"].as_string(), status["image"].as_string()});
    }
  }
  return running;
}

Value render_stats_summary(const NodeUsage& usage) {
  const std::string now = format_time(usage.now);
  Value pods = Value::array();
  for (const PodUsage& pod : usage.pods) pods.push_back(summary_of(pod, now));
  const Value disk = Value::object({{"time", now},
                                    {"availableBytes", usage.free_disk_bytes},
                                    {"capacityBytes", usage.disk_bytes},
                                    {"usedBytes", usage.disk_bytes - usage.free_disk_bytes}});
  const Value node = Value::object(
      {{"nodeName", usage.node},
       {"cpu", cpu(now, usage.cpu_usage_ns)},
       {"memory", Value::object({{"time", now},
                                 {"availableBytes", usage.available_memory_bytes},
                                 {"usageBytes", used_memory(usage)},
                                 {"workingSetBytes", used_memory(usage)}})},
       {"fs", disk},
       {"rlimit",
        Value::object({{"time", now}, {"maxpid", usage.max_pids}, {"curproc", usage.pids}})}});
  return Value::object({{"node", node}, {"pods", std::move(pods)}});
}

std::string render_resource_metrics(const NodeUsage& usage) {
  MetricsText page(usage.now, "[STABLE] ");
  const auto each_container = [&](const auto& value) {
    for (const PodUsage& pod : usage.pods) {
      for (const ContainerUsage& one : pod.containers) {
        page.sample(labels_of(pod, &one), value(one.stats));
      }
    }
  };
  const auto each_pod = [&](const auto& value) {
    for (const PodUsage& pod : usage.pods)
      page.sample(labels_of(pod, nullptr), value(sum(pod.containers)));
  };
  const auto cpu_of = [](const runtime::CgroupStats& stats) { return seconds(stats.cpu_usage_ns); };
  const auto memory_of = [](const runtime::CgroupStats& stats) {
    return static_cast<double>(stats.memory_working_set_bytes);
  };
  page.family("container_cpu_usage_seconds_total", "counter",
              "Processor time that a container used.");
  each_container(cpu_of);
  page.family("container_memory_working_set_bytes", "gauge", "Memory that a container needs now.");
  each_container(memory_of);
  page.family("container_start_time_seconds", "gauge", "When a container started.");
  for (const PodUsage& pod : usage.pods) {
    for (const ContainerUsage& one : pod.containers) {
      WallTime started;
      if (!parse_time(one.started_at, &started)) continue;
      page.sample(labels_of(pod, &one),
                  std::chrono::duration<double>(started.time_since_epoch()).count());
    }
  }
  page.family("node_cpu_usage_seconds_total", "counter", "Processor time that the node used.");
  page.sample("", seconds(usage.cpu_usage_ns));
  page.family("node_memory_working_set_bytes", "gauge", "Memory that the node needs now.");
  page.sample("", static_cast<double>(used_memory(usage)));
  page.family("pod_cpu_usage_seconds_total", "counter", "Processor time that a pod used.");
  each_pod(cpu_of);
  page.family("pod_memory_working_set_bytes", "gauge", "Memory that a pod needs now.");
  each_pod(memory_of);
  // Without a time, as kubelet has it.
  return page.take() +
         "# HELP resource_scrape_error [STABLE] 1 when something could not be read.\n"
         "# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n";
}

}  // namespace orch::pods
