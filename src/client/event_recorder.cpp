// See event_recorder.h.
#include "client/event_recorder.h"

#include <algorithm>
#include <cstdio>

#include "api/resources.h"

namespace orch::client {

using api::Value;

Value object_reference(const Value& object, std::string_view field_path) {
  const Value& metadata = object["metadata"];
  Value reference = Value::object({{"kind", object["kind"]}});
  if (!metadata["namespace"].empty()) reference.set("namespace", metadata["namespace"]);
  reference.set("name", metadata["name"]);
  if (!metadata["uid"].empty()) reference.set("uid", metadata["uid"]);
  reference.set("apiVersion", object["apiVersion"]);
  if (!metadata["resourceVersion"].empty())
    reference.set("resourceVersion", metadata["resourceVersion"]);
  if (!field_path.empty()) reference.set("fieldPath", field_path);
  return reference;
}

std::string EventRecorder::Report::identity() const {
  std::string out;
  for (const auto name : {"kind", "namespace", "name", "uid", "fieldPath"})
    out += involved[name].as_string() + '\n';
  return out + type + '\n' + reason + '\n' + message;
}

EventRecorder::EventRecorder(Api& api, const Clock& clock, Random& random, EventSource source)
    : api_(api), clock_(clock), random_(random), source_(std::move(source)) {
  thread_ = std::thread([this] { work(); });
}

EventRecorder::~EventRecorder() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
    wake_.notify_all();
  }
  thread_.join();
}

void EventRecorder::event(const Value& object, std::string_view type, std::string_view reason,
                          std::string_view message, std::string_view field_path) {
  Report report{object_reference(object, field_path), std::string(type), std::string(reason),
                std::string(message.substr(0, kMaxMessageBytes)), clock_.now()};
  const std::lock_guard lock(mutex_);
  if (stopping_ || queue_.size() >= kMaxQueue) return;
  queue_.push_back(std::move(report));
  wake_.notify_one();
}

void EventRecorder::flush() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return queue_.empty() && !busy_; });
}

void EventRecorder::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) break;
    const Report report = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    send_report(report);
    lock.lock();
    busy_ = false;
    if (queue_.empty()) idle_.notify_all();
  }
  idle_.notify_all();
}

void EventRecorder::send_report(const Report& report) {
  std::string identity = report.identity();
  if (const auto it = by_identity_.find(identity); it != by_identity_.end()) {
    Value repeated = it->second->event;
    remembered_.erase(it->second);
    by_identity_.erase(it);
    const Value patch = Value::object(
        {{"count", repeated["count"].as_int() + 1}, {"lastTimestamp", format_time(report.at)}});
    auto patched =
        api_.patch(api::resource::events(), key_of(repeated), PatchType::merge, patch, "");
    if (patched.ok()) remember(std::move(identity), std::move(*patched));
    // An event that expired meanwhile is written anew; other failures lose this repeat.
    if (patched.ok() || !patched.status().not_found()) return;
  }
  auto created = api_.create(api::resource::events(), render_event(report));
  if (created.ok()) remember(std::move(identity), std::move(*created));
}

void EventRecorder::remember(std::string identity, Value event) {
  if (remembered_.size() >= kMaxRemembered) {
    by_identity_.erase(remembered_.front().identity);
    remembered_.pop_front();
  }
  remembered_.push_back({identity, std::move(event)});
  by_identity_[std::move(identity)] = std::prev(remembered_.end());
}

// An Event is named after its object and its time, as Kubernetes does it: lists are in the order of
// names, and so is what `kubectl describe` shows of one second. The last digits are not the
// clock's, for other processes may report at the same time. Events of objects without a namespace
// live in "default".
Value EventRecorder::render_event(const Report& report) {
  constexpr uint64_t kJitterNs = 1000;
  const auto at_ns = static_cast<uint64_t>(report.at.time_since_epoch().count());
  named_ns_ = std::max(named_ns_ + 1, at_ns - at_ns % kJitterNs + random_.next_u64() % kJitterNs);
  char suffix[24];
  std::snprintf(suffix, sizeof suffix, ".%016llx", static_cast<unsigned long long>(named_ns_));
  const std::string& ns = report.involved["namespace"].as_string();
  const std::string at = format_time(report.at);
  Value source = Value::object({{"component", source_.component}});
  if (!source_.host.empty()) source.set("host", source_.host);
  return Value::object(
      {{"apiVersion", "v1"},
       {"kind", "Event"},
       {"metadata", Value::object({{"name", report.involved["name"].as_string() + suffix},
                                   {"namespace", ns.empty() ? std::string("default") : ns}})},
       {"involvedObject", report.involved},
       {"reason", report.reason},
       {"message", report.message},
       {"source", std::move(source)},
       {"firstTimestamp", at},
       {"lastTimestamp", at},
       {"count", 1},
       {"type", report.type},
       {"eventTime", nullptr},
       {"reportingComponent", source_.component},
       {"reportingInstance", source_.host}});
}

}  // namespace orch::client
