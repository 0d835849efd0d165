// For tests: pods, and what is seen of them on their node.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/pods/observed.h"
#include "api/json.h"

namespace orch::pods {

using api::Value;
using std::chrono::seconds;

inline const WallTime kNow{seconds{1'700'000'000}};

inline Value pod_of(const std::string& spec, const std::string& metadata = "{}") {
  Value pod = Value::object({{"apiVersion", "v1"}, {"kind", "Pod"}});
  pod.set("metadata", *api::parse_yaml(metadata));
  pod["metadata"].set("name", "p");
  pod["metadata"].set("namespace", "ns");
  pod["metadata"].set("uid", "u");
  pod.set("spec", *api::parse_yaml(spec));
  return pod;
}

// A container that runs since a minute, or has ended just now.
inline ContainerObserved running(const std::string& image = "i") {
  ContainerObserved seen;
  ContainerRecord record;
  record.id = "u_c_0";
  record.image = image;
  record.started_at = kNow - seconds(60);
  seen.history.current = record;
  seen.history.next_attempt = 1;
  seen.started = seen.ready = true;
  return seen;
}
inline ContainerObserved ended(int code, int64_t ago_s = 0, int64_t ran_s = 5) {
  ContainerObserved seen = running();
  auto& record = *seen.history.current;
  record.finished = true;
  record.exit_code = code;
  record.reason = code == 0 ? "Completed" : "Error";
  record.finished_at = kNow - seconds(ago_s);
  record.started_at = record.finished_at - seconds(ran_s);
  seen.started = seen.ready = false;
  return seen;
}
inline ContainerObserved fresh() {
  ContainerObserved seen;
  seen.image.phase = ImageState::Phase::ready;
  return seen;
}
inline ContainerObserved with_image(ContainerObserved seen) {
  seen.image.phase = ImageState::Phase::ready;
  return seen;
}

inline Observed observed_with(std::map<std::string, ContainerObserved> containers) {
  Observed observed;
  observed.now = kNow;
  observed.sandbox_exists = observed.sandbox_ready = true;
  observed.pod_ip = "10.42.0.5";
  observed.host_ip = "10.0.0.1";
  observed.containers = std::move(containers);
  return observed;
}

inline const char* const kOne = "containers: [{name: c, image: i}]";
inline const char* const kInit =
    "{initContainers: [{name: a, image: i}, {name: b, image: i}], containers: [{name: c, image: "
    "i}]}";

// Of a status; "" when there is no such condition.
inline std::string condition(const Value& status, const std::string& type,
                             const char* member = "status") {
  for (const auto& each : status["conditions"].items()) {
    if (each["type"].as_string() == type) return each[member].as_string();
  }
  return "";
}

}  // namespace orch::pods
