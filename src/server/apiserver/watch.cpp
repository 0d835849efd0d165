#include "server/apiserver/watch.h"

#include <algorithm>

#include "http/websocket.h"
#include "server/apiserver/reader.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/watch_frames.h"
#include "server/apiserver/watch_session.h"
#include "server/apiserver/watch_socket.h"

namespace orch::apiserver {
namespace {

std::string timer_key(uint64_t id, std::string_view what) {
  return "watch/" + std::to_string(id) + "/" + std::string(what);
}

bool wants_initial(const ReadOptions& options) {
  if (options.send_initial_events) return *options.send_initial_events;
  return options.revision.value_or(0) == 0;
}

}  // namespace

WatchServer::WatchServer(store::Store& store, Clock& clock, Random& random, Timers& timers,
                         WatchMetrics& metrics)
    : store_(store), clock_(clock), random_(random), timers_(timers), metrics_(metrics) {}

WatchServer::~WatchServer() { stop(); }

Result<void> WatchServer::serve(http::Exchange& exchange, const Target& target,
                                const ReadOptions& options, const Presentation& form) {
  Presentation frame = form;  // A frame is a line or a message, whatever else was asked for.
  const bool protobuf = form.media.encoding == Media::Encoding::protobuf;
  if (!protobuf) frame.media.encoding = Media::Encoding::json;
  frame.media.pretty = false;
  const auto frames = ORCH_TRY(frames_of(target, options, frame));
  auto session = std::make_shared<WatchSession>(store_, frames, options.bookmarks);

  const int64_t wanted = options.revision.value_or(0);
  const bool initial = wants_initial(options);
  if (initial && wanted > store_.revision()) return revision_in_future(wanted, store_.revision());
  store::Range range;
  if (initial) range = ORCH_TRY(store_.range({frames->selection().prefix(), "", 0, 0}));
  const int64_t from = initial ? range.revision : (wanted ? wanted : store_.revision());

  size_t bytes = 0;
  for (const auto& record : range.records) bytes += record->bytes.size();
  const uint64_t id = ORCH_TRY(admit(session));
  auto stream = open_stream(exchange, frame.media, bytes + kWatchBacklogBytes, id);
  const bool mark_end = options.send_initial_events.value_or(false);
  if (session->begin(std::move(stream), range.records, from, mark_end, [this, id] { end(id); })) {
    set_timers(id, session, options);
  } else {
    end(id);
  }
  return {};
}

std::shared_ptr<http::Stream> WatchServer::open_stream(http::Exchange& exchange, const Media& media,
                                                       size_t backlog_bytes, uint64_t id) {
  const bool protobuf = media.encoding == Media::Encoding::protobuf;
  auto on_closed = [this, id] { end(id); };
  if (http::is_websocket_request(exchange.request())) {
    using Framing = WatchSocket::Framing;
    return WatchSocket::open(exchange, protobuf ? Framing::protobuf : Framing::lines, backlog_bytes,
                             random_, std::move(on_closed));
  }
  http::Response head = json_response(200, "");
  if (protobuf) head.headers.set("Content-Type", media.content_type() + ";stream=watch");
  return exchange.start_stream(std::move(head), backlog_bytes, std::move(on_closed));
}

// Those of others who watch the same, if there are any.
Result<std::shared_ptr<WatchFrames>> WatchServer::frames_of(const Target& target,
                                                            const ReadOptions& options,
                                                            const Presentation& form) {
  const api::Resource& resource = *target.resource;
  Selection selection = ORCH_TRY(Selection::make(resource, target.ns, target.name,
                                                 options.label_selector, options.field_selector));
  const Media& media = form.media;
  FramesKey key{&resource,  selection.prefix(), options.label_selector, options.field_selector,
                media.form, media.encoding,     media.api_version};
  auto fresh = std::make_shared<WatchFrames>(clock_, metrics_.of(resource), resource,
                                             std::move(selection), form);
  if (!WatchFrames::shareable(form)) return fresh;
  const std::lock_guard lock(mutex_);
  std::weak_ptr<WatchFrames>& place = frames_[std::move(key)];
  if (auto shared = place.lock()) return shared;
  place = fresh;
  return fresh;
}

Result<uint64_t> WatchServer::admit(std::shared_ptr<WatchSession> session) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return service_unavailable("the server is shutting down");
  if (sessions_.size() >= kMaxWatches) return too_many_requests("too many watches", 1);
  const uint64_t id = next_id_++;
  sessions_.emplace(id, std::move(session));
  return id;
}

// The session is let go outside the lock: its watch waits for the sink.
void WatchServer::end(uint64_t id) {
  std::shared_ptr<WatchSession> session;
  {
    const std::lock_guard lock(mutex_);
    const auto at = sessions_.find(id);
    if (at == sessions_.end()) return;
    session = std::move(at->second);
    sessions_.erase(at);
    if (frames_.size() > 2 * sessions_.size() + kKeptFrames) {
      std::erase_if(frames_, [](const auto& entry) { return entry.second.expired(); });
    }
  }
  timers_.cancel(timer_key(id, "bookmark"));
  timers_.cancel(timer_key(id, "end"));
}

void WatchServer::set_timers(uint64_t id, const std::shared_ptr<WatchSession>& session,
                             const ReadOptions& options) {
  int64_t seconds = options.timeout_s.value_or(0);
  if (seconds == 0) seconds = kMinWatchS + static_cast<int64_t>(random_.below(kMinWatchS));
  seconds = std::clamp<int64_t>(seconds, 0, kMaxWatchS);
  const std::weak_ptr<WatchSession> weak = session;
  timers_.set_after(timer_key(id, "end"), std::chrono::seconds(seconds), [this, id, weak] {
    if (const auto alive = weak.lock()) alive->finish();
    end(id);
  });
  if (options.bookmarks) set_bookmark(id, weak);
  // The peer may have gone while they were being set: nobody else would cancel them.
  const std::lock_guard lock(mutex_);
  if (sessions_.contains(id)) return;
  timers_.cancel(timer_key(id, "bookmark"));
  timers_.cancel(timer_key(id, "end"));
}

void WatchServer::set_bookmark(uint64_t id, std::weak_ptr<WatchSession> session) {
  timers_.set_after(timer_key(id, "bookmark"), std::chrono::seconds(kBookmarkEveryS),
                    [this, id, session] {
                      const auto alive = session.lock();
                      if (!alive) return;
                      alive->send_bookmark();
                      set_bookmark(id, session);
                    });
}

void WatchServer::stop() {
  std::map<uint64_t, std::shared_ptr<WatchSession>> ended;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    ended.swap(sessions_);
  }
  for (const auto& [id, session] : ended) {
    timers_.cancel(timer_key(id, "bookmark"));
    timers_.cancel(timer_key(id, "end"));
    session->finish();
  }
}

}  // namespace orch::apiserver
