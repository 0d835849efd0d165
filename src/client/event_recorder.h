// Events: what a person should know about an object ("Scaled up replica set ..."), as core/v1
// Events. Best effort: an Event that can't be written is lost, nobody waits for one.
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "client/api.h"

namespace orch::client {

// Where loops put events. Thread-safe; never blocks.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // `type` is "Normal" or "Warning"; `reason` one CamelCase word; `message` for a person.
  // `field_path`: the part of the object meant ("spec.containers{web}"), or "".
  virtual void event(const api::Value& object, std::string_view type, std::string_view reason,
                     std::string_view message, std::string_view field_path = "") = 0;
};

// Who reports: source.component ("deployment-controller") and source.host (a node, or "").
struct EventSource {
  std::string component;
  std::string host;
};

// Writes events through the Api on a thread of its own. A repeat of an event (same object, type,
// reason, message) raises `count` and `lastTimestamp` of the first. When kMaxQueue events wait,
// new ones are dropped.
class EventRecorder : public EventSink {
 public:
  static constexpr size_t kMaxQueue = 1000;
  static constexpr size_t kMaxRemembered = 1024;    // Events whose repeats are recognized.
  static constexpr size_t kMaxMessageBytes = 1024;  // Longer messages are cut, as Kubernetes does.

  // All must outlive the recorder.
  EventRecorder(Api& api, const Clock& clock, Random& random, EventSource source);
  ~EventRecorder() override;  // Drops what still waits.

  void event(const api::Value& object, std::string_view type, std::string_view reason,
             std::string_view message, std::string_view field_path = "") override;
  // Waits until everything taken so far was written or given up.
  void flush();

 private:
  // One event as it was reported.
  struct Report {
    api::Value involved;  // ObjectReference.
    std::string type, reason, message;
    WallTime at;
    std::string identity() const;
  };
  struct Remembered {
    std::string identity;
    api::Value event;  // As last written.
  };

  void work();
  void send_report(const Report& report);
  void remember(std::string identity, api::Value event);
  api::Value render_event(const Report& report);

  Api& api_;
  const Clock& clock_;
  Random& random_;
  const EventSource source_;

  // The recorder thread's own: the least recently repeated first.
  std::list<Remembered> remembered_;
  std::map<std::string, std::list<Remembered>::iterator> by_identity_;
  uint64_t named_ns_ = 0;  // What the last one was named by.

  std::mutex mutex_;  // Guards the rest.
  std::condition_variable wake_, idle_;
  std::deque<Report> queue_;
  bool busy_ = false, stopping_ = false;
  std::thread thread_;
};

// The ObjectReference of `object`, as events and endpoints carry it.
api::Value object_reference(const api::Value& object, std::string_view field_path = "");

}  // namespace orch::client
