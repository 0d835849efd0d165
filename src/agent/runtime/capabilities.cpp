#include "agent/runtime/capabilities.h"

#include <array>
#include <cstdlib>

#include "agent/runtime/runtime.h"
#include "base/files.h"

namespace orch::runtime {

namespace {

// The index is the kernel's number (capabilities(7), linux/capability.h).
constexpr std::array<std::string_view, 41> kNames = {"CAP_CHOWN",
                                                     "CAP_DAC_OVERRIDE",
                                                     "CAP_DAC_READ_SEARCH",
                                                     "CAP_FOWNER",
                                                     "CAP_FSETID",
                                                     "CAP_KILL",
                                                     "CAP_SETGID",
                                                     "CAP_SETUID",
                                                     "CAP_SETPCAP",
                                                     "CAP_LINUX_IMMUTABLE",
                                                     "CAP_NET_BIND_SERVICE",
                                                     "CAP_NET_BROADCAST",
                                                     "CAP_NET_ADMIN",
                                                     "CAP_NET_RAW",
                                                     "CAP_IPC_LOCK",
                                                     "CAP_IPC_OWNER",
                                                     "CAP_SYS_MODULE",
                                                     "CAP_SYS_RAWIO",
                                                     "CAP_SYS_CHROOT",
                                                     "CAP_SYS_PTRACE",
                                                     "CAP_SYS_PACCT",
                                                     "CAP_SYS_ADMIN",
                                                     "CAP_SYS_BOOT",
                                                     "CAP_SYS_NICE",
                                                     "CAP_SYS_RESOURCE",
                                                     "CAP_SYS_TIME",
                                                     "CAP_SYS_TTY_CONFIG",
                                                     "CAP_MKNOD",
                                                     "CAP_LEASE",
                                                     "CAP_AUDIT_WRITE",
                                                     "CAP_AUDIT_CONTROL",
                                                     "CAP_SETFCAP",
                                                     "CAP_MAC_OVERRIDE",
                                                     "CAP_MAC_ADMIN",
                                                     "CAP_SYSLOG",
                                                     "CAP_WAKE_ALARM",
                                                     "CAP_BLOCK_SUSPEND",
                                                     "CAP_AUDIT_READ",
                                                     "CAP_PERFMON",
                                                     "CAP_BPF",
                                                     "CAP_CHECKPOINT_RESTORE"};

// What every container runtime gives a container that asks for nothing.
constexpr std::array<std::string_view, 14> kDefault = {
    "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FOWNER",  "CAP_FSETID",     "CAP_KILL",
    "CAP_SETGID", "CAP_SETUID",       "CAP_SETPCAP", "CAP_NET_RAW",    "CAP_NET_BIND_SERVICE",
    "CAP_MKNOD",  "CAP_SYS_CHROOT",   "CAP_SETFCAP", "CAP_AUDIT_WRITE"};

constexpr uint64_t kAll = (uint64_t{1} << kNames.size()) - 1;

Result<uint64_t> mask_of(const std::vector<std::string>& names) {
  uint64_t mask = 0;
  for (const std::string& name : names) {
    if (name == "ALL" || name == "all") {
      mask |= kAll;
      continue;
    }
    const int number = capability_number(name.starts_with("CAP_") ? name : "CAP_" + name);
    if (number < 0) return bad_request("unknown capability \"" + name + "\"");
    mask |= uint64_t{1} << number;
  }
  return mask;
}

}  // namespace

int capability_number(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<int>(i);
  return -1;
}

uint64_t capability_mask(const std::vector<std::string>& names) {
  uint64_t mask = 0;
  for (const std::string& name : names) {
    const int number = capability_number(name);
    if (number >= 0) mask |= uint64_t{1} << number;
  }
  return mask;
}

std::vector<std::string> capability_names(uint64_t mask) {
  std::vector<std::string> names;
  for (size_t i = 0; i < kNames.size(); ++i)
    if ((mask >> i & 1) != 0) names.emplace_back(kNames[i]);
  return names;
}

uint64_t bounding_capabilities() {
  const Result<std::string> status = read_file("/proc/self/status");
  if (!status) return 0;
  const size_t at = status->find("CapBnd:");
  if (at == std::string::npos) return 0;
  return std::strtoull(status->c_str() + at + 7, nullptr, 16);
}

Result<std::vector<std::string>> resolve_capabilities(const std::vector<std::string>& add,
                                                      const std::vector<std::string>& drop,
                                                      bool privileged) {
  const uint64_t added = ORCH_TRY(mask_of(add));
  const uint64_t dropped = ORCH_TRY(mask_of(drop));
  if (privileged) return capability_names(kAll);
  uint64_t mask = 0;
  for (const std::string_view name : kDefault) mask |= uint64_t{1} << capability_number(name);
  // "drop: ALL, add: X" leaves X; "add: ALL, drop: X" leaves all but X.
  if (added == kAll) return capability_names(kAll & ~dropped);
  return capability_names((mask & ~dropped) | added);
}

}  // namespace orch::runtime
