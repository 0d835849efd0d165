// RemoteCache: the Cache over HTTPS. Each resource that somebody subscribes to (or selects) is
// listed once and then watched, on a thread of its own; what was watched is kept here as bytes.
//
// revision() is the lowest that any of the watches has reached (bookmarks move idle ones on).
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "client/api.h"
#include "client/connection.h"

namespace orch::client {

class Reflector;

class RemoteCache : public Cache {
 public:
  // A watch that failed is tried again after 0.5, 1, 2 ... 30 s, and a random part more.
  static constexpr int kFirstRetryMs = 500;
  static constexpr int kLastRetryMs = 30'000;
  // A watch is opened anew after this long; a peer that vanished is noticed soon after.
  static constexpr int kWatchSeconds = 300;

  RemoteCache(std::shared_ptr<Connection> connection, Random& random);
  ~RemoteCache() override;  // Ends the watches. Subscriptions must be gone.

  // Restricts what is watched of a resource: `options` as in the query of a LIST, e.g. the pods of
  // one node. Before the resource's first subscribe().
  void select(const api::Resource& resource, ListOptions options);

  std::optional<api::Value> get(const api::Resource& resource, const ObjectKey& key) const override;
  std::vector<api::Value> list(const api::Resource& resource,
                               const Filter& filter = {}) const override;
  int64_t revision() const override;
  std::unique_ptr<Subscription> subscribe(const api::Resource& resource,
                                          std::function<void(const Change&)> tell) override;
  // One watch more, shared by all who follow that object; it doesn't count for revision().
  std::unique_ptr<Subscription> subscribe_one(const api::Resource& resource, const ObjectKey& key,
                                              std::function<void(const Change&)> tell) override;
  std::unique_ptr<Subscription> subscribe_revision(std::function<void(int64_t)> tell) override;
  bool wait_synced(int timeout_ms) override;

 private:
  class RevisionTicket;
  class OneTicket;
  Reflector* find(const api::Resource& resource) const;
  void on_progress();

  const std::shared_ptr<Connection> connection_;
  Random& random_;

  mutable std::mutex mutex_;  // Guards these.
  std::condition_variable progressed_;
  std::map<std::string, ListOptions> selections_;
  std::map<std::string, std::unique_ptr<Reflector>> reflectors_;
  std::map<std::string, std::weak_ptr<Reflector>> ones_;  // By "secrets. ns/name".

  std::mutex tell_mutex_;  // Guards the rest, and is held while revisions are told.
  std::map<int, std::function<void(int64_t)>> revision_tells_;
  int64_t told_revision_ = 0;
  int tickets_ = 0;
};

}  // namespace orch::client
