// Test support: a cluster in memory that is Api and Cache at once, so that loops can be tested
// without a server. It keeps the API's rules that loops depend on: resourceVersion as
// compare-and-swap, generations, status apart from spec, writes that change nothing, graceful
// deletion of pods, finalizers, uid preconditions, binding. It does not validate or default.
//
// By default the cache shows every write at once, told on the writing thread. hold() makes the
// cache fall behind, fail_calls() makes Api calls fail: the two things that loops must stand.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/patch.h"
#include "api/resources.h"
#include "api/selector.h"
#include "base/clock.h"
#include "base/strings.h"
#include "client/api.h"
#include "client/event_recorder.h"

namespace orch::client {

class FakeCluster : public Api, public Cache {
 public:
  explicit FakeCluster(const Clock& clock) : clock_(clock) {}

  // --- what tests turn ---

  // The cache stops following; release() lets it catch up.
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    deliver();
  }
  // The store went back to an older state, in which the objects happen to be the same.
  void go_back_to(int64_t revision) {
    const std::lock_guard lock(mutex_);
    revision_ = seen_revision_ = revision;
    for (const auto& [id, tell] : revision_tells_) tell(revision);
  }
  // Asked before every writing call with "create pods default/x"; a Status makes it fail unmade.
  void fail_calls(std::function<std::optional<Status>(const std::string&)> decide) {
    const std::lock_guard lock(mutex_);
    decide_ = std::move(decide);
  }
  // Every writing call that was let through, in order.
  std::vector<std::string> writes() const {
    const std::lock_guard lock(mutex_);
    return writes_;
  }
  void forget_writes() {
    const std::lock_guard lock(mutex_);
    writes_.clear();
  }
  // Changes an object whatever its version, as a user or another component would.
  void change(const api::Resource& resource, const ObjectKey& key,
              const std::function<void(api::Value*)>& edit) {
    const std::lock_guard lock(mutex_);
    api::Value object = must_find(resource, key);
    edit(&object);
    if (object["spec"] != must_find(resource, key)["spec"]) bump_generation(&object);
    commit(resource, std::move(object));
  }
  // A real state, not the cache's.
  std::vector<api::Value> all(const api::Resource& resource) const {
    const std::lock_guard lock(mutex_);
    std::vector<api::Value> out;
    for (const auto& [key, object] : table(state_, resource)) out.push_back(object);
    return out;
  }
  // Removes without grace and finalizers, as the kubelet's last delete does.
  void erase(const api::Resource& resource, const ObjectKey& key) {
    const std::lock_guard lock(mutex_);
    drop(resource, key);
  }

  // --- Api ---

  Result<api::Value> get(const api::Resource& resource, const ObjectKey& key) override {
    const std::lock_guard lock(mutex_);
    const api::Value* object = find(state_, resource, key);
    if (object == nullptr) return missing(resource, key);
    return *object;
  }

  Result<std::vector<api::Value>> list(const api::Resource& resource,
                                       const ListOptions& options) override {
    const std::lock_guard lock(mutex_);
    return select(state_, resource, {options.ns, "", options.label_selector, "", ""});
  }

  Result<api::Value> create(const api::Resource& resource, const api::Value& object) override {
    const std::lock_guard lock(mutex_);
    api::Value made = object;
    api::Value& metadata = made["metadata"];
    if (metadata["name"].empty())
      metadata.set("name", metadata["generateName"].as_string() + std::to_string(++names_));
    const ObjectKey key = key_of(made);
    ORCH_TRY(let("create", resource, key));
    if (find(state_, resource, key) != nullptr)
      return already_exists({resource.group, resource.plural, key.name});
    metadata.set("uid", "uid-" + std::to_string(++uids_));
    metadata.set("creationTimestamp", format_time(clock_.now()));
    if (made.has("spec")) metadata.set("generation", 1);
    if (resource.plural == "pods" && made.at("status.phase").empty())
      made["status"].set("phase", "Pending");
    return commit(resource, std::move(made));
  }

  Result<api::Value> update(const api::Resource& resource, const api::Value& object,
                            std::string_view subresource = "") override {
    const std::lock_guard lock(mutex_);
    const ObjectKey key = key_of(object);
    ORCH_TRY(let("update" + std::string(subresource.empty() ? "" : "-") + std::string(subresource),
                 resource, key));
    const api::Value* stored = find(state_, resource, key);
    if (stored == nullptr) return missing(resource, key);
    const std::string& version = object.at("metadata.resourceVersion").as_string();
    if (!version.empty() && version != stored->at("metadata.resourceVersion").as_string())
      return conflict({resource.group, resource.plural, key.name},
                      "the object has been modified; please apply your changes to the latest "
                      "version and try again");
    api::Value next = *stored;
    if (subresource == "status") {
      next.set("status", object["status"]);
    } else if (subresource == "finalize") {
      next["spec"].set("finalizers", object.at("spec.finalizers"));
    } else {
      next = object;
      if (resource.plural != "endpoints" && stored->has("status"))
        next.set("status", (*stored)["status"]);
      if (next["spec"] != (*stored)["spec"]) bump_generation(&next);
    }
    return commit(resource, std::move(next));
  }

  Result<api::Value> patch(const api::Resource& resource, const ObjectKey& key, PatchType,
                           const api::Value& patch, std::string_view subresource = "") override {
    const std::lock_guard lock(mutex_);
    ORCH_TRY(let("patch" + std::string(subresource.empty() ? "" : "-") + std::string(subresource),
                 resource, key));
    const api::Value* stored = find(state_, resource, key);
    if (stored == nullptr) return missing(resource, key);
    return commit(resource, ORCH_TRY(api::apply_merge_patch(*stored, patch)));
  }

  Result<api::Value> create_sub(const api::Resource& resource, const ObjectKey& key,
                                std::string_view subresource, const api::Value& body) override {
    const std::lock_guard lock(mutex_);
    ORCH_TRY(let(std::string(subresource), resource, key));
    const api::Value* stored = find(state_, resource, key);
    if (stored == nullptr) return missing(resource, key);
    ORCH_CHECK(subresource == "binding");
    if (!stored->at("spec.nodeName").empty())
      return conflict({resource.group, "pods/binding", key.name},
                      "pod is already assigned to node");
    api::Value next = *stored;
    next["spec"].set("nodeName", body.at("target.name"));
    return commit(resource, std::move(next));
  }

  Result<void> remove(const api::Resource& resource, const ObjectKey& key,
                      const DeleteOptions& options = {}) override {
    const std::lock_guard lock(mutex_);
    ORCH_TRY(let("remove", resource, key));
    const api::Value* stored = find(state_, resource, key);
    if (stored == nullptr) return missing(resource, key);
    if (!options.uid.empty() && options.uid != stored->at("metadata.uid").as_string())
      return conflict({resource.group, resource.plural, key.name}, "the UID differs");
    api::Value next = *stored;
    if (options.propagation == "Foreground") add_finalizer(&next, "foregroundDeletion");
    if (options.propagation == "Orphan") add_finalizer(&next, "orphan");
    const bool running_pod = resource.plural == "pods" && !next.at("spec.nodeName").empty();
    const int64_t grace = options.grace_s.value_or(
        running_pod ? next.at("spec.terminationGracePeriodSeconds").as_int(30) : 0);
    const bool waits = !next.at("metadata.finalizers").empty() || (running_pod && grace > 0) ||
                       (resource.plural == "namespaces" && !next.at("spec.finalizers").empty());
    if (!waits) {
      drop(resource, key);
      return {};
    }
    if (next.at("metadata.deletionTimestamp").is_null()) {
      next["metadata"].set("deletionTimestamp", format_time(clock_.now()));
      next["metadata"].set("deletionGracePeriodSeconds", grace);
    }
    if (resource.plural == "namespaces") next["status"].set("phase", "Terminating");
    commit(resource, std::move(next));
    return {};
  }

  // --- Cache ---

  std::optional<api::Value> get(const api::Resource& resource,
                                const ObjectKey& key) const override {
    const std::lock_guard lock(mutex_);
    const api::Value* object = find(seen_, resource, key);
    return object == nullptr ? std::nullopt : std::optional(*object);
  }
  std::vector<api::Value> list(const api::Resource& resource,
                               const Filter& filter = {}) const override {
    const std::lock_guard lock(mutex_);
    return select(seen_, resource, filter);
  }
  int64_t revision() const override {
    const std::lock_guard lock(mutex_);
    return seen_revision_;
  }
  std::unique_ptr<Subscription> subscribe(const api::Resource& resource,
                                          std::function<void(const Change&)> tell) override {
    const std::lock_guard lock(mutex_);
    const int id = ++subscribers_;
    for (const auto& [key, object] : table(seen_, resource)) {
      const std::string bytes = api::to_json(object);
      tell({Change::Type::added, key, version_of(object), bytes, {}});
    }
    tells_[id] = {table_name(resource), std::move(tell)};
    return std::make_unique<Ticket>(*this, id);
  }
  std::unique_ptr<Subscription> subscribe_one(const api::Resource& resource, const ObjectKey& key,
                                              std::function<void(const Change&)> tell) override {
    return subscribe(resource, [key, tell = std::move(tell)](const Change& change) {
      if (change.key == key) tell(change);
    });
  }
  std::unique_ptr<Subscription> subscribe_revision(std::function<void(int64_t)> tell) override {
    const std::lock_guard lock(mutex_);
    const int id = ++subscribers_;
    revision_tells_[id] = std::move(tell);
    return std::make_unique<Ticket>(*this, id);
  }
  bool wait_synced(int) override { return true; }

 private:
  using Table = std::map<ObjectKey, api::Value>;
  using State = std::map<std::string, Table>;
  struct Tell {
    std::string table;
    std::function<void(const Change&)> tell;
  };
  struct Pending {
    std::string table;
    Change::Type type;
    ObjectKey key;
    api::Value object;
    int64_t revision;
  };
  class Ticket : public Subscription {
   public:
    Ticket(FakeCluster& cluster, int id) : cluster_(cluster), id_(id) {}
    ~Ticket() override {
      const std::lock_guard lock(cluster_.mutex_);
      cluster_.tells_.erase(id_);
      cluster_.revision_tells_.erase(id_);
    }

   private:
    FakeCluster& cluster_;
    int id_;
  };

  static std::string table_name(const api::Resource& resource) {
    return resource.plural + "." + resource.group;
  }
  static const Table& table(const State& state, const api::Resource& resource) {
    static const Table none;
    const auto it = state.find(table_name(resource));
    return it == state.end() ? none : it->second;
  }
  static const api::Value* find(const State& state, const api::Resource& resource,
                                const ObjectKey& key) {
    const Table& objects = table(state, resource);
    const auto it = objects.find(key);
    return it == objects.end() ? nullptr : &it->second;
  }
  const api::Value& must_find(const api::Resource& resource, const ObjectKey& key) const {
    const api::Value* object = find(state_, resource, key);
    ORCH_CHECK(object != nullptr);
    return *object;
  }
  static Status missing(const api::Resource& resource, const ObjectKey& key) {
    return not_found({resource.group, resource.plural, key.name});
  }
  static int64_t version_of(const api::Value& object) {
    return parse_int(object.at("metadata.resourceVersion").as_string()).value_or(0);
  }
  static void bump_generation(api::Value* object) {
    (*object)["metadata"].set("generation", object->at("metadata.generation").as_int() + 1);
  }
  static void add_finalizer(api::Value* object, const char* name) {
    api::Value& finalizers = (*object)["metadata"]["finalizers"];
    for (const api::Value& item : finalizers.items())
      if (item.as_string() == name) return;
    finalizers.push_back(name);
  }

  static bool owned_by(const api::Value& object, const std::string& uid) {
    for (const api::Value& owner : object.at("metadata.ownerReferences").items())
      if (owner["uid"].as_string() == uid) return true;
    return false;
  }
  static std::vector<api::Value> select(const State& state, const api::Resource& resource,
                                        const Filter& filter) {
    const auto labels = api::LabelSelector::parse(filter.label_selector);
    ORCH_CHECK(labels.ok());
    std::vector<api::Value> out;
    for (const auto& [key, object] : table(state, resource)) {
      if (!filter.ns.empty() && key.ns != filter.ns) continue;
      if (!filter.owner_uid.empty() && !owned_by(object, filter.owner_uid)) continue;
      if (!filter.field.empty() && object.at(filter.field).as_string() != filter.value) continue;
      if (labels->matches(api::labels_of(object))) out.push_back(object);
    }
    return out;
  }

  // One writing call: refused by the test, or written down.
  Result<void> let(const std::string& verb, const api::Resource& resource, const ObjectKey& key) {
    const std::string call = verb + " " + resource.plural + " " + key.to_string();
    if (decide_)
      if (auto status = decide_(call)) return *std::move(status);
    writes_.push_back(call);
    return {};
  }

  // Stores the object's next state (or removes it, when it only waited for its finalizers).
  api::Value commit(const api::Resource& resource, api::Value object) {
    const ObjectKey key = key_of(object);
    const api::Value* stored = find(state_, resource, key);
    if (stored != nullptr && *stored == object) return object;
    object["metadata"].set("resourceVersion", std::to_string(++revision_));
    const bool deleting = !object.at("metadata.deletionTimestamp").is_null();
    const bool pod = resource.plural == "pods";
    const bool gone = deleting && object.at("metadata.finalizers").empty() && !pod &&
                      !(resource.plural == "namespaces" && !object.at("spec.finalizers").empty());
    if (gone) {
      drop(resource, key);
      return object;
    }
    const auto type = stored == nullptr ? Change::Type::added : Change::Type::modified;
    state_[table_name(resource)][key] = object;
    pending_.push_back({table_name(resource), type, key, object, revision_});
    deliver();
    return object;
  }
  void drop(const api::Resource& resource, const ObjectKey& key) {
    Table& objects = state_[table_name(resource)];
    const auto it = objects.find(key);
    if (it == objects.end()) return;
    pending_.push_back({table_name(resource), Change::Type::deleted, key, it->second, ++revision_});
    objects.erase(it);
    deliver();
  }

  // Brings the cache up to date and tells everybody.
  void deliver() {
    if (held_ || delivering_) return;
    delivering_ = true;
    while (!pending_.empty()) {
      const Pending next = std::move(pending_.front());
      pending_.pop_front();
      Table& objects = seen_[next.table];
      const auto it = objects.find(next.key);
      const std::string previous = it == objects.end() ? "" : api::to_json(it->second);
      if (next.type == Change::Type::deleted)
        objects.erase(next.key);
      else
        objects[next.key] = next.object;
      seen_revision_ = next.revision;
      const std::string bytes = api::to_json(next.object);
      for (const auto& [id, tell] : tells_)
        if (tell.table == next.table)
          tell.tell({next.type, next.key, next.revision, bytes, previous});
      for (const auto& [id, tell] : revision_tells_) tell(seen_revision_);
    }
    delivering_ = false;
  }

  const Clock& clock_;
  mutable std::recursive_mutex mutex_;
  State state_, seen_;
  int64_t revision_ = 100, seen_revision_ = 100;
  int names_ = 0, uids_ = 0, subscribers_ = 0;
  bool held_ = false, delivering_ = false;
  std::deque<Pending> pending_;
  std::map<int, Tell> tells_;
  std::map<int, std::function<void(int64_t)>> revision_tells_;
  std::function<std::optional<Status>(const std::string&)> decide_;
  std::vector<std::string> writes_;
};

// Keeps events as "Normal ScalingReplicaSet web: Scaled up ...".
class FakeEvents : public EventSink {
 public:
  void event(const api::Value& object, std::string_view type, std::string_view reason,
             std::string_view message, std::string_view = "") override {
    const std::lock_guard lock(mutex_);
    told_.push_back(std::string(type) + " " + std::string(reason) + " " + key_of(object).name +
                    ": " + std::string(message));
  }
  std::vector<std::string> told() const {
    const std::lock_guard lock(mutex_);
    return told_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> told_;
};

}  // namespace orch::client
