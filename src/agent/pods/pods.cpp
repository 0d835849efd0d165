#include "agent/pods/pods.h"

#include <dirent.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <set>

#include "api/pod_references.h"
#include "api/resources.h"
#include "base/files.h"
#include "base/log.h"
#include "base/time_spans.h"

namespace orch::pods {
namespace {

constexpr int kSyncWaitMs = 500;  // How long stop() may have to wait for the first sync's waiter.

std::vector<std::string> names_in(const std::string& dir) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> handle(::opendir(dir.c_str()), ::closedir);
  if (!handle) return names;
  while (const dirent* entry = ::readdir(handle.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

std::string timer_key(const std::string& uid) { return "pod/" + uid; }

}  // namespace

Pods::Pods(Parts parts)
    : parts_(std::move(parts)),
      stop_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      objects_(parts_.cache, [this](const api::Resource& resource, const client::Change& change) {
        take_object_change(resource, change);
      }) {
  auto& runtime = parts_.runtime;
  const int stop_fd = stop_fd_.get();
  prober_ = std::make_unique<probes::Prober>(
      parts_.timers, parts_.clock,
      [&runtime, stop_fd](const std::string& id, const std::vector<std::string>& argv,
                          int64_t timeout_ms) -> Result<probes::ExecOutcome> {
        auto result =
            ORCH_TRY(runtime.exec_sync(id, argv, timeout_ms, probes::kMaxProbeOutput, stop_fd));
        return probes::ExecOutcome{result.exit_code, result.timed_out,
                                   std::move(result.out) + std::move(result.err)};
      },
      [this](const probes::Report& report) { take_report(report); });
  node_ = std::make_unique<NodeContext>(NodeContext{
      parts_.runtime, parts_.images, parts_.volumes, parts_.network, parts_.api, parts_.cache,
      parts_.events, parts_.clock, parts_.facts, *prober_, jobs_,
      [this](const std::string& uid) { wake(uid); }, [this] { return stopped_.load(); }, stop_fd});
}

Result<void> Pods::start() {
  ORCH_TRY(make_dirs(parts_.facts.data_dir + "/records", 0700));
  ORCH_TRY(make_dirs(parts_.facts.data_dir + "/pods", 0700));
  parts_.runtime.set_listener([this](const runtime::Event& event) { wake(event.sandbox_id); });
  load_records();
  subscriptions_.push_back(parts_.cache.subscribe(
      api::resource::pods(), [this](const client::Change& change) { take_change(change); }));
  jobs_.run([this] { collect_leftovers(); });
  return {};
}

void Pods::stop() {
  if (stopped_.exchange(true)) return;
  ::eventfd_write(stop_fd_.get(), 1);
  subscriptions_.clear();
  objects_.stop();
  parts_.runtime.set_listener({});
  prober_->stop();
  jobs_.stop();
  pool_.stop();
  const std::lock_guard lock(mutex_);
  for (const auto& [uid, entry] : entries_) parts_.timers.cancel(timer_key(uid));
}

void Pods::load_records() {
  const std::string dir = parts_.facts.data_dir + "/records/";
  for (const auto& name : names_in(dir)) {
    const auto load = [&]() -> Result<PodRecord> {
      const auto text = ORCH_TRY(read_file(dir + name, kMaxRecordBytes));
      return record_from_json(ORCH_TRY(api::parse_json(text, {.max_bytes = kMaxRecordBytes})));
    };
    auto record = load();
    if (!record.ok()) {
      log::warning("pods", "record " + name + " is unreadable: " + record.status().message);
      continue;
    }
    add(std::move(*record), false);
  }
}

void Pods::add(PodRecord record, bool seen) {
  const std::string uid = pod_uid(record.pod);
  const api::Value pod = record.pod;
  Entry entry;
  entry.key = {pod_namespace(record.pod), pod_name(record.pod)};
  entry.seen = seen;
  entry.worker = std::make_shared<PodWorker>(*node_, std::move(record));
  {
    const std::lock_guard lock(mutex_);
    entries_[uid] = std::move(entry);
  }
  objects_.follow(uid, pod);
  wake(uid);
}

void Pods::wake(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(uid);
  if (stopped_ || found == entries_.end()) return;
  found->second.dirty = true;
  if (!found->second.running) submit(uid);
}

void Pods::submit(const std::string& uid) {
  entries_[uid].running = pool_.run([this, uid] { sync_one(uid); });
}

void Pods::sync_one(const std::string& uid) {
  std::shared_ptr<PodWorker> worker;
  {
    const std::lock_guard lock(mutex_);
    auto& entry = entries_[uid];
    entry.dirty = false;
    worker = entry.worker;
  }
  const auto next = worker->sync();
  if (next.over) objects_.forget(uid);
  const std::lock_guard lock(mutex_);
  parts_.timers.cancel(timer_key(uid));
  if (next.over) {
    entries_.erase(uid);
    return;
  }
  if (next.wake_at) {
    const auto delay =
        std::max(std::chrono::nanoseconds(0), time_between(parts_.clock.now(), *next.wake_at));
    parts_.timers.set_after(timer_key(uid), delay, [this, uid] { wake(uid); });
  }
  auto& entry = entries_[uid];
  entry.running = false;
  if (entry.dirty && !stopped_) submit(uid);
}

void Pods::wake_all() {
  std::vector<std::string> uids;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [uid, entry] : entries_) uids.push_back(uid);
  }
  for (const auto& uid : uids) wake(uid);
}

// On the cache's thread: only our own pods are parsed.
void Pods::take_change(const client::Change& change) {
  const bool gone = change.type == client::Change::Type::deleted;
  const std::string mark = "\"nodeName\":\"" + parts_.facts.node_name + "\"";
  if (change.bytes.find(mark) == change.bytes.npos) return;
  api::Value pod = change.object();
  if (pod["spec"]["nodeName"].as_string() != parts_.facts.node_name) return;
  const std::string uid = pod_uid(pod);
  std::vector<std::string> woken;
  bool known = false;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [other, entry] : entries_) {
      if (entry.key != change.key) continue;
      if (other != uid) {  // Its deletion was missed; its name has another owner now.
        entry.worker->set_gone();
        woken.push_back(other);
        continue;
      }
      known = true;
      entry.seen = true;
      if (!gone || is_deleted(pod)) entry.worker->set_pod(pod);  // With the grace of its deletion.
      if (gone) entry.worker->set_gone();
      woken.push_back(uid);
    }
  }
  for (const auto& each : woken) wake(each);
  if (known || gone) return;
  PodRecord record;
  record.pod = std::move(pod);
  add(std::move(record), true);
}

void Pods::take_object_change(const api::Resource& resource, const client::Change& change) {
  const bool secret = &resource == &api::resource::secrets();
  std::vector<std::string> woken;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [uid, entry] : entries_) {
      if (entry.key.ns != change.key.ns) continue;
      const api::PodReferences names = api::pod_references(entry.worker->pod());
      if (!(secret ? names.secrets : names.config_maps).contains(change.key.name)) continue;
      entry.worker->set_volumes_stale();
      woken.push_back(uid);
    }
  }
  for (const auto& uid : woken) wake(uid);
}

void Pods::take_report(const probes::Report& report) {
  std::shared_ptr<PodWorker> worker;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(report.pod_uid);
    if (found != entries_.end()) worker = found->second.worker;
  }
  if (!worker) return;
  if (!report.outcome.success) {
    parts_.events.event(
        worker->pod(), "Warning", "Unhealthy",
        std::string(probes::kind_title(report.kind)) + " probe failed: " + report.outcome.message,
        "spec.containers{" + report.container + "}");
  }
  if (report.health_changed) wake(report.pod_uid);
}

void Pods::collect_leftovers() {
  while (!stopped_ && !parts_.cache.wait_synced(kSyncWaitMs)) continue;
  if (stopped_) return;
  std::vector<std::string> gone;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [uid, entry] : entries_) {
      if (entry.seen) continue;
      entry.worker->set_gone();
      gone.push_back(uid);
    }
  }
  for (const auto& uid : gone) wake(uid);
  remove_orphans();
}

// What was left on the machine by pods that have no record (any more).
void Pods::remove_orphans() {
  std::set<std::string> known;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [uid, entry] : entries_) known.insert(uid);
  }
  const auto warn = [](const Result<void>& result) {
    if (!result.ok()) log::warning("pods", "leftover: " + result.status().message);
  };
  for (const auto& sandbox : parts_.runtime.list()) {
    if (known.contains(sandbox.id)) continue;
    warn(parts_.network.detach(sandbox.id));
    warn(parts_.runtime.remove_sandbox(sandbox.id));
  }
  // Container ids begin with their pod's uid.
  for (const auto& container : parts_.images.mounted()) {
    if (!known.contains(container.substr(0, container.find('_')))) {
      warn(parts_.images.unmount(container));
    }
  }
  const std::string dir = parts_.facts.data_dir + "/pods/";
  for (const auto& uid : names_in(dir)) {
    if (!known.contains(uid)) warn(parts_.volumes.tear_down(dir + uid));
  }
}

std::vector<api::Value> Pods::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<api::Value> all;
  for (const auto& [uid, entry] : entries_) all.push_back(entry.worker->pod());
  return all;
}

std::shared_ptr<PodWorker> Pods::find(const std::string& ns, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [uid, entry] : entries_) {
    if (entry.key.ns == ns && entry.key.name == name) return entry.worker;
  }
  return nullptr;
}

}  // namespace orch::pods
