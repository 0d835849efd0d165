#include "agent/pods/node_reporter.h"

#include <algorithm>

#include "api/resources.h"
#include "base/log.h"

namespace orch::pods {
namespace {

constexpr const char* kTimer = "node/beat";
constexpr int kTries = 5;  // Of a write that loses races.

// Without the free-running numbers and times, to see whether anything worth a write has changed.
bool same_but_for_heartbeats(const api::Value& a, const api::Value& b) {
  const auto without_beats = [](api::Value status) {
    if (auto* conditions = status.find("conditions"); conditions && conditions->is_array()) {
      for (auto& condition : conditions->array_items()) condition.remove("lastHeartbeatTime");
    }
    return status;
  };
  return without_beats(a) == without_beats(b);
}

}  // namespace

NodeReporter::NodeReporter(Parts parts, NodeInput input,
                           std::function<void(const std::string&)> on_pod_cidr)
    : parts_(std::move(parts)), on_pod_cidr_(std::move(on_pod_cidr)), input_(std::move(input)) {}

void NodeReporter::start() {
  const std::string name = input_.node_name;
  subscription_ =
      parts_.cache.subscribe(api::resource::nodes(), [this, name](const client::Change& change) {
        if (change.key.name != name) return;
        // The pod CIDR comes so, and a deleted Node is registered again.
        const api::Value node = change.object();
        const bool deleted = change.type == client::Change::Type::deleted;
        const bool cidr = change.previous.find("podCIDR") == change.previous.npos &&
                          !node["spec"]["podCIDR"].empty();
        if (deleted || cidr) schedule(std::chrono::milliseconds(0));
      });
  schedule(std::chrono::milliseconds(0));
}

void NodeReporter::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
  }
  subscription_.reset();
  parts_.timers.cancel(kTimer);
  pool_.stop();
}

void NodeReporter::set_network(bool ready, const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    input_.network_ready = ready;
    input_.not_ready_reason = reason;
  }
  schedule(std::chrono::milliseconds(0));
}

void NodeReporter::report_soon() { schedule(std::chrono::milliseconds(1000)); }

void NodeReporter::schedule(std::chrono::milliseconds delay) {
  const auto when =
      parts_.clock.monotonic() + std::chrono::duration_cast<MonoTime::duration>(delay);
  parts_.timers.set_earliest(kTimer, when, [this] { pool_.run([this] { beat(); }); });
}

void NodeReporter::beat() {
  const auto done = beat_once();
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
  }
  if (done.ok()) {
    retry_ = std::chrono::milliseconds(kFirstRetryMs);
    schedule(std::chrono::seconds(kBeatS));
    return;
  }
  log::warning("node", done.status().message);
  schedule(retry_);
  retry_ = std::min<std::chrono::milliseconds>(retry_ * 2, std::chrono::seconds(kBeatS));
}

Result<void> NodeReporter::beat_once() {
  NodeInput input;
  {
    const std::lock_guard lock(mutex_);
    input = input_;
  }
  ORCH_TRY(register_node());
  const auto& cidr = node_["spec"]["podCIDR"].as_string();
  if (!cidr.empty() && cidr != pod_cidr_) {
    pod_cidr_ = cidr;
    on_pod_cidr_(cidr);  // It may change input_; the beat that it asks for comes right after.
    const std::lock_guard lock(mutex_);
    input = input_;
  }
  const auto age = parts_.clock.now() - status_written_;
  ORCH_TRY(write_status(input, age >= std::chrono::seconds(kStatusEveryS)));
  return write_lease();
}

// The Node as the cluster has it, made or its labels put right when need be.
Result<void> NodeReporter::register_node() {
  const client::ObjectKey key{"", input_.node_name};
  auto known = parts_.cache.get(api::resource::nodes(), key);
  if (!known) {
    auto found = parts_.api.get(api::resource::nodes(), key);
    if (!found.ok() && !found.status().not_found()) return found.status();
    if (found.ok()) known = std::move(*found);
  }
  const Machine machine = read_machine(parts_.data_dir);
  if (!known) {
    node_ = ORCH_TRY(
        parts_.api.create(api::resource::nodes(), node_object(input_, machine, api::Value())));
    log::info("node", "registered " + input_.node_name);
    return {};
  }
  node_ = std::move(*known);
  api::Value wanted = node_object(input_, machine, node_);
  if (wanted == node_) return {};
  auto updated = parts_.api.update(api::resource::nodes(), wanted);
  if (updated.ok()) node_ = std::move(*updated);
  if (!updated.ok() && !updated.status().conflict()) return updated.status();
  return {};
}

Result<void> NodeReporter::write_status(const NodeInput& input, bool beat) {
  const WallTime now = parts_.clock.now();
  const Machine machine = read_machine(parts_.data_dir);
  api::Value status = node_status(input, machine, parts_.images.list(), node_["status"], now, beat);
  if (!beat && same_but_for_heartbeats(status, node_["status"])) return {};
  node_.set("status", std::move(status));
  auto updated = parts_.api.update(api::resource::nodes(), node_, "status");
  // Others write to a new node too: its pod CIDR, taints, annotations.
  for (int tries = 1; !updated.ok() && updated.status().conflict() && tries < kTries; ++tries) {
    node_ = ORCH_TRY(parts_.api.get(api::resource::nodes(), {"", input.node_name}));
    node_.set("status",
              node_status(input, machine, parts_.images.list(), node_["status"], now, true));
    updated = parts_.api.update(api::resource::nodes(), node_, "status");
  }
  if (!updated.ok()) return updated.status();
  node_ = std::move(*updated);
  status_written_ = now;
  return {};
}

Result<void> NodeReporter::write_lease() {
  const auto& leases = api::resource::leases();
  const WallTime now = parts_.clock.now();
  if (!lease_.is_null()) {
    auto updated = parts_.api.update(leases, node_lease(input_.node_name, node_, lease_, now));
    if (updated.ok()) {
      lease_ = std::move(*updated);
      return {};
    }
    if (!updated.status().conflict() && !updated.status().not_found()) return updated.status();
  }
  auto found = parts_.api.get(leases, {"kube-node-lease", input_.node_name});
  if (found.ok()) {
    lease_ = ORCH_TRY(parts_.api.update(leases, node_lease(input_.node_name, node_, *found, now)));
    return {};
  }
  if (!found.status().not_found()) return found.status();
  lease_ =
      ORCH_TRY(parts_.api.create(leases, node_lease(input_.node_name, node_, api::Value(), now)));
  return {};
}

}  // namespace orch::pods
