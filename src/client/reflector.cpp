// See reflector.h. run() and everything below it is on the reflector's thread.
#include "client/reflector.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "client/remote_api.h"
#include "client/remote_cache.h"

namespace orch::client {

using api::Value;

namespace {

constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kMaxEventBytes = api::kMaxDocumentBytes + (64 << 10);
// How much longer than the watch asked for the server may stay silent.
constexpr int kWatchSlackSeconds = 30;

}  // namespace

class Reflector::Ticket : public Cache::Subscription {
 public:
  Ticket(Reflector& reflector, int id) : reflector_(reflector), id_(id) {}
  ~Ticket() override {
    const std::lock_guard lock(reflector_.tell_mutex_);
    reflector_.tells_.erase(id_);
  }

 private:
  Reflector& reflector_;
  const int id_;
};

Reflector::Reflector(std::shared_ptr<Connection> connection, const api::Resource& resource,
                     ListOptions selection, Random& random, std::function<void()> progressed)
    : connection_(std::move(connection)),
      resource_(resource),
      selection_(std::move(selection)),
      random_(random),
      progressed_(std::move(progressed)),
      thread_([this] { run(); }) {}

Reflector::~Reflector() {
  {
    const std::lock_guard lock(stop_mutex_);
    stopping_ = true;
    if (stream_ != nullptr) stream_->cancel();
    stop_changed_.notify_all();
  }
  thread_.join();
}

std::optional<Value> Reflector::get(const ObjectKey& key) const {
  std::string bytes;
  {
    const std::lock_guard lock(mutex_);
    const auto it = objects_.find(key);
    if (it == objects_.end()) return std::nullopt;
    bytes = it->second.bytes;
  }
  return api::parse_json(bytes).value_or(Value());
}

std::vector<Value> Reflector::list(const Filter& filter) const {
  const auto labels = api::LabelSelector::parse(filter.label_selector);
  std::vector<std::string> found;
  if (labels.ok()) {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : objects_) {
      if (!filter.ns.empty() && key.ns != filter.ns) continue;
      if (!filter.owner_uid.empty() && std::find(entry.owner_uids.begin(), entry.owner_uids.end(),
                                                 filter.owner_uid) == entry.owner_uids.end())
        continue;
      if (labels->everything() || labels->matches(entry.labels)) found.push_back(entry.bytes);
    }
  }
  std::vector<Value> objects;
  for (const std::string& bytes : found) {
    Value object = api::parse_json(bytes).value_or(Value());
    if (filter.field.empty() || std::as_const(object).at(filter.field).as_string() == filter.value)
      objects.push_back(std::move(object));
  }
  return objects;
}

std::unique_ptr<Cache::Subscription> Reflector::subscribe(std::function<void(const Change&)> tell) {
  const std::lock_guard lock(tell_mutex_);
  // Nothing changes meanwhile: put() and drop() take tell_mutex_ first.
  std::map<ObjectKey, Entry> present;
  {
    const std::lock_guard data_lock(mutex_);
    present = objects_;
  }
  for (const auto& [key, entry] : present)
    tell({Change::Type::added, key, entry.revision, entry.bytes, {}});
  const int id = ++tickets_;
  tells_[id] = std::move(tell);
  return std::make_unique<Ticket>(*this, id);
}

void Reflector::run() {
  int failures = 0;
  do {
    Result<void> result;
    if (watch_from_.empty()) result = list_all();
    if (result.ok()) {
      const std::string before = watch_from_;
      result = watch();
      // A watch that brought something, or ran its time, was a good one.
      if (result.ok() || watch_from_ != before) failures = 0;
    }
    if (result.ok()) continue;
    if (result.status().gone()) watch_from_.clear();
    ++failures;
    log::debug("client", "watch " + resource_.plural + ": " + result.status().message);
  } while (wait_before_retry(failures));
}

// False when it is time to stop.
bool Reflector::wait_before_retry(int failures) {
  int wait_ms = 0;
  for (int i = 0; i < failures; ++i)
    wait_ms = std::clamp(wait_ms * 2, RemoteCache::kFirstRetryMs, RemoteCache::kLastRetryMs);
  if (wait_ms > 0) wait_ms += static_cast<int>(random_.below(static_cast<uint64_t>(wait_ms) / 2));
  std::unique_lock lock(stop_mutex_);
  return !stop_changed_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                                 [&] { return stopping_; });
}

// The present state replaces what is kept; the differences are told as changes.
Result<void> Reflector::list_all() {
  const std::string target = path_of(resource_, {selection_.ns, ""}) +
                             query_of(selection_.label_selector, selection_.field_selector);
  const Value answer = ORCH_TRY(connection_->call("GET", target));
  const int64_t revision = revision_of(answer);
  std::set<ObjectKey> present;
  for (const Value& item : answer["items"].items()) {
    const Value object = whole_object(resource_, item);
    present.insert(key_of(object));
    put(object);
  }
  std::vector<ObjectKey> gone;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : objects_)
      if (!present.contains(key)) gone.push_back(key);
  }
  for (const ObjectKey& key : gone) drop(key, nullptr, revision);
  watch_from_ = answer["metadata"]["resourceVersion"].as_string();
  revision_ = revision;
  synced_ = true;
  progressed_();
  return {};
}

Result<void> Reflector::watch() {
  std::string target = path_of(resource_, {selection_.ns, ""}) +
                       query_of(selection_.label_selector, selection_.field_selector);
  target += target.find('?') == std::string::npos ? "?" : "&";
  target += "watch=true&allowWatchBookmarks=true&resourceVersion=" + watch_from_ +
            "&timeoutSeconds=" + std::to_string(RemoteCache::kWatchSeconds);
  const auto stream = ORCH_TRY(connection_->open(target));
  {
    const std::lock_guard lock(stop_mutex_);
    if (stopping_) return {};
    stream_ = stream.get();
  }
  constexpr int timeout_ms = (RemoteCache::kWatchSeconds + kWatchSlackSeconds) * 1000;
  std::string pending;
  std::vector<char> buffer(kReadBytes);
  Result<void> result;
  while (result.ok()) {
    const auto size = stream->read(buffer.data(), buffer.size(), timeout_ms);
    if (!size.ok()) result = size.status();
    if (!size.ok() || *size == 0) break;
    pending.append(buffer.data(), *size);
    size_t begin = 0;
    for (size_t end; result.ok() && (end = pending.find('\n', begin)) != std::string::npos;
         begin = end + 1)
      result = take_event(std::string_view(pending).substr(begin, end - begin));
    pending.erase(0, begin);
    if (pending.size() > kMaxEventBytes)
      result = too_large("watch event larger than " + std::to_string(kMaxEventBytes) + " bytes");
    progressed_();
  }
  const std::lock_guard lock(stop_mutex_);
  stream_ = nullptr;
  return result;
}

Result<void> Reflector::take_event(std::string_view line) {
  if (trim(line).empty()) return {};
  api::ParseOptions limits;
  limits.max_bytes = kMaxEventBytes;
  const Value event = ORCH_TRY(api::parse_json(line, limits));
  const std::string& type = event["type"].as_string();
  const Value& object = event["object"];
  if (type == "ERROR")
    return parse_status(static_cast<int>(object["code"].as_int(500)), api::to_json(object));
  if (type == "DELETED")
    drop(key_of(object), &object, revision_of(object));
  else if (type != "BOOKMARK")
    put(object);
  watch_from_ = object["metadata"]["resourceVersion"].as_string();
  revision_ = std::max(revision_.load(), revision_of(object));
  return {};
}

void Reflector::put(const Value& object) {
  Entry entry;
  entry.bytes = api::to_json(object);
  entry.revision = revision_of(object);
  entry.labels = api::labels_of(object);
  for (const Value& owner : object["metadata"]["ownerReferences"].items())
    entry.owner_uids.push_back(owner["uid"].as_string());
  const ObjectKey key = key_of(object);
  const std::string bytes = entry.bytes;
  const int64_t revision = entry.revision;

  const std::lock_guard tell_lock(tell_mutex_);
  std::string previous;
  {
    const std::lock_guard lock(mutex_);
    Entry& kept = objects_[key];
    if (kept.revision == revision && revision != 0) return;  // Listed again, unchanged.
    previous = std::move(kept.bytes);
    kept = std::move(entry);
  }
  tell({previous.empty() ? Change::Type::added : Change::Type::modified, key, revision, bytes,
        previous});
}

void Reflector::drop(const ObjectKey& key, const Value* last_state, int64_t revision) {
  const std::lock_guard tell_lock(tell_mutex_);
  std::string previous;
  {
    const std::lock_guard lock(mutex_);
    const auto it = objects_.find(key);
    if (it == objects_.end()) return;
    previous = std::move(it->second.bytes);
    objects_.erase(it);
  }
  const std::string bytes = last_state != nullptr ? api::to_json(*last_state) : previous;
  tell({Change::Type::deleted, key, revision, bytes, previous});
}

// Under tell_mutex_.
void Reflector::tell(const Change& change) {
  for (const auto& [id, each] : tells_) each(change);
}

}  // namespace orch::client
