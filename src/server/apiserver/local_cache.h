// local_cache: client::Cache inside the API server's own process. There is nothing to fill: it
// reads the store itself, so it is never behind, and its subscribers hear what the store's hub
// tells, on the hub's thread. When the store takes another replica's state, they are told what that
// changes.
#pragma once

#include "client/api.h"
#include "store/store.h"

namespace orch::apiserver {

class LocalCache : public client::Cache {
 public:
  explicit LocalCache(store::Store& store) : store_(store) {}

  std::optional<api::Value> get(const api::Resource& resource,
                                const client::ObjectKey& key) const override;
  std::vector<api::Value> list(const api::Resource& resource,
                               const client::Filter& filter) const override;
  int64_t revision() const override { return store_.revision(); }
  // What stands now is told on the calling thread, before this returns.
  std::unique_ptr<Subscription> subscribe(const api::Resource& resource,
                                          std::function<void(const client::Change&)> tell) override;
  std::unique_ptr<Subscription> subscribe_one(
      const api::Resource& resource, const client::ObjectKey& key,
      std::function<void(const client::Change&)> tell) override;
  std::unique_ptr<Subscription> subscribe_revision(std::function<void(int64_t)> tell) override;
  bool wait_synced(int) override { return true; }

 private:
  std::unique_ptr<Subscription> follow(const api::Resource& resource, const std::string& prefix,
                                       std::function<void(const client::Change&)> tell);

  store::Store& store_;
};

}  // namespace orch::apiserver
