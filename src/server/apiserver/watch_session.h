// watch_session: what one watcher sees. See watch.h.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "http/http.h"
#include "server/apiserver/present.h"
#include "server/apiserver/selection.h"
#include "store/store.h"

namespace orch::apiserver {

class WatchSession {
 public:
  WatchSession(store::Store& store, Clock& clock, const api::Resource& resource,
               Selection selection, Presentation form, bool bookmarks)
      : store_(store),
        clock_(clock),
        resource_(resource),
        selection_(std::move(selection)),
        form_(std::move(form)),
        bookmarks_(bookmarks) {}

  const Selection& selection() const { return selection_; }

  // Writes `initial` as ADDED, with `mark_end` the bookmark that closes them, and goes on with
  // every event after `revision`. One call, before anything else. False when the history doesn't
  // reach back so far: the client was told, and the stream is closed.
  bool begin(std::shared_ptr<http::Stream> stream, const std::vector<store::RecordPtr>& initial,
             int64_t revision, bool mark_end);
  // What has been told so far, when the client asked for bookmarks. Any thread.
  void send_bookmark();
  // A last bookmark, then the end of the response. Any thread.
  void finish();

 private:
  void on_events(std::span<const store::Event> events);
  void append_event(http::Body* frames, const store::Event& event);
  void append_object(http::Body* frames, std::string_view type, const store::RecordPtr& record);
  void append_frame(http::Body* frames, std::string_view type, const http::Body& object) const;
  void append_bookmark(http::Body* frames, int64_t revision, bool initial_end) const;

  store::Store& store_;
  Clock& clock_;
  const api::Resource& resource_;
  const Selection selection_;
  const Presentation form_;
  const bool bookmarks_;
  bool with_columns_ = true;  // begin(), then the hub's thread only.
  std::shared_ptr<http::Stream> stream_;
  std::atomic<const store::Watch*> told_{nullptr};  // `watch_`, once it stands.
  std::unique_ptr<store::Watch> watch_;             // Last: its destructor waits for the sink.
};

}  // namespace orch::apiserver
