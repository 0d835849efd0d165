// `orch reset`: takes away everything that a node made on this machine (pods' processes, mounts,
// links, rules, cgroups), so that an uninstall leaves nothing. The data directory itself stays.
// Each step is tried even when one before it failed; what failed is told.
#include <cstdio>

#include "agent/images/images.h"
#include "agent/network/network.h"
#include "agent/runtime/cgroup.h"
#include "agent/runtime/runtime.h"
#include "agent/volumes/mounts.h"
#include "base/clock.h"
#include "base/files.h"
#include "cli/process.h"
#include "cli/verbs.h"
#include "netfilter/commit.h"

namespace orch::cli {

namespace {

constexpr const char* kPodCgroups = "kubepods";

class Report {
 public:
  void done(const Result<void>& step, const char* what) {
    if (step) return;
    std::fprintf(stderr, "orch: %s: %s\n", what, step.status().message.c_str());
    failed_ = true;
  }
  int exit_code() const { return failed_ ? 1 : 0; }

 private:
  bool failed_ = false;
};

Result<void> remove_pods(const std::string& run_dir, Report& report) {
  runtime::Options options;
  options.state_dir = run_dir;
  const auto runtime = ORCH_TRY(runtime::Runtime::open(options, system_clock()));
  for (const runtime::SandboxState& sandbox : runtime->list()) {
    std::printf("removing pod %s\n", sandbox.id.c_str());
    report.done(runtime->remove_sandbox(sandbox.id), "remove pod");
    if (!sandbox.log_dir.empty()) report.done(remove_tree(sandbox.log_dir), "remove logs");
  }
  return {};
}

// The folder above all pods' cgroups, unless another orch on this machine has pods there.
Result<void> remove_cgroups() {
  const auto cgroups = ORCH_TRY(runtime::Cgroups::detect());
  if (!cgroups.processes(kPodCgroups).empty()) return {};
  return cgroups.remove(kPodCgroups);
}

Result<void> unmount_images(const std::string& data_dir, Report& report) {
  images::Options options;
  options.dir = images_dir(data_dir);
  const auto images = ORCH_TRY(images::Images::open(options, system_clock(), system_random()));
  for (const std::string& container : images->mounted())
    report.done(images->unmount(container), "unmount image");
  return {};
}

}  // namespace

int run_reset(const ResetOptions& options) {
  Report report;
  if (file_exists(options.run_dir)) report.done(remove_pods(options.run_dir, report), "pods");
  report.done(remove_cgroups(), "cgroups");
  if (file_exists(options.data_dir + "/agent"))
    report.done(unmount_images(options.data_dir, report), "images");
  for (const std::string& dir : {options.data_dir, options.run_dir})
    report.done(volumes::unmount_beneath(dir), "mounts");
  report.done(network::teardown_node(), "network");
  report.done(netfilter::remove_all(), "rules");
  report.done(remove_tree(options.data_dir + "/agent/pods"), "records of pods");
  report.done(remove_tree(options.run_dir), "state of this boot");
  return report.exit_code();
}

}  // namespace orch::cli
