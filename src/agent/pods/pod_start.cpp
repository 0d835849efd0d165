// PodWorker's ways up: sandbox, volumes, containers. Images: pod_pull.cpp.
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/pods/container_config.h"
#include "agent/pods/etc_files.h"
#include "agent/pods/pod_worker.h"
#include "agent/volumes/mounts.h"
#include "api/resources.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

constexpr int64_t kHookTimeoutMs = 24 * 3600 * 1000;  // postStart has no limit of its own.
constexpr size_t kMaxEtcBytes = 1 << 20;

// A file of the image, opened beneath its root; "" when there is none.
std::string read_in_rootfs(const std::string& rootfs, const std::string& path) {
  const UniqueFd root(::open(rootfs.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return "";
  const auto file = open_in_root(root.get(), path, O_RDONLY | O_NONBLOCK);
  if (!file.ok()) return "";
  std::string text(kMaxEtcBytes, '\0');
  const ssize_t n = ::read(file->get(), text.data(), text.size());
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

Result<void> touch(const std::string& path) {
  ORCH_TRY(make_dirs(path.substr(0, path.rfind('/')), 0755));
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!fd) return system_error("create " + path, errno);
  // Whoever the container runs as writes its last words here.
  if (::fchmod(fd.get(), 0666) != 0) return system_error("chmod " + path, errno);
  return {};
}

}  // namespace

bool PodWorker::create_sandbox() {
  const auto fail = [&](const char* reason, const std::string& message) {
    event("Warning", reason, message);
    setup_backoff_s_ = std::min<int64_t>(kMaxBackoffS, std::max<int64_t>(1, setup_backoff_s_ * 2));
    setup_retry_at_ = node_.clock.now() + std::chrono::seconds(setup_backoff_s_);
    wake_at(*setup_retry_at_);
    return false;
  };
  if (!host_network(server_pod_) && !node_.network.is_set_up()) {
    // No event: every pod of a new node passes here. Setting the network up wakes all.
    return false;
  }
  if (const auto removed = node_.runtime.remove_sandbox(uid_); !removed.ok()) {
    return fail("FailedKillPod", removed.status().message);
  }
  pod_ip_.clear();
  if (const auto volumes = refresh_volumes(); !volumes.ok()) {
    return fail("FailedMount", volumes.status().message);
  }
  const auto config = sandbox_config(server_pod_, log_dir());
  const auto create = [&]() -> Result<void> {
    ORCH_TRY(node_.runtime.create_sandbox(config));
    if (host_network(server_pod_)) {
      pod_ip_ = node_.facts.node_ip;
    } else {
      const auto netns = ORCH_TRY(node_.runtime.netns_path(uid_));
      pod_ip_ = ORCH_TRY(node_.network.attach(uid_, netns)).text();
    }
    return write_etc_files();
  };
  if (const auto created = create(); !created.ok()) {
    (void)remove_sandbox();
    return fail("FailedCreatePodSandBox",
                "Failed to create pod sandbox: " + created.status().message);
  }
  setup_retry_at_.reset();
  setup_backoff_s_ = 0;
  for (auto& [name, history] : record_.containers) {
    if (!history.current) continue;
    history.stale = true;
    record_dirty_ = true;
  }
  adopted_ = true;
  return true;
}

Result<void> PodWorker::refresh_volumes() {
  const PodFacts facts{server_pod_, pod_ip_, node_.facts.node_ip, node_.facts.cpu_milli,
                       node_.facts.memory_bytes};
  volumes::PodContext context{server_pod_, dir() + "/volumes", {}, {}};
  context.field = [&](std::string_view path) { return field_value(facts, path); };
  context.resource_field = [&](const api::Value& selector) {
    return resource_field_value(facts, api::Value(), selector);
  };
  auto made = node_.volumes.set_up(context);
  if (!made.ok()) return made.status();
  volumes_ = std::move(made->volumes);
  volumes_stale_ = false;
  if (made->refresh_at) wake_at(*made->refresh_at);
  return {};
}

Result<void> PodWorker::write_etc_files() {
  const auto text_of = [](const std::string& path) {
    return read_file(path, kMaxEtcBytes).value_or("");
  };
  const std::string folder = dir() + "/etc";
  ORCH_TRY(make_dirs(folder, 0755));
  const DnsFacts dns{node_.facts.cluster_dns, node_.facts.cluster_domain,
                     text_of(node_.facts.resolv_conf_path)};
  ORCH_TRY(write_file_whole(
      folder + "/hosts",
      render_hosts(server_pod_, pod_ip_, node_.facts.cluster_domain, text_of("/etc/hosts")), 0644));
  ORCH_TRY(write_file_whole(folder + "/resolv.conf", render_resolv_conf(server_pod_, dns), 0644));
  const std::string hostname =
      host_network(server_pod_) ? text_of("/etc/hostname") : pod_hostname(server_pod_) + "\n";
  return write_file_whole(folder + "/hostname", hostname, 0644);
}

Result<Environment> PodWorker::environment_of(const ContainerSpec& container) const {
  const auto& ns = pod_namespace(server_pod_);
  const auto lookup = [&](const api::Resource& resource, const char* kind) {
    return [this, &resource, &ns, kind](const std::string& name) -> Result<api::Value> {
      if (auto cached = node_.cache.get(resource, {ns, name})) return *std::move(cached);
      auto found = node_.api.get(resource, {ns, name});
      if (!found.ok() && found.status().not_found()) {
        return not_found(std::string(kind) + " \"" + name + "\" not found");
      }
      return found;
    };
  };
  EnvironmentSources sources;
  sources.config_map = lookup(api::resource::config_maps(), "configmap");
  sources.secret = lookup(api::resource::secrets(), "secret");
  std::vector<api::Value> services;
  if (auto master = node_.cache.get(api::resource::services(), {"default", "kubernetes"})) {
    services.push_back(std::move(*master));
  }
  if (server_pod_["spec"]["enableServiceLinks"].as_bool(true)) {
    client::Filter filter;
    filter.ns = ns;
    for (auto& service : node_.cache.list(api::resource::services(), filter)) {
      services.push_back(std::move(service));
    }
  }
  sources.services = service_environment(services);
  const PodFacts facts{server_pod_, pod_ip_, node_.facts.node_ip, node_.facts.cpu_milli,
                       node_.facts.memory_bytes};
  return container_environment(facts, *container.spec, sources);
}

Result<std::vector<runtime::Mount>> PodWorker::bind_mounts(const ContainerSpec& container,
                                                           const Environment& environment) {
  auto planned = ORCH_TRY(plan_mounts(*container.spec, volumes_, environment));
  std::vector<runtime::Mount> mounts;
  for (size_t i = 0; i < planned.size(); ++i) {
    auto& [mount, sub_path] = planned[i];
    if (!sub_path.empty()) {
      const std::string target = dir() + "/subpaths/" + container.name() + "/" + std::to_string(i);
      ORCH_TRY(volumes::bind_sub_path(mount.source, sub_path, target));
      mount.source = target;
    }
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

Result<runtime::ContainerConfig> PodWorker::prepare_container(const ContainerSpec& container,
                                                              const images::ImageRef& image,
                                                              const ContainerRecord& record) {
  const Environment environment = ORCH_TRY(environment_of(container));
  const std::string rootfs = ORCH_TRY(node_.images.mount(image.id, record.id));
  const std::string termination =
      dir() + "/containers/" + container.name() + "/" + std::to_string(record.attempt);
  ORCH_TRY(touch(termination));
  const std::string logs = log_dir() + "/" + container.name();
  ORCH_TRY(make_dirs(logs, 0755));
  const std::string etc = dir() + "/etc/";
  // orch may have been killed between a sandbox and its files; hostname is written last.
  if (!file_exists(etc + "hostname")) ORCH_TRY(write_etc_files());
  ContainerInput input{server_pod_,
                       *container.spec,
                       record.id,
                       record.attempt,
                       image.config,
                       environment,
                       {},
                       {},
                       rootfs,
                       logs + "/" + std::to_string(record.attempt) + ".log",
                       etc + "hosts",
                       etc + "hostname",
                       etc + "resolv.conf",
                       termination,
                       pod_hostname(server_pod_),
                       node_.facts.memory_bytes,
                       {}};
  input.user = ORCH_TRY(
      container_user({server_pod_, *container.spec, image.config.user,
                      read_in_rootfs(rootfs, "etc/passwd"), read_in_rootfs(rootfs, "etc/group")}));
  input.mounts = ORCH_TRY(bind_mounts(container, environment));
  if (const auto& target = (*container.spec)["targetContainerName"].as_string(); !target.empty()) {
    const auto found = record_.containers.find(target);
    if (found == record_.containers.end() || !found->second.running())
      return bad_request("unable to find target container \"" + target + "\"");
    input.process_target = found->second.current->id;
  }
  return container_config(input);
}

// Before there was a container: shown as waiting, tried again with a growing distance.
void PodWorker::fail_start(const std::string& container, const Status& status) {
  const int64_t backoff_s = doubled_backoff_s(failure_backoff_s_[container]);
  failure_backoff_s_[container] = backoff_s;
  const bool config = status.code < 500;
  StartFailure failure;
  failure.reason = config ? "CreateContainerConfigError" : "CreateContainerError";
  failure.message = status.message;
  failure.retry_at = node_.clock.now() + std::chrono::seconds(backoff_s);
  wake_at(failure.retry_at);
  event("Warning", "Failed", "Error: " + status.message, container);
  failures_[container] = std::move(failure);
}

void PodWorker::start_container(const ContainerSpec& container) {
  const std::string name = container.name();
  auto& history = record_.containers[name];
  auto image = node_.images.find(container.image());
  if (!image.ok()) {  // Deleted since it was pulled.
    images_[name] = {};
    return;
  }
  ContainerRecord record;
  record.attempt = history.next_attempt;
  record.id = uid_ + "_" + name + "_" + std::to_string(record.attempt);
  record.image = container.image();
  record.image_id = image->repo_digest.empty() ? image->id : image->repo_digest;
  record.stop_signal = image->config.stop_signal;
  record.created_at = node_.clock.now();
  const auto config = prepare_container(container, *image, record);
  if (!config.ok()) {
    (void)node_.images.unmount(record.id);
    fail_start(name, config.status());
    return;
  }
  failures_.erase(name);
  failure_backoff_s_.erase(name);
  history.backoff_s = history.stale ? 0 : next_backoff_s(history);
  history.stale = false;
  history.last = std::move(history.current);
  history.current = record;
  history.next_attempt = record.attempt + 1;
  images_[name] = {};
  save_record(Flush::no);  // The attempt is used up, whatever happens now.
  event("Normal", "Created", "Created container: " + name, name);
  const auto started = node_.runtime.start_container(*config);
  if (started.ok()) {
    history.current->started_at = node_.clock.now();
    record_dirty_ = true;
    event("Normal", "Started", "Started container " + name, name);
    after_start(container, *history.current);
    return;
  }
  event("Warning", "Failed", "Error: " + started.status().message, name);
  runtime::Exit exit;
  exit.code = 128;
  exit.finished_at = node_.clock.now();
  finish_record(&*history.current, exit, *container.spec);
  history.current->reason = started.status().is("StartError") ? "StartError" : "RunContainerError";
  history.current->message = started.status().message;
  record_dirty_ = true;
}

probes::ProbeTarget PodWorker::target_of(const api::Value& container, const std::string& id) const {
  return {id, pod_ip_, container, node_.stop_fd};
}

probes::Exec PodWorker::exec() const {
  return [&runtime = node_.runtime, stop_fd = node_.stop_fd](
             const std::string& id, const std::vector<std::string>& argv,
             int64_t timeout_ms) -> Result<probes::ExecOutcome> {
    auto result =
        ORCH_TRY(runtime.exec_sync(id, argv, timeout_ms, probes::kMaxProbeOutput, stop_fd));
    return probes::ExecOutcome{result.exit_code, result.timed_out,
                               std::move(result.out) + std::move(result.err)};
  };
}

void PodWorker::watch_probes(const ContainerSpec& container, const ContainerRecord& record) {
  if (stopping_.contains(container.name())) return;
  node_.prober.watch({uid_, target_of(*container.spec, record.id), record.started_at});
}

void PodWorker::after_start(const ContainerSpec& container, const ContainerRecord& record) {
  watch_probes(container, record);
  if (record.attempt >= 2) remove_old_logs(container.name(), record.attempt - 2);
  const auto& hook = (*container.spec)["lifecycle"]["postStart"];
  if (hook.is_null()) return;
  post_start_.insert(container.name());
  const auto job = [self = shared_from_this(), target = target_of(*container.spec, record.id), hook,
                    name = container.name()] {
    const auto outcome = probes::run_probe(target, hook, kHookTimeoutMs, self->exec());
    if (self->node_.is_stopping()) return;
    if (!outcome.success) {
      self->event("Warning", "FailedPostStartHook", "PostStartHook failed: " + outcome.message,
                  name);
    }
    {
      const std::lock_guard lock(self->mutex_);
      self->mailbox_.post_start_done[target.container_id] =
          outcome.success ? "" : "PostStartHook failed: " + outcome.message;
    }
    self->node_.wake(self->uid_);
  };
  if (!node_.jobs.run(job)) post_start_.erase(container.name());
}

}  // namespace orch::pods
