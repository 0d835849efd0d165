// See loop_runner.h. Lock order: the cache may hold its own lock while it tells us something, so
// mutex_ is never held across a call of the cache.
#include "client/loop_runner.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"

namespace orch::client {

namespace {

// How long a worker waits for the cache's first sync before it looks whether it should stop.
constexpr int kSyncWaitMs = 500;
// Fences of keys that never run again (their object is gone) are dropped when this many stand.
constexpr size_t kMaxFences = 4096;

bool same_resource(const api::Resource& a, const api::Resource& b) {
  return a.group == b.group && a.plural == b.plural;
}

}  // namespace

Requeue Requeue::sooner(Requeue a, Requeue b) {
  if (!a.delay_) return b;
  if (!b.delay_) return a;
  return *a.delay_ <= *b.delay_ ? a : b;
}

const api::Value& ChangedObject::object() const {
  if (!object_) object_ = change_.object();
  return *object_;
}

const api::Value& ChangedObject::previous() const {
  if (!previous_)
    previous_ = change_.previous.empty() ? api::Value()
                                         : api::parse_json(change_.previous).value_or(api::Value());
  return *previous_;
}

Watch watch_own(const api::Resource& resource) {
  return {&resource, [](const ChangedObject& changed) { return std::vector{changed.key()}; }};
}

// Passes every call on and notes, for the reconcile that runs on the calling thread, what was
// written.
class LoopRunner::NotingApi : public Api {
 public:
  NotingApi(Api& inner, const Cache& cache) : inner_(inner), cache_(cache) {}

  // Notes of this thread go to `notes` until end_notes().
  void begin_notes(Fence* notes) { notes_ = notes; }
  void end_notes() { notes_ = nullptr; }

  Result<api::Value> get(const api::Resource& resource, const ObjectKey& key) override {
    return inner_.get(resource, key);
  }
  Result<std::vector<api::Value>> list(const api::Resource& resource,
                                       const ListOptions& options) override {
    return inner_.list(resource, options);
  }
  Result<api::Value> create(const api::Resource& resource, const api::Value& object) override {
    return note(inner_.create(resource, object));
  }
  Result<api::Value> update(const api::Resource& resource, const api::Value& object,
                            std::string_view subresource) override {
    return note(inner_.update(resource, object, subresource));
  }
  Result<api::Value> patch(const api::Resource& resource, const ObjectKey& key, PatchType type,
                           const api::Value& patch, std::string_view subresource) override {
    return note(inner_.patch(resource, key, type, patch, subresource));
  }
  Result<api::Value> create_sub(const api::Resource& resource, const ObjectKey& key,
                                std::string_view subresource, const api::Value& body) override {
    return note(inner_.create_sub(resource, key, subresource, body));
  }
  Result<void> remove(const api::Resource& resource, const ObjectKey& key,
                      const DeleteOptions& options) override {
    if (notes_ == nullptr) return inner_.remove(resource, key, options);
    // A removal answers no revision, so the fence waits until the cache shows it: that uid is
    // gone or is marked as being deleted.
    std::string uid = options.uid;
    if (uid.empty())
      if (const auto cached = cache_.get(resource, key))
        uid = cached->at("metadata.uid").as_string();
    ORCH_TRY(inner_.remove(resource, key, options));
    if (!uid.empty()) notes_->removals.push_back({&resource, key, std::move(uid)});
    return {};
  }

 private:
  static Result<api::Value> note(Result<api::Value> written) {
    if (notes_ != nullptr && written.ok())
      notes_->revision = std::max(notes_->revision, revision_of(*written));
    return written;
  }

  static thread_local Fence* notes_;
  Api& inner_;
  const Cache& cache_;
};

thread_local LoopRunner::Fence* LoopRunner::NotingApi::notes_ = nullptr;

LoopRunner::LoopRunner(Api& api, Cache& cache, const Clock& clock)
    : cache_(cache), clock_(clock), api_(std::make_unique<NotingApi>(api, cache)) {}

LoopRunner::~LoopRunner() { stop(); }

Api& LoopRunner::api() { return *api_; }

void LoopRunner::add(std::unique_ptr<Reconciler> reconciler) {
  LoopMetrics metrics;
  metrics.name = std::string(reconciler->name());
  loops_.push_back({std::move(reconciler), std::move(metrics)});
}

void LoopRunner::start(int threads) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = false;
  }
  subscribe();
  for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

// One subscription per resource, whatever the number of loops that watch it.
void LoopRunner::subscribe() {
  std::vector<std::pair<const api::Resource*, std::vector<LoopWatch>>> by_resource;
  for (size_t loop = 0; loop < loops_.size(); ++loop) {
    for (Watch& watch : loops_[loop].reconciler->watches()) {
      const auto same = [&](const auto& e) { return same_resource(*e.first, *watch.resource); };
      auto it = std::find_if(by_resource.begin(), by_resource.end(), same);
      if (it == by_resource.end()) it = by_resource.insert(by_resource.end(), {watch.resource, {}});
      it->second.push_back({loop, std::move(watch)});
    }
  }
  subscriptions_.push_back(
      cache_.subscribe_revision([this](int64_t revision) { on_revision(revision); }));
  for (auto& [resource, watches] : by_resource)
    subscriptions_.push_back(
        cache_.subscribe(*resource, [this, watches = std::move(watches)](const Change& change) {
          on_change(watches, change);
        }));
}

void LoopRunner::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  subscriptions_.clear();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void LoopRunner::enqueue(std::string_view loop, const ObjectKey& key) {
  for (size_t i = 0; i < loops_.size(); ++i) {
    if (loops_[i].reconciler->name() != loop) continue;
    const std::lock_guard lock(mutex_);
    add_key({i, key});
    wake_.notify_one();
  }
}

void LoopRunner::on_change(const std::vector<LoopWatch>& watches, const Change& change) {
  const ChangedObject changed(change);
  for (const LoopWatch& watch : watches) {
    const std::vector<ObjectKey> keys = watch.watch.keys(changed);
    if (keys.empty()) continue;
    const std::lock_guard lock(mutex_);
    for (const ObjectKey& key : keys) add_key({watch.loop, key});
    wake_.notify_one();
  }
}

void LoopRunner::add_key(const WorkItem& item) {
  queue_.add(item);
  if (added_at_.try_emplace(item, clock_.monotonic()).second) ++loops_[item.loop].metrics.adds;
}

void LoopRunner::on_revision(int64_t revision) {
  const std::lock_guard lock(mutex_);
  if (revision < told_revision_) {
    // An older state took the place of that one: what was written there will never show.
    ++histories_;
    for (auto& [item, fence] : fences_) fence.revision = 0;
  }
  told_revision_ = revision;
  const bool woke = std::erase_if(parked_, [&](const WorkItem& item) {
                      if (fences_[item].revision > told_revision_) return false;
                      queue_.add(item);
                      return true;
                    }) > 0;
  if (woke) wake_.notify_one();
}

void LoopRunner::work() {
  while (!cache_.wait_synced(kSyncWaitMs)) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
  }
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (const auto item = queue_.take(clock_.monotonic())) {
      if (queue_.has_ready()) wake_.notify_one();  // Work for one more worker.
      lock.unlock();
      run(*item);
      lock.lock();
    } else if (const auto due = queue_.next_due()) {
      wake_.wait_until(lock, *due);
    } else {
      wake_.wait(lock);
    }
  }
}

int LoopRunner::run_pending(int max_runs) {
  for (int runs = 0; runs < max_runs; ++runs) {
    std::optional<WorkItem> item;
    {
      const std::lock_guard lock(mutex_);
      item = queue_.take(clock_.monotonic());
    }
    if (!item) return runs;
    run(*item);
  }
  return max_runs;
}

bool LoopRunner::reached(const Fence& fence) const {
  if (fence.revision > cache_.revision()) return false;
  return std::all_of(fence.removals.begin(), fence.removals.end(), [&](const Removal& removal) {
    const auto cached = cache_.get(*removal.resource, removal.key);
    return !cached || cached->at("metadata.uid").as_string() != removal.uid ||
           !cached->at("metadata.deletionTimestamp").is_null();
  });
}

// True when the item's own writes are not in the cache yet; it is parked then and on_revision
// brings it back.
bool LoopRunner::wait_behind_fence(const WorkItem& item) {
  Fence fence;
  int64_t revision_before = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto it = fences_.find(item);
    if (it == fences_.end()) return false;
    fence = it->second;
    revision_before = told_revision_;
  }
  const bool is_reached = reached(fence);
  const std::lock_guard lock(mutex_);
  if (is_reached) {
    fences_.erase(item);
    return false;
  }
  ++loops_[item.loop].metrics.fence_waits;
  // If the cache moved on while we looked, nobody will tell us again: look once more.
  if (told_revision_ != revision_before)
    queue_.add(item);
  else
    parked_.insert(item);
  queue_.done(item);
  return true;
}

// What was added meanwhile waits from now on. Gives the history that the run begins in.
int LoopRunner::note_taken(const WorkItem& item, MonoTime now) {
  const std::lock_guard lock(mutex_);
  const auto at = added_at_.find(item);
  if (at == added_at_.end()) return histories_;  // It ran again by itself.
  loops_[item.loop].metrics.waited->add(std::chrono::duration<double>(now - at->second).count());
  added_at_.erase(at);
  return histories_;
}

void LoopRunner::run(const WorkItem& item) {
  if (wait_behind_fence(item)) return;
  Loop& loop = loops_[item.loop];
  Fence notes;
  const MonoTime began = clock_.monotonic();
  const int history = note_taken(item, began);
  api_->begin_notes(&notes);
  const Result<Requeue> result = loop.reconciler->reconcile(item.key);
  api_->end_notes();
  const MonoTime ended = clock_.monotonic();

  // A lost compare-and-swap is the normal way to learn that the cache was behind: no log line.
  if (!result.ok() && !result.status().conflict())
    log::warning("loops",
                 loop.metrics.name + " " + item.key.to_string() + ": " + result.status().message);
  const std::lock_guard lock(mutex_);
  ++loop.metrics.runs;
  const double seconds = std::chrono::duration<double>(ended - began).count();
  loop.metrics.seconds += seconds;
  loop.metrics.worked->add(seconds);
  if (history != histories_) notes.revision = 0;
  if (!notes.empty()) {
    if (fences_.size() >= kMaxFences)
      std::erase_if(fences_, [&](const auto& entry) {
        return entry.second.revision <= told_revision_ && !parked_.contains(entry.first);
      });
    fences_[item] = std::move(notes);
  }
  if (!result.ok()) {
    ++loop.metrics.failures;
    queue_.add_failed(item, ended);
  } else {
    queue_.succeeded(item);
    if (result->delay()) {
      ++loop.metrics.requeues;
      queue_.add_at(item, ended + *result->delay());
    }
  }
  queue_.done(item);
  wake_.notify_one();
}

std::vector<LoopMetrics> LoopRunner::metrics() const {
  const std::lock_guard lock(mutex_);
  std::vector<LoopMetrics> out;
  for (size_t i = 0; i < loops_.size(); ++i) {
    out.push_back(loops_[i].metrics);
    out.back().depth = queue_.depth(i);
  }
  return out;
}

}  // namespace orch::client
