// ObjectWatches: the ConfigMaps and Secrets that this node's pods refer to, each followed by its
// name as long as a pod does: a node may see no others.
//
// Thread-safe. Watches end on a pool of its own, for that may wait for the network.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/task_pool.h"
#include "client/api.h"

namespace orch::pods {

class ObjectWatches {
 public:
  // A ConfigMap or Secret appeared, changed or went; on the cache's thread.
  using Tell = std::function<void(const api::Resource& resource, const client::Change& change)>;

  ObjectWatches(client::Cache& cache, Tell tell) : cache_(cache), tell_(std::move(tell)) {}
  ~ObjectWatches() { stop(); }

  void follow(const std::string& uid, const api::Value& pod);
  void forget(const std::string& uid);
  void stop();  // No call of `tell` comes after. Not from `tell`.

 private:
  using Name = std::pair<const api::Resource*, client::ObjectKey>;
  struct Watch {
    size_t pods = 0;  // That refer to it.
    std::shared_ptr<client::Cache::Subscription> subscription;
  };
  void watch(const Name& name);

  client::Cache& cache_;
  const Tell tell_;
  std::mutex mutex_;  // Guards these.
  std::map<std::string, std::set<Name>> by_pod_;
  std::map<Name, Watch> watches_;
  bool stopped_ = false;
  TaskPool pool_{2};
};

}  // namespace orch::pods
