// The RuntimeDefault seccomp profile: everything is allowed but the calls that reach past a
// container (kernel modules, mounts, clocks, keyrings, namespaces, BPF, kexec, ...), which fail
// with EPERM. A short list of what is denied instead of the usual 400 that are allowed: libseccomp
// compiles it in a fraction of the time, and new harmless calls work. Pure.
//
// Two users: the OCI spec names the calls; exec, which starts processes without runc, loads the
// same list as BPF.
#pragma once

#include <linux/filter.h>

#include <cerrno>
#include <span>
#include <string>
#include <vector>

namespace orch::runtime {

struct DeniedCall {
  const char* name;
  int number;  // On this architecture.
};

inline constexpr int kDeniedErrno = EPERM;

std::span<const DeniedCall> denied_calls();
std::vector<std::string> seccomp_architectures();  // As OCI spells them: "SCMP_ARCH_X86_64", ...
// Another architecture's calls (x32, i386) kill the process: their numbers mean other things.
std::vector<sock_filter> plan_seccomp_filter();

}  // namespace orch::runtime
