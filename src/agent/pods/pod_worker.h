// PodWorker: brings one pod from what is to what should be, a step at a time.
//
// sync() observes, asks pod_actions() what to do, does it, asks again, and reports the status. It
// never waits for a container, a pull or a hook: those wake it when they are done. So a few threads
// serve all pods.
//
// Threads: sync() and the accessors marked so run on one thread at a time (Pods sees to it);
// set_pod() and set_gone() may be called from any thread at any time.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/pods/environment.h"
#include "agent/pods/node_context.h"
#include "agent/pods/observed.h"
#include "agent/pods/pod_actions.h"
#include "agent/pods/pod_record.h"
#include "agent/pods/pod_spec.h"

namespace orch::pods {

class PodWorker : public std::enable_shared_from_this<PodWorker> {
 public:
  PodWorker(NodeContext& node, PodRecord record);

  // The newest object from the API. An older one than known is ignored.
  void set_pod(api::Value pod);
  void set_gone();
  // Volumes may have to be written anew (a ConfigMap changed, a token gets old).
  void set_volumes_stale();

  struct Next {
    bool over = false;  // Nothing is left of the pod here: drop the worker.
    std::optional<WallTime> wake_at;
  };
  Next sync();

  // Any thread. The pod with the status as this node knows it.
  api::Value pod() const;

  struct LogFile {
    std::string path;
    bool running = false;
    std::string container_id;
  };
  // Any thread. 400 in kubectl's words when the container has not run (before).
  Result<LogFile> log_file(const std::string& container, bool previous) const;
  // Any thread. The id of the running container; 400 when it does not run.
  Result<std::string> running_container(const std::string& container) const;

 private:
  // A container on its way out.
  struct Stopping {
    WallTime since{}, deadline{};
    bool hook_began = false, term_sent = false, kill_sent = false;
    std::optional<WallTime> hook_until;  // preStop: sleep
  };
  // What jobs leave behind for the next sync; guarded by mutex_.
  struct Mailbox {
    std::optional<api::Value> pod;
    bool gone = false;
    bool volumes_stale = false;
    std::map<std::string, ImageState> images;            // By container.
    std::set<std::string> pre_stop_done;                 // By container id.
    std::map<std::string, std::string> post_start_done;  // By container id: "" or the failure.
  };

  // pod_worker.cpp
  void take_mail();
  Observed observe();
  void finish_record(ContainerRecord* record, const runtime::Exit& exit, const api::Value& spec);
  void tell_back_off(const ContainerSpec& container, const ContainerHistory& history);
  bool act(const PodActions& actions);
  enum class Flush { yes, no };
  void save_record(Flush flush);
  void report_status(const Observed& observed);
  Result<void> write_status();
  void delete_object();
  // Any thread.
  void event(std::string_view type, std::string_view reason, const std::string& message,
             const std::string& container = "") const;
  void wake_at(WallTime at);
  std::string dir() const { return node_.facts.data_dir + "/pods/" + uid_; }
  std::string record_path() const { return node_.facts.data_dir + "/records/" + uid_ + ".json"; }
  std::string log_dir() const;

  // pod_start.cpp
  bool create_sandbox();
  Result<void> refresh_volumes();
  Result<void> write_etc_files();
  void start_container(const ContainerSpec& container);
  Result<runtime::ContainerConfig> prepare_container(const ContainerSpec& container,
                                                     const images::ImageRef& image,
                                                     const ContainerRecord& record);
  Result<std::vector<runtime::Mount>> bind_mounts(const ContainerSpec& container,
                                                  const Environment& environment);
  Result<Environment> environment_of(const ContainerSpec& container) const;
  void fail_start(const std::string& container, const Status& status);
  void after_start(const ContainerSpec& container, const ContainerRecord& record);
  void watch_probes(const ContainerSpec& container, const ContainerRecord& record);
  probes::ProbeTarget target_of(const api::Value& container, const std::string& id) const;
  probes::Exec exec() const;

  // pod_pull.cpp
  void pull_image(const ContainerSpec& container);
  std::vector<std::string> pull_credentials() const;

  // pod_stop.cpp
  void begin_kill(const Kill& kill);
  void advance_kills(WallTime now);
  void begin_pre_stop(const ContainerSpec& container, const ContainerRecord& record,
                      Stopping* stopping);
  bool remove_sandbox();
  Result<void> remove_leftovers();  // Everything of the pod on this machine.
  void remove_old_logs(const std::string& container, uint32_t attempt);

  NodeContext& node_;
  const std::string uid_;

  mutable std::mutex mutex_;  // Guards mailbox_ and shown_*.
  Mailbox mailbox_;
  api::Value shown_pod_;
  std::map<std::string, ContainerHistory> shown_containers_;

  // The syncing thread's own.
  PodRecord record_;
  api::Value server_pod_;  // As the API last had it.
  api::Value status_;      // As last computed; null before.
  bool gone_ = false;
  bool record_dirty_ = false;      // Not in its file yet.
  bool record_unflushed_ = false;  // In its file, but not safe from a power loss.
  bool adopted_ = false;
  bool cleaned_ = false;  // Its volumes and sandbox are gone for good.
  std::map<std::string, ImageState> images_;
  std::map<std::string, StartFailure> failures_;
  std::map<std::string, int64_t> failure_backoff_s_;
  std::map<std::string, Stopping> stopping_;  // By container.
  std::set<std::string> post_start_;          // Containers whose hook runs.
  std::map<std::string, volumes::Volume> volumes_;
  bool volumes_stale_ = true;
  std::optional<WallTime> setup_retry_at_;
  int64_t setup_backoff_s_ = 0;
  std::string pod_ip_;
  std::optional<WallTime> wake_at_;
};

}  // namespace orch::pods
