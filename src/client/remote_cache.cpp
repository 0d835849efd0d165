// See remote_cache.h. Lock order: tell_mutex_ before mutex_.
#include "client/remote_cache.h"

#include <algorithm>

#include "client/reflector.h"

namespace orch::client {

namespace {

std::string full_name(const api::Resource& resource) {
  return resource.plural + "." + resource.group;
}

std::string one_name(const api::Resource& resource, const ObjectKey& key) {
  return full_name(resource) + " " + key.to_string();
}

}  // namespace

// The last ticket of an object ends its watch.
class RemoteCache::OneTicket : public Cache::Subscription {
 public:
  OneTicket(std::shared_ptr<Reflector> reflector, std::unique_ptr<Subscription> inner)
      : reflector_(std::move(reflector)), inner_(std::move(inner)) {}

 private:
  const std::shared_ptr<Reflector> reflector_;
  const std::unique_ptr<Subscription> inner_;  // Goes first.
};

class RemoteCache::RevisionTicket : public Cache::Subscription {
 public:
  RevisionTicket(RemoteCache& cache, int id) : cache_(cache), id_(id) {}
  ~RevisionTicket() override {
    const std::lock_guard lock(cache_.tell_mutex_);
    cache_.revision_tells_.erase(id_);
  }

 private:
  RemoteCache& cache_;
  const int id_;
};

RemoteCache::RemoteCache(std::shared_ptr<Connection> connection, Random& random)
    : connection_(std::move(connection)), random_(random) {}

RemoteCache::~RemoteCache() {
  // Reflectors tell their progress until their threads have ended: outside of mutex_.
  std::map<std::string, std::unique_ptr<Reflector>> ending;
  {
    const std::lock_guard lock(mutex_);
    ending.swap(reflectors_);
  }
  ending.clear();
}

void RemoteCache::select(const api::Resource& resource, ListOptions options) {
  const std::lock_guard lock(mutex_);
  selections_[full_name(resource)] = std::move(options);
}

Reflector* RemoteCache::find(const api::Resource& resource) const {
  const std::lock_guard lock(mutex_);
  const auto it = reflectors_.find(full_name(resource));
  return it == reflectors_.end() ? nullptr : it->second.get();
}

std::optional<api::Value> RemoteCache::get(const api::Resource& resource,
                                           const ObjectKey& key) const {
  if (const Reflector* reflector = find(resource)) return reflector->get(key);
  std::shared_ptr<Reflector> one;
  {
    const std::lock_guard lock(mutex_);
    const auto found = ones_.find(one_name(resource, key));
    if (found != ones_.end()) one = found->second.lock();
  }
  return one ? one->get(key) : std::nullopt;
}

std::vector<api::Value> RemoteCache::list(const api::Resource& resource,
                                          const Filter& filter) const {
  const Reflector* reflector = find(resource);
  return reflector == nullptr ? std::vector<api::Value>{} : reflector->list(filter);
}

int64_t RemoteCache::revision() const {
  const std::lock_guard lock(mutex_);
  int64_t lowest = INT64_MAX;
  for (const auto& [name, reflector] : reflectors_)
    lowest = std::min(lowest, reflector->revision());
  return reflectors_.empty() ? 0 : lowest;
}

std::unique_ptr<Cache::Subscription> RemoteCache::subscribe(
    const api::Resource& resource, std::function<void(const Change&)> tell) {
  Reflector* reflector = nullptr;
  {
    const std::lock_guard lock(mutex_);
    auto& slot = reflectors_[full_name(resource)];
    if (!slot)
      slot = std::make_unique<Reflector>(connection_, resource, selections_[full_name(resource)],
                                         random_, [this] { on_progress(); });
    reflector = slot.get();
  }
  return reflector->subscribe(std::move(tell));
}

std::unique_ptr<Cache::Subscription> RemoteCache::subscribe_one(
    const api::Resource& resource, const ObjectKey& key, std::function<void(const Change&)> tell) {
  std::shared_ptr<Reflector> reflector;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(ones_, [](const auto& entry) { return entry.second.expired(); });
    auto& slot = ones_[one_name(resource, key)];
    reflector = slot.lock();
    if (!reflector) {
      reflector = std::make_shared<Reflector>(connection_, resource,
                                              ListOptions{key.ns, "", "metadata.name=" + key.name},
                                              random_, [] {});
      slot = reflector;
    }
  }
  auto inner = reflector->subscribe(std::move(tell));
  return std::make_unique<OneTicket>(std::move(reflector), std::move(inner));
}

std::unique_ptr<Cache::Subscription> RemoteCache::subscribe_revision(
    std::function<void(int64_t)> tell) {
  const std::lock_guard lock(tell_mutex_);
  const int id = ++tickets_;
  revision_tells_[id] = std::move(tell);
  return std::make_unique<RevisionTicket>(*this, id);
}

bool RemoteCache::wait_synced(int timeout_ms) {
  std::unique_lock lock(mutex_);
  return progressed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] {
    return std::all_of(reflectors_.begin(), reflectors_.end(),
                       [](const auto& entry) { return entry.second->is_synced(); });
  });
}

// On some reflector's thread.
void RemoteCache::on_progress() {
  const std::lock_guard tell_lock(tell_mutex_);
  const int64_t now = revision();
  {
    const std::lock_guard lock(mutex_);
    progressed_.notify_all();
  }
  if (now <= told_revision_) return;
  told_revision_ = now;
  for (const auto& [id, tell] : revision_tells_) tell(now);
}

}  // namespace orch::client
