#include "agent/pods/object_watches.h"

#include <vector>

#include "api/pod_references.h"
#include "api/resources.h"

namespace orch::pods {

// Subscribing tells at once what is known, so it happens outside of every lock.
void ObjectWatches::follow(const std::string& uid, const api::Value& pod) {
  const std::string& ns = pod["metadata"]["namespace"].as_string();
  const api::PodReferences references = api::pod_references(pod);
  std::set<Name> names;
  for (const auto& name : references.secrets) names.insert({&api::resource::secrets(), {ns, name}});
  for (const auto& name : references.config_maps) {
    names.insert({&api::resource::config_maps(), {ns, name}});
  }
  std::vector<Name> fresh;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || !by_pod_.emplace(uid, names).second) return;
    for (const Name& name : names) {
      if (watches_[name].pods++ == 0) fresh.push_back(name);
    }
  }
  for (const Name& name : fresh) pool_.run([this, name] { watch(name); });
}

void ObjectWatches::watch(const Name& name) {
  const api::Resource& resource = *name.first;
  std::shared_ptr<client::Cache::Subscription> subscription = cache_.subscribe_one(
      resource, name.second,
      [this, &resource](const client::Change& change) { tell_(resource, change); });
  const std::lock_guard lock(mutex_);
  const auto wanted = watches_.find(name);
  // Forgotten meanwhile: what was made ends with this job.
  if (stopped_ || wanted == watches_.end() || wanted->second.subscription) return;
  wanted->second.subscription = std::move(subscription);
}

void ObjectWatches::forget(const std::string& uid) {
  std::vector<std::shared_ptr<client::Cache::Subscription>> ended;
  const std::lock_guard lock(mutex_);
  const auto pod = by_pod_.find(uid);
  if (pod == by_pod_.end()) return;
  for (const Name& name : pod->second) {
    const auto found = watches_.find(name);
    if (--found->second.pods > 0) continue;
    ended.push_back(std::move(found->second.subscription));
    watches_.erase(found);
  }
  by_pod_.erase(pod);
  pool_.run([ended = std::move(ended)]() mutable { ended.clear(); });
}

void ObjectWatches::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  pool_.stop();
  const auto ended = std::move(watches_);  // Nobody else touches them any more.
}

}  // namespace orch::pods
