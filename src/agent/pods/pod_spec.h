// pod_spec: how this room reads a Pod object. Pure; the pointers live as long as the object.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/clock.h"

namespace orch::pods {

// init: runs to its end before the next begins. sidecar: an init container with restartPolicy
// Always, which goes on beside the main ones (KEP-753). ephemeral: added to a pod to look into it,
// runs once, and the pod's state does not depend on it (KEP-277).
enum class Kind { init, sidecar, main, ephemeral };

struct ContainerSpec {
  const api::Value* spec = nullptr;
  Kind kind = Kind::main;

  const std::string& name() const { return (*spec)["name"].as_string(); }
  const std::string& image() const { return (*spec)["image"].as_string(); }
};

enum class RestartPolicy { always, on_failure, never };

const std::string& pod_uid(const api::Value& pod);
const std::string& pod_name(const api::Value& pod);
const std::string& pod_namespace(const api::Value& pod);
// "name_namespace(uid)", as users know it from kubelet's messages.
std::string pod_label(const api::Value& pod);

// Init containers in order, then the main ones, then the ephemeral ones.
std::vector<ContainerSpec> containers_of(const api::Value& pod);
std::optional<ContainerSpec> find_container(const api::Value& pod, std::string_view name);
RestartPolicy restart_policy(const api::Value& pod);
bool is_terminal_phase(std::string_view phase);  // Succeeded, Failed.
bool host_network(const api::Value& pod);

bool is_deleted(const api::Value& pod);
// The grace for stopping it: of the deletion when it is deleted, else of the spec; at least 1.
int64_t stop_grace_s(const api::Value& pod);

// A metav1.Time member as a time; nothing when missing or malformed.
std::optional<WallTime> time_at(const api::Value& object, std::string_view member);
// "1m20s", "10s", "5m0s": durations as Go prints them, which users grep for. Whole seconds.
std::string go_duration(int64_t seconds);

}  // namespace orch::pods
