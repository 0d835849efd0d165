// What is behind Runtime. Included by its .cpp files only.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "agent/runtime/cgroup.h"
#include "agent/runtime/channel.h"
#include "agent/runtime/container_record.h"
#include "agent/runtime/events.h"
#include "agent/runtime/host.h"
#include "agent/runtime/runtime.h"

namespace orch::runtime {

struct Runtime::State {
  State(Options an_options, Clock& a_clock, Settings the_settings, Cgroups the_cgroups)
      : options(std::move(an_options)),
        clock(a_clock),
        settings(std::move(the_settings)),
        pods(options.state_dir + "/pods"),
        cgroups(std::move(the_cgroups)),
        host(read_host_limits()) {}

  Options options;
  Clock& clock;
  Settings settings;
  std::string pods;  // <state_dir>/pods
  Cgroups cgroups;
  HostLimits host;
  std::unique_ptr<Events> events;
  std::mutex mutex;                           // Guards what is below.
  std::map<std::string, std::string> owners;  // Container id → sandbox id.

  PodPaths pod(const std::string& id) const;
  // Each request has a connection of its own: no lock, no mixing of answers.
  Result<UniqueFd> connect(const std::string& sandbox_id) const;
  Result<Message> call(const UniqueFd& shim, const Record& request,
                       const std::vector<int>& fds = {}) const;
  Result<void> ask(const std::string& sandbox_id, const Record& request) const;
  Result<void> subscribe(const std::string& sandbox_id);
  void remove_half_made(const std::string& sandbox_id);
  Result<std::string> sandbox_of(const std::string& container_id);
  Result<void> make_sandbox(const SandboxConfig& config);
  Result<void> make_container(const ContainerConfig& config, const SandboxConfig& sandbox);
};

}  // namespace orch::runtime
