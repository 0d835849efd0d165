#include "agent/pods/pod_status.h"

#include <utility>
#include <vector>

#include "agent/pods/container_status.h"
#include "agent/pods/pod_actions.h"
#include "agent/pods/pod_spec.h"
#include "agent/pods/qos.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

struct Condition {
  std::string type;
  bool is_true = false;
  std::string reason, message;
};

const api::Value* find_condition(const api::Value& status, std::string_view type) {
  for (const auto& condition : status["conditions"].items()) {
    if (condition["type"].as_string() == type) return &condition;
  }
  return nullptr;
}

api::Value render_condition(const Condition& condition, const api::Value& old_status,
                            WallTime now) {
  const std::string text = condition.is_true ? "True" : "False";
  const api::Value* old = find_condition(old_status, condition.type);
  const bool same = old != nullptr && (*old)["status"].as_string() == text;
  auto json = api::Value::object(
      {{"type", condition.type},
       {"status", text},
       {"lastProbeTime", nullptr},
       {"lastTransitionTime", same ? (*old)["lastTransitionTime"] : api::Value(format_time(now))}});
  if (!condition.reason.empty()) json.set("reason", condition.reason);
  if (!condition.message.empty()) json.set("message", condition.message);
  return json;
}

bool init_done(const ContainerSpec& container, const ContainerObserved& seen) {
  if (container.kind == Kind::sidecar) return seen.history.running() && seen.started;
  const auto& current = seen.history.current;
  return current && current->finished && current->exit_code == 0 && !seen.history.stale;
}

bool is_own_condition(std::string_view type) {
  return type == "PodReadyToStartContainers" || type == "Initialized" || type == "Ready" ||
         type == "ContainersReady";
}

std::string bracketed(const std::vector<std::string>& names) {
  return "[" + join(names, " ") + "]";
}

class Builder {
 public:
  Builder(const api::Value& pod, const Observed& observed)
      : pod_(pod),
        observed_(observed),
        old_(pod["status"]),
        containers_(containers_of(pod)),
        stop_(stop_reason(pod, observed)) {
    for (const auto& container : containers_) {
      if (container.kind == Kind::ephemeral) continue;
      const auto& seen = observed_.of(container.name());
      if (container.kind == Kind::main) {
        main_began_ = main_began_ || (seen.history.current && !seen.history.stale);
        if (!(seen.history.running() && seen.ready)) unready_.push_back(container.name());
      } else if (!init_done(container, seen)) {
        incomplete_.push_back(container.name());
      }
      if (container.kind == Kind::sidecar && !(seen.history.running() && seen.ready)) {
        unready_.push_back(container.name());
      }
    }
    if (main_began_) incomplete_.clear();
  }

  api::Value build() {
    const std::string phase = this->phase();
    auto status = api::Value::object({{"phase", phase}});
    status.set("conditions", conditions(phase));
    keep(&status, "message");
    keep(&status, "reason");
    if (stop_ == Stop::deadline) {
      status.set("message", "Pod was active on the node longer than the specified deadline");
      status.set("reason", "DeadlineExceeded");
    }
    keep(&status, "nominatedNodeName");
    set_addresses(&status);
    const bool dated = !old_["startTime"].empty();
    status.set("startTime", dated ? old_["startTime"] : api::Value(format_time(observed_.now)));
    set_containers(&status);
    status.set("qosClass", qos_class(pod_));
    keep(&status, "resize");
    return status;
  }

 private:
  void keep(api::Value* status, std::string_view member) {
    if (const api::Value* old = old_.find(member)) status->set(member, *old);
  }

  bool all_stopped() const {
    for (const auto& [name, seen] : observed_.containers) {
      if (seen.history.running()) return false;
    }
    return true;
  }

  std::string phase() const {
    const std::string old = old_["phase"].as_string();
    if (is_terminal_phase(old)) return old;
    if (stop_ == Stop::deadline) return all_stopped() ? "Failed" : running_phase();
    if (stop_ == Stop::deleted) return all_stopped() ? ended_phase() : running_phase();
    if (stop_ == Stop::finished) return all_stopped() ? ended_phase() : running_phase();
    return running_phase();
  }

  std::string running_phase() const {
    if (!incomplete_.empty()) return "Pending";
    for (const auto& container : containers_) {
      if (container.kind != Kind::main) continue;
      if (!observed_.of(container.name()).history.current) return "Pending";
    }
    return "Running";
  }

  // Nothing runs any more and nothing will. A pod that was stopped early is judged by what its
  // containers said; one that never ran has failed.
  std::string ended_phase() const {
    for (const auto& container : containers_) {
      if (container.kind == Kind::sidecar || container.kind == Kind::ephemeral) continue;
      const auto& current = observed_.of(container.name()).history.current;
      if (!current && container.kind == Kind::init && main_began_) continue;
      if (!current || current->exit_code != 0) return "Failed";
    }
    return "Succeeded";
  }

  Condition initialized(const std::string& phase) const {
    if (phase == "Succeeded") return {"Initialized", true, "PodCompleted", ""};
    if (incomplete_.empty()) return {"Initialized", true, "", ""};
    return {"Initialized", false, "ContainersNotInitialized",
            "containers with incomplete status: " + bracketed(incomplete_)};
  }

  Condition containers_ready(const std::string& phase) const {
    if (phase == "Succeeded") return {"ContainersReady", false, "PodCompleted", ""};
    if (phase == "Failed") return {"ContainersReady", false, "PodFailed", ""};
    if (unready_.empty()) return {"ContainersReady", true, "", ""};
    return {"ContainersReady", false, "ContainersNotReady",
            "containers with unready status: " + bracketed(unready_)};
  }

  // ContainersReady and every readiness gate.
  Condition ready(Condition condition) const {
    condition.type = "Ready";
    if (!condition.is_true) return condition;
    std::vector<std::string> missing;
    for (const auto& gate : pod_["spec"]["readinessGates"].items()) {
      const auto& type = gate["conditionType"].as_string();
      const api::Value* found = find_condition(old_, type);
      if (found == nullptr) {
        missing.push_back("corresponding condition of pod readiness gate \"" + type +
                          "\" does not exist.");
      } else if ((*found)["status"].as_string() != "True") {
        missing.push_back("the status of pod readiness gate \"" + type +
                          "\" is not \"True\", but " + (*found)["status"].as_string());
      }
    }
    if (missing.empty()) return condition;
    return {"Ready", false, "ReadinessGatesNotReady", join(missing, ", ")};
  }

  api::Value conditions(const std::string& phase) const {
    const Condition containers = containers_ready(phase);
    const bool network = observed_.sandbox_ready && !observed_.pod_ip.empty();
    auto list = api::Value::array();
    std::vector<Condition> ours = {{"PodReadyToStartContainers", network, "", ""},
                                   initialized(phase),
                                   ready(containers),
                                   containers};
    // A pod that the server never scheduled (it runs from the record, say) is scheduled all the
    // same: it is here.
    if (find_condition(old_, "PodScheduled") == nullptr) {
      ours.push_back({"PodScheduled", true, "", ""});
    }
    for (const auto& condition : ours) {
      list.push_back(render_condition(condition, old_, observed_.now));
    }
    for (const auto& condition : old_["conditions"].items()) {
      const auto& type = condition["type"].as_string();
      bool owned = false;
      for (const auto& mine : ours) owned = owned || mine.type == type;
      if (!owned) list.push_back(condition);
    }
    return list;
  }

  void set_addresses(api::Value* status) const {
    const auto one = [](const std::string& ip) {
      return api::Value::array({api::Value::object({{"ip", ip}})});
    };
    if (!observed_.host_ip.empty()) {
      status->set("hostIP", observed_.host_ip);
      status->set("hostIPs", one(observed_.host_ip));
    }
    // The address stays written after the sandbox is gone, as users expect of a finished pod.
    const std::string ip = observed_.pod_ip.empty() ? old_["podIP"].as_string() : observed_.pod_ip;
    if (ip.empty()) return;
    status->set("podIP", ip);
    status->set("podIPs", one(ip));
  }

  // The API lets nobody take back an end for good. So an init container that runs again, in a new
  // sandbox, is shown as it ended, until it has ended anew.
  void keep_end(const ContainerSpec& container, api::Value* status) const {
    const RestartPolicy policy = restart_policy(pod_);
    if (container.kind != Kind::init || policy == RestartPolicy::always) return;
    if (!std::as_const(*status)["state"]["terminated"].is_null()) return;
    for (const auto& before : old_["initContainerStatuses"].items()) {
      if (before["name"].as_string() != container.name()) continue;
      const api::Value& end = before["state"]["terminated"];
      const bool for_good = policy == RestartPolicy::never || end["exitCode"].as_int() == 0;
      if (!end.is_null() && for_good) status->set("state", before["state"]);
    }
  }

  void set_containers(api::Value* status) const {
    auto init = api::Value::array(), main = init, ephemeral = init;
    for (const auto& container : containers_) {
      const bool waits = container.kind != Kind::ephemeral && !incomplete_.empty();
      ContainerStatusInput input{pod_, observed_, container, waits, stop_ != Stop::none};
      auto& list = container.kind == Kind::main        ? main
                   : container.kind == Kind::ephemeral ? ephemeral
                                                       : init;
      api::Value one = container_status(input);
      keep_end(container, &one);
      list.push_back(std::move(one));
    }
    if (!init.empty()) status->set("initContainerStatuses", std::move(init));
    if (!main.empty()) status->set("containerStatuses", std::move(main));
    if (ephemeral.empty()) return;
    status->set("ephemeralContainerStatuses", std::move(ephemeral));
  }

  const api::Value& pod_;
  const Observed& observed_;
  const api::Value& old_;
  const std::vector<ContainerSpec> containers_;
  const Stop stop_;
  bool main_began_ = false;
  std::vector<std::string> incomplete_;  // Init containers that the main ones wait for.
  std::vector<std::string> unready_;
};

}  // namespace

api::Value pod_status(const api::Value& pod, const Observed& observed) {
  return Builder(pod, observed).build();
}

api::Value newest_status(const api::Value& of_server, const api::Value& own) {
  if (own.is_null()) return of_server;
  api::Value merged = own;
  auto conditions = api::Value::array();
  for (const auto& condition : own["conditions"].items()) {
    if (is_own_condition(condition["type"].as_string())) conditions.push_back(condition);
  }
  for (const auto& condition : of_server["conditions"].items()) {
    if (!is_own_condition(condition["type"].as_string())) conditions.push_back(condition);
  }
  merged.set("conditions", std::move(conditions));
  return merged;
}

}  // namespace orch::pods
