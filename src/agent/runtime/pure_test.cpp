// The pure parts of the room, by table.
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "agent/runtime/capabilities.h"
#include "agent/runtime/cgroup.h"
#include "agent/runtime/container_record.h"
#include "agent/runtime/cri_log.h"
#include "agent/runtime/host.h"
#include "agent/runtime/oci_spec.h"
#include "agent/runtime/record.h"
#include "agent/runtime/runc.h"
#include "agent/runtime/runtime.h"
#include "agent/runtime/seccomp.h"
#include "api/json.h"
#include "base/files.h"

namespace orch::runtime {
namespace {

using api::Value;

TEST_CASE("records come back as they went, whatever the values") {
  Record record{{"id", "a=b"}, {"argv", "/bin/sh"}, {"argv", "line\nback\\slash"}, {"empty", ""}};
  record.add_number("n", -7);
  const Record back = *Record::parse(record.render());
  CHECK(back.fields() == record.fields());
  CHECK(back.all("argv") == std::vector<std::string>{"/bin/sh", "line\nback\\slash"});
  CHECK(back.number("n") == -7);
  CHECK(back.has("empty"));
  CHECK_FALSE(back.has("none"));
  CHECK(back.text("none").empty());
  for (const char* bad : {"x", "x\n", "=y\n", "k=v\\\n", "k=\\t\n", "k=v\nrest"})
    CHECK(Record::parse(bad).status().code == 400);
}

TEST_CASE("log lines: whole, partial, split over reads") {
  struct Case {
    std::vector<std::string> reads;
    std::string log;
    std::string rest;
  };
  const std::string full(kMaxLogLineBytes, 'x');
  const std::vector<Case> cases = {
      {{"a\nb\n"}, "T stdout F a\nT stdout F b\n", ""},
      {{"a", "b\nc"}, "T stdout F ab\n", "c"},
      {{"\n\n"}, "T stdout F \nT stdout F \n", ""},
      {{full + "\n"}, "T stdout F " + full + "\n", ""},
      {{full + "yz\n"}, "T stdout P " + full + "\nT stdout F yz\n", ""},
      {{full}, "T stdout P " + full + "\n", ""},
      {{full.substr(1), "yz"}, "T stdout P " + full.substr(1) + "y\n", "z"},
      {{full + full + "\n"}, "T stdout P " + full + "\nT stdout F " + full + "\n", ""},
  };
  for (const Case& c : cases) {
    std::string log, rest;
    for (const std::string& read : c.reads) log += render_log_lines(read, Stream::out, "T", &rest);
    CHECK(log == c.log);
    CHECK(rest == c.rest);
  }
}

TEST_CASE("logs rotate: none grows past its limit, the oldest go, no line is lost between them") {
  namespace fs = std::filesystem;
  char name[] = "/tmp/orch-log-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  FakeClock clock;
  CriLog log(folder + "/c/0.log", 500, 3, clock);
  REQUIRE(log.open().ok());
  for (int i = 0; i < 40; ++i) {
    clock.advance(std::chrono::seconds{1});
    log.append(Stream::err, "line " + std::to_string(i) + "\n");
  }
  log.append(Stream::err, "unfinished");
  log.finish(Stream::err);
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder + "/c")) {
    files.push_back(entry.path().filename());
    CHECK(entry.file_size() <= 500);
  }
  CHECK(files.size() == 3);
  CHECK(read_file(folder + "/c/0.log")->ends_with("stderr P unfinished\n"));
  // Somebody else's rotation: after open() the lines go to the new file.
  fs::rename(folder + "/c/0.log", folder + "/c/moved");
  REQUIRE(log.open().ok());
  log.append(Stream::out, "after\n");
  CHECK(read_file(folder + "/c/0.log")->ends_with("stdout F after\n"));
  fs::remove_all(folder);
}

TEST_CASE("capabilities: defaults, added, dropped, all") {
  const auto mask = [](std::vector<std::string> add, std::vector<std::string> drop,
                       bool privileged = false) {
    return capability_mask(*resolve_capabilities(add, drop, privileged));
  };
  constexpr uint64_t kAll = (uint64_t{1} << 41) - 1;
  CHECK(mask({}, {}) == 0xa80425fb);  // What docker's containers show in /proc/self/status.
  CHECK(mask({"NET_ADMIN"}, {"ALL"}) == 1u << 12);
  CHECK(mask({"CAP_SYS_TIME"}, {"CAP_CHOWN"}) == ((0xa80425fbu & ~1u) | 1u << 25));
  CHECK(mask({"ALL"}, {"SYS_ADMIN"}) == (kAll & ~(uint64_t{1} << 21)));
  CHECK(mask({}, {"ALL"}) == 0);
  CHECK(mask({}, {"ALL"}, true) == kAll);
  CHECK(resolve_capabilities({"FLY"}, {}, false).status().code == 400);
  CHECK(capability_names(1) == std::vector<std::string>{"CAP_CHOWN"});
}

TEST_CASE("cgroup mounts: v1 and hybrid by hierarchy, v2 alone as one") {
  const CgroupMounts hybrid = plan_cgroup_mounts(
      "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
      "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0\n"
      "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
      "cgroup /elsewhere/memory cgroup rw,memory 0 0\n"
      "cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n"
      "cgroup /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
  CHECK_FALSE(hybrid.unified);
  CHECK(hybrid.hierarchies ==
        std::vector<CgroupMounts::Hierarchy>{{"/sys/fs/cgroup/cpu,cpuacct", {"cpu", "cpuacct"}},
                                             {"/sys/fs/cgroup/memory", {"memory"}},
                                             {"/sys/fs/cgroup/systemd", {}},
                                             {"/sys/fs/cgroup/unified", {}}});
  const CgroupMounts v2 =
      plan_cgroup_mounts("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\nproc /proc proc rw\n");
  CHECK(v2.unified);
  CHECK(v2.hierarchies == std::vector<CgroupMounts::Hierarchy>{{"/sys/fs/cgroup", {}}});
  CHECK(plan_cgroup_mounts("").hierarchies.empty());

  CHECK(cpu_weight(2) == 1);
  CHECK(cpu_weight(512) == 20);
  CHECK(cpu_weight(1024) == 39);
  CHECK(cpu_weight(262'144) == 10'000);
  CHECK(cpu_weight(0) == 1);
}

// The v2 paths against a folder that looks like one: which file gets what.
TEST_CASE("cgroup v2 files: limits written, statistics read") {
  namespace fs = std::filesystem;
  char name[] = "/tmp/orch-cgroup-XXXXXX";
  const std::string root = ::mkdtemp(name);
  const std::string pod = root + "/pod";
  fs::create_directories(pod);
  const std::map<std::string, std::string> files = {
      {"memory.max", "max\n"},
      {"cpu.weight", "100\n"},
      {"cpu.max", "max 100000\n"},
      {"pids.max", "max\n"},
      {"cpu.stat", "usage_usec 1500\nuser_usec 1\nnr_periods 4\nthrottled_usec 2\n"},
      {"memory.current", "10000\n"},
      {"pids.current", "3\n"},
      {"memory.events", "low 0\nhigh 0\nmax 2\noom 1\noom_kill 1\n"},
      {"memory.stat", "anon 4096\ninactive_file 3000\npgfault 7\npgmajfault 2\n"}};
  for (const auto& [file, text] : files) REQUIRE(write_file_atomic(pod + "/" + file, text).ok());
  const Cgroups cgroups(CgroupMounts{true, {{root, {}}}});
  CgroupStats stats = *cgroups.stats("pod");
  CHECK(stats.cpu_usage_ns == 1'500'000);
  CHECK(stats.cpu_user_ns == 1'000);
  CHECK(stats.cpu_periods == 4);
  CHECK(stats.cpu_throttled_ns == 2'000);
  CHECK(stats.memory_usage_bytes == 10'000);
  CHECK(stats.memory_working_set_bytes == 7'000);
  CHECK(stats.memory_rss_bytes == 4'096);
  CHECK(stats.page_faults == 7);
  CHECK(stats.major_page_faults == 2);
  CHECK_FALSE(stats.memory_limit_bytes);
  CHECK(stats.pids == 3);
  CHECK(stats.oom_kills == 1);
  CHECK(cgroups.stats("other").status().not_found());

  CgroupLimits limits;
  limits.memory_bytes = 1 << 20;
  limits.cpu_shares = 1024;
  limits.cpu_quota_us = 50'000;
  limits.pids = 9;
  REQUIRE(cgroups.set_limits("pod", limits).ok());
  CHECK(read_file(pod + "/memory.max")->starts_with("1048576"));
  CHECK(read_file(pod + "/cpu.weight")->starts_with("39"));
  CHECK(read_file(pod + "/cpu.max")->starts_with("50000 100000"));
  CHECK(read_file(pod + "/pids.max")->starts_with("9"));
  CHECK(cgroups.stats("pod")->memory_limit_bytes == 1u << 20);
  fs::remove_all(root);
}

ContainerConfig web() {
  ContainerConfig config;
  config.id = "c1";
  config.rootfs = "/images/web";
  config.args = {"/web", "--port=80"};
  config.env = {"PATH=/bin"};
  config.uid = 7;
  config.groups = {8};
  config.capabilities = {"CAP_CHOWN", "CAP_SYS_RESOURCE"};
  return config;
}

SpecContext pod_context() {
  SpecContext context;
  context.net_path = "/p/ns/net";
  context.ipc_path = "/p/ns/ipc";
  context.uts_path = "/p/ns/uts";
  context.shm_path = "/p/shm";
  context.cgroup = "kubepods/pod1/c1";
  return context;
}

Value spec_of(const ContainerConfig& config, const SpecContext& context) {
  return *api::parse_json(render_oci_spec(config, context));
}

const Value& mount_at(const Value& spec, std::string_view target) {
  static const Value kNone;
  for (const Value& mount : spec["mounts"].items())
    if (mount["destination"].as_string() == target) return mount;
  return kNone;
}

TEST_CASE("the OCI spec of an ordinary container") {
  const Value spec = spec_of(web(), pod_context());
  CHECK(api::to_json(spec["process"]) ==
        R"({"terminal":false,"user":{"uid":7,"gid":0,"additionalGids":[8]},)"
        R"("args":["/web","--port=80"],"env":["PATH=/bin"],"cwd":"/",)"
        R"("capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE"],)"
        R"("effective":["CAP_CHOWN","CAP_SYS_RESOURCE"],)"
        R"("permitted":["CAP_CHOWN","CAP_SYS_RESOURCE"]},"noNewPrivileges":false,)"
        R"("oomScoreAdj":0})");
  CHECK(api::to_json(spec["root"]) == R"({"path":"/images/web","readonly":false})");
  CHECK(api::to_json(spec["linux"]["namespaces"]) ==
        R"([{"type":"mount"},{"type":"network","path":"/p/ns/net"},)"
        R"({"type":"ipc","path":"/p/ns/ipc"},{"type":"uts","path":"/p/ns/uts"},{"type":"pid"}])");
  CHECK(spec["linux"]["cgroupsPath"].as_string() == "/kubepods/pod1/c1");
  CHECK(api::to_json(spec["linux"]["resources"]) ==
        R"({"devices":[{"allow":false,"access":"rwm"}]})");
  CHECK(spec["linux"]["maskedPaths"].size() > 5);
  CHECK(spec["linux"]["readonlyPaths"].size() == 5);
  CHECK_FALSE(spec["linux"].has("seccomp"));
  CHECK_FALSE(spec["linux"].has("rootfsPropagation"));
  CHECK(mount_at(spec, "/dev/shm")["source"].as_string() == "/p/shm");
  CHECK(api::to_json(mount_at(spec, "/sys")["options"]) == R"(["nosuid","noexec","nodev","ro"])");
}

TEST_CASE("the OCI spec follows what is asked for") {
  ContainerConfig config = web();
  SpecContext context = pod_context();
  SECTION("resources") {
    config.resources = {1 << 20, 512, 50'000, std::nullopt, 10, 900};
    const Value resources = spec_of(config, context)["linux"]["resources"];
    CHECK(api::to_json(resources["memory"]) == R"({"limit":1048576,"swap":1048576})");
    CHECK(api::to_json(resources["cpu"]) == R"({"shares":512,"quota":50000,"period":100000})");
    CHECK(api::to_json(resources["pids"]) == R"({"limit":10})");
  }
  SECTION("what the host cannot give is taken back") {
    context.host.may_raise = false;
    context.host.min_oom_score_adj = 0;
    context.host.capabilities = 1;
    context.host.hard_rlimits["RLIMIT_NOFILE"] = 20'000;
    config.resources.oom_score_adj = -997;
    config.rlimits = {{"RLIMIT_NOFILE", 1u << 20, 1u << 20}};
    const Value spec = spec_of(config, context);
    CHECK(spec["process"]["oomScoreAdj"].as_int() == 0);
    CHECK(api::to_json(spec["process"]["rlimits"]) ==
          R"([{"type":"RLIMIT_NOFILE","soft":20000,"hard":20000}])");
    CHECK(api::to_json(spec["process"]["capabilities"]["bounding"]) == R"(["CAP_CHOWN"])");
  }
  SECTION("mounts: own ones replace defaults, propagation reaches the root") {
    config.mounts = {{"/v/mem", "/dev/shm"},
                     {"/v/a", "/a", true, Propagation::host_to_container},
                     {"tmpfs", "/t", false, Propagation::none, "tmpfs", {"size=1m"}}};
    const Value spec = spec_of(config, context);
    CHECK(mount_at(spec, "/dev/shm")["source"].as_string() == "/v/mem");
    CHECK(api::to_json(mount_at(spec, "/a")["options"]) == R"(["rbind","rslave","ro"])");
    CHECK(api::to_json(mount_at(spec, "/t")["options"]) == R"(["rw","size=1m"])");
    CHECK(spec["linux"]["rootfsPropagation"].as_string() == "rslave");
    config.mounts[1].propagation = Propagation::bidirectional;
    CHECK(spec_of(config, context)["linux"]["rootfsPropagation"].as_string() == "rshared");
  }
  SECTION("privileged: everything is there and nothing hidden") {
    config.privileged = true;
    config.seccomp = Seccomp::runtime_default;
    context.devices = {{"/dev/sda", 'b', 8, 0, 0660, 0, 6}};
    const Value spec = spec_of(config, context);
    CHECK_FALSE(spec["linux"].has("maskedPaths"));
    CHECK_FALSE(spec["linux"].has("seccomp"));
    CHECK(spec["linux"]["devices"][0]["path"].as_string() == "/dev/sda");
    CHECK(spec["linux"]["resources"]["devices"][0]["allow"].as_bool());
    CHECK(mount_at(spec, "/sys")["options"].items().back().as_string() == "rw");
  }
  SECTION("namespaces of the host, of the pod, and cgroup v2") {
    context = SpecContext{};
    context.host_pid = true;
    CHECK(api::to_json(spec_of(config, context)["linux"]["namespaces"]) == R"([{"type":"mount"}])");
    context.host_pid = false;
    context.pid_path = "/p/ns/pid";
    context.cgroup_v2 = true;
    CHECK(api::to_json(spec_of(config, context)["linux"]["namespaces"]) ==
          R"([{"type":"mount"},{"type":"cgroup"},{"type":"pid","path":"/p/ns/pid"}])");
  }
  SECTION("seccomp names every denied call") {
    config.seccomp = Seccomp::runtime_default;
    const Value rule = spec_of(config, context)["linux"]["seccomp"]["syscalls"][0];
    CHECK(rule["names"].size() == denied_calls().size());
    CHECK(rule["action"].as_string() == "SCMP_ACT_ERRNO");
  }
}

// A classic BPF machine for the few instructions that the filter has.
uint32_t verdict_of(const std::vector<sock_filter>& filter, uint32_t arch, uint32_t call) {
  uint32_t loaded = 0;
  for (size_t at = 0; at < filter.size(); ++at) {
    const sock_filter& step = filter[at];
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        loaded = step.k == offsetof(seccomp_data, arch) ? arch : call;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += loaded == step.k ? step.jt : step.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += loaded >= step.k ? step.jt : step.jf;
        break;
      case BPF_RET | BPF_K:
        return step.k;
      default:
        FAIL("unknown instruction");
    }
  }
  FAIL("the filter has no end");
  return 0;
}

#if defined(__x86_64__)
TEST_CASE("the seccomp filter denies its list, allows the rest, kills foreign calls") {
  const std::vector<sock_filter> filter = plan_seccomp_filter();
  for (const DeniedCall& call : denied_calls())
    CHECK(verdict_of(filter, AUDIT_ARCH_X86_64, static_cast<uint32_t>(call.number)) ==
          (SECCOMP_RET_ERRNO | EPERM));
  for (const int allowed : {SYS_read, SYS_execve, SYS_clone, SYS_ptrace, SYS_chroot})
    CHECK(verdict_of(filter, AUDIT_ARCH_X86_64, static_cast<uint32_t>(allowed)) ==
          SECCOMP_RET_ALLOW);
  CHECK(verdict_of(filter, AUDIT_ARCH_I386, SYS_read) == SECCOMP_RET_KILL_PROCESS);
  CHECK(verdict_of(filter, AUDIT_ARCH_X86_64, 0x40000000) == SECCOMP_RET_KILL_PROCESS);
}
#endif

TEST_CASE("runc's last error is what the user reads") {
  CHECK(plan_runc_error("{\"level\":\"warning\",\"msg\":\"w\"}\n"
                        "{\"level\":\"error\",\"msg\":\"exec: \\\"x\\\": not found\"}\n") ==
        "exec: \"x\": not found");
  CHECK(plan_runc_error("panic: not JSON\n").empty());
  CHECK(plan_runc_error("").empty());
}

TEST_CASE("container records keep what exec and list() need") {
  ContainerConfig config = web();
  config.sandbox_id = "pod1";
  config.env.push_back("TEXT=two\nlines");
  config.attempt = 3;
  config.tty = true;
  config.rlimits = {{"RLIMIT_NOFILE", 5, ~uint64_t{0}}};
  const ContainerConfig back = parse_container(render_container(config, WallTime{}));
  CHECK(back.env == config.env);
  CHECK(back.groups == config.groups);
  CHECK(back.capabilities == config.capabilities);
  CHECK(back.attempt == 3);
  CHECK(back.tty);
  CHECK(back.rlimits.at(0).hard == ~uint64_t{0});
  const Exit exit{137, 9, true, false, WallTime{std::chrono::nanoseconds{123}}};
  CHECK(parse_exit(render_exit(exit)) == exit);
}

}  // namespace
}  // namespace orch::runtime
