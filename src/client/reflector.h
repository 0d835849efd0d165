// Reflector: one resource of a RemoteCache: list, watch, keep, tell.
// Follows: Kubernetes API Concepts, "Efficient detection of changes" (watch, bookmarks, 410 Gone).
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/selector.h"
#include "base/clock.h"
#include "client/api.h"
#include "client/connection.h"

namespace orch::client {

class Reflector {
 public:
  // `progressed` is called on the reflector's thread whenever revision() or is_synced() changed.
  Reflector(std::shared_ptr<Connection> connection, const api::Resource& resource,
            ListOptions selection, Random& random, std::function<void()> progressed);
  ~Reflector();  // Ends the watch and the thread.

  std::optional<api::Value> get(const ObjectKey& key) const;
  std::vector<api::Value> list(const Filter& filter) const;
  int64_t revision() const { return revision_; }
  bool is_synced() const { return synced_; }
  std::unique_ptr<Cache::Subscription> subscribe(std::function<void(const Change&)> tell);

 private:
  // What is kept of an object: its JSON, and what filters ask for.
  struct Entry {
    std::string bytes;
    int64_t revision = 0;
    api::Labels labels;
    std::vector<std::string> owner_uids;
  };
  class Ticket;

  void run();
  Result<void> list_all();
  Result<void> watch();
  Result<void> take_event(std::string_view line);
  void put(const api::Value& object);
  void drop(const ObjectKey& key, const api::Value* last_state, int64_t revision);
  void tell(const Change& change);
  bool wait_before_retry(int failures);

  const std::shared_ptr<Connection> connection_;
  const api::Resource& resource_;
  const ListOptions selection_;
  Random& random_;
  const std::function<void()> progressed_;

  std::atomic<int64_t> revision_ = 0;
  std::atomic<bool> synced_ = false;
  std::string watch_from_;  // resourceVersion as text; "" = list first. The thread's own.

  mutable std::mutex mutex_;  // Guards objects_.
  std::map<ObjectKey, Entry> objects_;

  std::mutex tell_mutex_;  // Held while somebody is told; guards these two.
  std::map<int, std::function<void(const Change&)>> tells_;
  int tickets_ = 0;

  std::mutex stop_mutex_;  // Guards these.
  std::condition_variable stop_changed_;
  bool stopping_ = false;
  http::ResponseStream* stream_ = nullptr;  // The one under way, to be cancelled.

  std::thread thread_;  // Last: it uses the others.
};

}  // namespace orch::client
