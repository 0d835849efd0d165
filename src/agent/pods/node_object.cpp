#include "agent/pods/node_object.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <algorithm>
#include <thread>

#include "base/files.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

constexpr int64_t kLeaseSeconds = 40;
constexpr size_t kMaxImagesShown = 50;  // As Kubernetes limits it by default.
constexpr int64_t kMemoryPressureBytes = 100 << 20;
constexpr int64_t kDiskPressurePercent = 10;  // Free space below it.
constexpr int64_t kPidPressurePercent = 95;   // Used pids above it.

std::string first_line(const std::string& path) {
  const auto text = read_file(path, 1 << 20);
  return text.ok() ? std::string(trim(text->substr(0, text->find('\n')))) : "";
}

// "MemTotal:  123 kB" → bytes.
int64_t meminfo_bytes(const std::string& text, std::string_view name) {
  for (const auto line : split(text, '\n')) {
    if (!line.starts_with(name)) continue;
    const auto number = trim(line.substr(name.size()));
    return parse_int(number.substr(0, number.find(' '))).value_or(0) * 1024;
  }
  return 0;
}

std::string os_release_name() {
  const auto text = read_file("/etc/os-release", 1 << 16).value_or("");
  for (auto line : split(text, '\n')) {
    if (!line.starts_with("PRETTY_NAME=")) continue;
    line.remove_prefix(line.find('=') + 1);
    if (line.size() >= 2 && line.front() == '"') line = line.substr(1, line.size() - 2);
    return std::string(line);
  }
  return "Linux";
}

std::string go_architecture(const std::string& machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

struct Check {
  const char* type;
  bool is_true;
  std::string reason, message;
};

std::vector<Check> checks_of(const NodeInput& input, const Machine& machine) {
  const bool memory = machine.available_memory_bytes < kMemoryPressureBytes;
  const bool disk = machine.free_disk_bytes * 100 < machine.disk_bytes * kDiskPressurePercent;
  const bool pids = machine.pids * 100 > machine.max_pids * kPidPressurePercent;
  const std::string why = "container runtime network not ready: " + input.not_ready_reason;
  return {
      {"MemoryPressure", memory,
       memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
       memory ? "kubelet has insufficient memory available"
              : "kubelet has sufficient memory available"},
      {"DiskPressure", disk, disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
       disk ? "kubelet has disk pressure" : "kubelet has no disk pressure"},
      {"PIDPressure", pids, pids ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
       pids ? "kubelet has insufficient PID available" : "kubelet has sufficient PID available"},
      {"Ready", input.network_ready, input.network_ready ? "KubeletReady" : "KubeletNotReady",
       input.network_ready ? "kubelet is posting ready status" : why},
  };
}

api::Value render_check(const Check& check, const api::Value& old_status, WallTime now, bool beat) {
  const std::string text = check.is_true ? "True" : "False";
  const std::string time = format_time(now);
  api::Value heartbeat = time, transition = time;
  for (const auto& old : old_status["conditions"].items()) {
    if (old["type"].as_string() != check.type || old["status"].as_string() != text) continue;
    transition = old["lastTransitionTime"];
    if (!beat) heartbeat = old["lastHeartbeatTime"];
  }
  return api::Value::object({{"type", check.type},
                             {"status", text},
                             {"lastHeartbeatTime", heartbeat},
                             {"lastTransitionTime", transition},
                             {"reason", check.reason},
                             {"message", check.message}});
}

api::Value resources_of(const Machine& machine) {
  return api::Value::object(
      {{"cpu", std::to_string(machine.cpus)},
       {"ephemeral-storage", std::to_string(machine.disk_bytes / 1024) + "Ki"},
       {"memory", std::to_string(machine.memory_bytes / 1024) + "Ki"},
       {"pods", std::to_string(kMaxPods)}});
}

api::Value images_of(std::vector<images::ImageRef> images) {
  std::sort(images.begin(), images.end(),
            [](const auto& a, const auto& b) { return a.size_bytes > b.size_bytes; });
  if (images.size() > kMaxImagesShown) images.resize(kMaxImagesShown);
  auto list = api::Value::array();
  for (const auto& image : images) {
    auto names = api::Value::array();
    if (!image.repo_digest.empty()) names.push_back(image.repo_digest);
    for (const auto& name : image.names) names.push_back(name);
    list.push_back(
        api::Value::object({{"names", std::move(names)}, {"sizeBytes", image.size_bytes}}));
  }
  return list;
}

}  // namespace

Machine read_machine(const std::string& data_dir) {
  Machine machine;
  machine.cpus = std::max(1U, std::thread::hardware_concurrency());
  const auto meminfo = read_file("/proc/meminfo", 1 << 16).value_or("");
  machine.memory_bytes = meminfo_bytes(meminfo, "MemTotal:");
  machine.available_memory_bytes = meminfo_bytes(meminfo, "MemAvailable:");
  struct statvfs disk {};
  if (::statvfs(data_dir.c_str(), &disk) == 0) {
    machine.disk_bytes = static_cast<int64_t>(disk.f_blocks * disk.f_frsize);
    machine.free_disk_bytes = static_cast<int64_t>(disk.f_bavail * disk.f_frsize);
  }
  machine.max_pids = parse_int(first_line("/proc/sys/kernel/pid_max")).value_or(32768);
  // "0.1 0.2 0.3 2/345 678": the second number of the fourth word is how many threads there are.
  const std::string load = first_line("/proc/loadavg");
  const auto words = split(load, ' ');
  if (words.size() >= 4) {
    machine.pids = parse_int(words[3].substr(words[3].find('/') + 1)).value_or(0);
  }
  struct utsname name {};
  if (::uname(&name) == 0) {
    machine.kernel = name.release;
    machine.architecture = go_architecture(name.machine);
  }
  machine.os_image = os_release_name();
  machine.machine_id = first_line("/etc/machine-id");
  machine.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  machine.system_uuid = to_lower(first_line("/sys/class/dmi/id/product_uuid"));
  if (machine.system_uuid.empty()) machine.system_uuid = machine.machine_id;
  return machine;
}

api::Value node_object(const NodeInput& input, const Machine& machine, const api::Value& existing) {
  api::Value node = existing;
  if (node.is_null()) {
    node = api::Value::object({{"apiVersion", "v1"}, {"kind", "Node"}});
    node["metadata"].set("name", input.node_name);
    if (!input.taints.empty()) node["spec"].set("taints", input.taints);
  }
  auto& labels = node["metadata"]["labels"];
  for (const char* prefix : {"", "beta."}) {
    labels.set(std::string(prefix) + "kubernetes.io/arch", machine.architecture);
    labels.set(std::string(prefix) + "kubernetes.io/os", "linux");
  }
  labels.set("kubernetes.io/hostname", input.host_name);
  for (const auto& [name, value] : input.extra_labels) labels.set(name, value);
  return node;
}

api::Value node_status(const NodeInput& input, const Machine& machine,
                       const std::vector<images::ImageRef>& images, const api::Value& old,
                       WallTime now, bool beat) {
  api::Value status = old.is_null() ? api::Value::object() : old;
  status.set("capacity", resources_of(machine));
  status.set("allocatable", resources_of(machine));
  auto conditions = api::Value::array();
  for (const auto& check : checks_of(input, machine)) {
    conditions.push_back(render_check(check, old, now, beat));
  }
  // NetworkUnavailable and others are their writers' own.
  for (const auto& condition : old["conditions"].items()) {
    const auto& type = condition["type"].as_string();
    const bool ours = type == "MemoryPressure" || type == "DiskPressure" || type == "PIDPressure" ||
                      type == "Ready";
    if (!ours) conditions.push_back(condition);
  }
  status.set("conditions", std::move(conditions));
  const auto address = [](const char* type, const std::string& value) {
    return api::Value::object({{"type", type}, {"address", value}});
  };
  status.set("addresses", api::Value::array({address("InternalIP", input.node_ip),
                                             address("Hostname", input.host_name)}));
  status.set("daemonEndpoints",
             api::Value::object({{"kubeletEndpoint",
                                  api::Value::object({{"Port", int64_t{input.kubelet_port}}})}}));
  status.set("nodeInfo", api::Value::object({{"machineID", machine.machine_id},
                                             {"systemUUID", machine.system_uuid},
                                             {"bootID", machine.boot_id},
                                             {"kernelVersion", machine.kernel},
                                             {"osImage", machine.os_image},
                                             {"containerRuntimeVersion", input.runtime_version},
                                             {"kubeletVersion", input.kubelet_version},
                                             {"kubeProxyVersion", input.kubelet_version},
                                             {"operatingSystem", "linux"},
                                             {"architecture", machine.architecture}}));
  status.set("images", images_of(images));
  return status;
}

api::Value node_lease(const std::string& node_name, const api::Value& node,
                      const api::Value& existing, WallTime now) {
  api::Value lease = existing;
  if (lease.is_null()) {
    lease = api::Value::object({{"apiVersion", "coordination.k8s.io/v1"}, {"kind", "Lease"}});
    lease["metadata"].set("name", node_name);
    lease["metadata"].set("namespace", "kube-node-lease");
  }
  if (const auto& uid = node["metadata"]["uid"]; !uid.empty()) {
    lease["metadata"].set(
        "ownerReferences",
        api::Value::array({api::Value::object(
            {{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node_name}, {"uid", uid}})}));
  }
  auto& spec = lease["spec"];
  spec.set("holderIdentity", node_name);
  spec.set("leaseDurationSeconds", kLeaseSeconds);
  spec.set("renewTime", format_micro_time(now));
  return lease;
}

}  // namespace orch::pods
