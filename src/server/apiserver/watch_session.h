// watch_session: one watcher: its stream, and its place in the store's events. See watch.h.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "http/http.h"
#include "server/apiserver/watch_frames.h"
#include "store/store.h"

namespace orch::apiserver {

class WatchSession {
 public:
  WatchSession(store::Store& store, std::shared_ptr<WatchFrames> frames, bool bookmarks)
      : store_(store), frames_(std::move(frames)), bookmarks_(bookmarks) {}

  // Writes `initial` as ADDED, with `mark_end` the bookmark that closes them, and goes on with
  // every event after `revision`. One call, before anything else. False when the history doesn't
  // reach back so far: the client was told, and the stream is closed.
  // `on_over` is called once when the store took another state, which ends the watch: the client
  // was told to list again. It may let the session go.
  bool begin(std::shared_ptr<http::Stream> stream, const std::vector<store::RecordPtr>& initial,
             int64_t revision, bool mark_end, std::function<void()> on_over);
  // What has been told so far, when the client asked for bookmarks. Any thread.
  void send_bookmark();
  // A last bookmark, then the end of the response. Any thread.
  void finish();

 private:
  store::Store& store_;
  const std::shared_ptr<WatchFrames> frames_;
  const bool bookmarks_;
  std::shared_ptr<http::Stream> stream_;
  std::atomic<const store::Watch*> told_{nullptr};  // `watch_`, once it stands.
  std::unique_ptr<store::Watch> watch_;             // Last: its destructor waits for the sink.
};

}  // namespace orch::apiserver
