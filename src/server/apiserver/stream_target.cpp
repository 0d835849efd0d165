#include "server/apiserver/stream_target.h"

#include <vector>

#include "base/strings.h"

namespace orch::apiserver {
namespace {

constexpr std::string_view kDefaultContainer = "kubectl.kubernetes.io/default-container";

std::vector<std::string> names(const api::Value& pod, std::string_view list) {
  std::vector<std::string> all;
  for (const api::Value& container : pod["spec"][list].items()) {
    all.push_back(container["name"].as_string());
  }
  return all;
}

bool contains(const std::vector<std::string>& all, std::string_view name) {
  for (const std::string& one : all) {
    if (one == name) return true;
  }
  return false;
}

std::string name_of(const api::Value& pod) { return pod.at("metadata.name").as_string(); }

const api::Value& status_of(const api::Value& pod, std::string_view container) {
  static const api::Value kNone;
  for (const char* list :
       {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"}) {
    for (const api::Value& status : pod["status"][list].items()) {
      if (status["name"].as_string() == container) return status;
    }
  }
  return kNone;
}

}  // namespace

Result<std::string> choose_container(const api::Value& pod, std::string_view wanted) {
  const auto containers = names(pod, "containers"), inits = names(pod, "initContainers");
  if (wanted.empty()) {
    const std::string& preferred = pod.at("metadata.annotations")[kDefaultContainer].as_string();
    if (contains(containers, preferred)) return preferred;
    if (containers.size() == 1) return containers.front();
    std::string message = "a container name must be specified for pod " + name_of(pod) +
                          ", choose one of: [" + join(containers, " ") + "]";
    if (!inits.empty()) message += " or one of the init containers: [" + join(inits, " ") + "]";
    return bad_request(std::move(message));
  }
  if (contains(containers, wanted) || contains(inits, wanted) ||
      contains(names(pod, "ephemeralContainers"), wanted)) {
    return std::string(wanted);
  }
  return bad_request("container " + std::string(wanted) + " is not valid for pod " + name_of(pod));
}

Result<void> check_log_readable(const api::Value& pod, std::string_view container, bool previous) {
  if (pod.at("spec.nodeName").empty()) {
    return bad_request("pod " + name_of(pod) + " does not have a host assigned");
  }
  const api::Value& status = status_of(pod, container);
  const bool ended_before = !status.at("lastState.terminated").empty();
  const std::string which = "\"" + std::string(container) + "\" in pod \"" + name_of(pod) + "\"";
  if (previous && !ended_before) {
    return bad_request("previous terminated container " + which + " not found");
  }
  const api::Value& waiting = status.at("state.waiting");
  if (!previous && !waiting.is_null() && !ended_before) {
    const std::string& reason = waiting["reason"].as_string();
    const bool pulling = reason == "ErrImagePull" || reason == "ImagePullBackOff";
    return bad_request("container " + which + " is waiting to start: " +
                       (pulling ? "trying and failing to pull image" : reason));
  }
  return {};
}

Result<void> check_running(const api::Value& pod) {
  if (pod.at("spec.nodeName").empty()) {
    return bad_request("pod " + name_of(pod) + " does not have a host assigned");
  }
  const std::string& phase = pod.at("status.phase").as_string();
  if (phase != "Succeeded" && phase != "Failed") return {};
  return bad_request("cannot exec into a container in a completed pod; current phase is " + phase);
}

Result<std::string> agent_url(const api::Value& node) {
  const int64_t port = node.at("status.daemonEndpoints.kubeletEndpoint.Port").as_int();
  for (const api::Value& address : node.at("status.addresses").items()) {
    if (address["type"].as_string() != "InternalIP" || port == 0) continue;
    return "https://" + address["address"].as_string() + ":" + std::to_string(port);
  }
  return service_unavailable("node \"" + name_of(node) +
                             "\" has told neither address nor port of its agent yet");
}

}  // namespace orch::apiserver
