#include "agent/pods/pod_record.h"

#include "agent/pods/pod_spec.h"

namespace orch::pods {
namespace {

api::Value container_to_json(const ContainerRecord& record) {
  auto json = api::Value::object({{"id", record.id},
                                  {"attempt", int64_t{record.attempt}},
                                  {"image", record.image},
                                  {"imageID", record.image_id},
                                  {"stopSignal", record.stop_signal},
                                  {"createdAt", format_nano_time(record.created_at)},
                                  {"startedAt", format_nano_time(record.started_at)},
                                  {"finished", record.finished}});
  if (!record.finished) return json;
  json.set("exitCode", record.exit_code);
  json.set("signal", record.signal);
  json.set("reason", record.reason);
  json.set("message", record.message);
  json.set("finishedAt", format_nano_time(record.finished_at));
  return json;
}

std::optional<ContainerRecord> container_from_json(const api::Value& json) {
  if (!json.is_object()) return std::nullopt;
  ContainerRecord record;
  record.id = json["id"].as_string();
  record.attempt = static_cast<uint32_t>(json["attempt"].as_int());
  record.image = json["image"].as_string();
  record.image_id = json["imageID"].as_string();
  record.stop_signal = json["stopSignal"].as_string();
  record.created_at = time_at(json, "createdAt").value_or(WallTime{});
  record.started_at = time_at(json, "startedAt").value_or(WallTime{});
  record.finished = json["finished"].as_bool();
  record.exit_code = static_cast<int>(json["exitCode"].as_int());
  record.signal = static_cast<int>(json["signal"].as_int());
  record.reason = json["reason"].as_string();
  record.message = json["message"].as_string();
  record.finished_at = time_at(json, "finishedAt").value_or(WallTime{});
  return record;
}

}  // namespace

api::Value record_to_json(const PodRecord& record) {
  auto containers = api::Value::object();
  for (const auto& [name, history] : record.containers) {
    auto json = api::Value::object({{"nextAttempt", int64_t{history.next_attempt}},
                                    {"backoffSeconds", history.backoff_s},
                                    {"stale", history.stale}});
    if (history.current) json.set("current", container_to_json(*history.current));
    if (history.last) json.set("last", container_to_json(*history.last));
    containers.set(name, std::move(json));
  }
  return api::Value::object({{"pod", record.pod}, {"containers", std::move(containers)}});
}

Result<PodRecord> record_from_json(const api::Value& json) {
  PodRecord record;
  record.pod = json["pod"];
  if (pod_uid(record.pod).empty()) return bad_request("pod record without a pod");
  for (const auto& [name, entry] : json["containers"].members()) {
    auto& history = record.containers[name];
    history.current = container_from_json(entry["current"]);
    history.last = container_from_json(entry["last"]);
    history.next_attempt = static_cast<uint32_t>(entry["nextAttempt"].as_int());
    history.backoff_s = entry["backoffSeconds"].as_int();
    history.stale = entry["stale"].as_bool();
  }
  return record;
}

}  // namespace orch::pods
