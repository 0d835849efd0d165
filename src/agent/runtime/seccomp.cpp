#include "agent/runtime/seccomp.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>

namespace orch::runtime {

namespace {

#if defined(__x86_64__)
constexpr uint32_t kAuditArch = AUDIT_ARCH_X86_64;
constexpr uint32_t kX32Bit = 0x40000000;
constexpr const char* kArchitecture = "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
constexpr uint32_t kAuditArch = AUDIT_ARCH_AARCH64;
constexpr const char* kArchitecture = "SCMP_ARCH_AARCH64";
#else
#error "seccomp: tell this file the audit architecture"
#endif

#define ORCH_DENIED(call) \
  { #call, SYS_##call }

constexpr DeniedCall kDenied[] = {
    ORCH_DENIED(acct),
    ORCH_DENIED(add_key),
    ORCH_DENIED(bpf),
    ORCH_DENIED(clock_adjtime),
    ORCH_DENIED(clock_settime),
    ORCH_DENIED(delete_module),
    ORCH_DENIED(finit_module),
    ORCH_DENIED(fsconfig),
    ORCH_DENIED(fsmount),
    ORCH_DENIED(fsopen),
    ORCH_DENIED(fspick),
    ORCH_DENIED(init_module),
    ORCH_DENIED(io_uring_enter),
    ORCH_DENIED(io_uring_register),
    ORCH_DENIED(io_uring_setup),
    ORCH_DENIED(kcmp),
    ORCH_DENIED(kexec_file_load),
    ORCH_DENIED(kexec_load),
    ORCH_DENIED(keyctl),
    ORCH_DENIED(lookup_dcookie),
    ORCH_DENIED(mount),
    ORCH_DENIED(move_mount),
    ORCH_DENIED(move_pages),
    ORCH_DENIED(open_by_handle_at),
    ORCH_DENIED(open_tree),
    ORCH_DENIED(perf_event_open),
    ORCH_DENIED(pivot_root),
    ORCH_DENIED(quotactl),
    ORCH_DENIED(reboot),
    ORCH_DENIED(request_key),
    ORCH_DENIED(setns),
    ORCH_DENIED(settimeofday),
    ORCH_DENIED(swapoff),
    ORCH_DENIED(swapon),
    ORCH_DENIED(umount2),
    ORCH_DENIED(unshare),
    ORCH_DENIED(userfaultfd),
    ORCH_DENIED(vhangup),
#if defined(__x86_64__)
    ORCH_DENIED(create_module),
    ORCH_DENIED(get_kernel_syms),
    ORCH_DENIED(ioperm),
    ORCH_DENIED(iopl),
    ORCH_DENIED(nfsservctl),
    ORCH_DENIED(query_module),
    ORCH_DENIED(sysfs),
    ORCH_DENIED(_sysctl),
    ORCH_DENIED(uselib),
    ORCH_DENIED(ustat),
#endif
};
#undef ORCH_DENIED

}  // namespace

std::span<const DeniedCall> denied_calls() { return kDenied; }

std::vector<std::string> seccomp_architectures() { return {kArchitecture}; }

std::vector<sock_filter> plan_seccomp_filter() {
  std::vector<sock_filter> filter;
  const auto load = [&](size_t offset) {
    filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)));
  };
  const auto unless_equal_skip = [&](uint32_t value, uint8_t skipped) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped));
  };
  const auto answer = [&](uint32_t verdict) {
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, verdict));
  };
  load(offsetof(seccomp_data, arch));
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAuditArch, 1, 0));
  answer(SECCOMP_RET_KILL_PROCESS);
  load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1));
  answer(SECCOMP_RET_KILL_PROCESS);
#endif
  for (const DeniedCall& call : kDenied) {
    unless_equal_skip(static_cast<uint32_t>(call.number), 1);
    answer(SECCOMP_RET_ERRNO | kDeniedErrno);
  }
  answer(SECCOMP_RET_ALLOW);
  return filter;
}

}  // namespace orch::runtime
