#include "server/apiserver/watch_session.h"

namespace orch::apiserver {
namespace {

constexpr std::string_view kStateReplaced =
    "this server was too far behind the others and has caught up at once: events in between are "
    "not known";

}  // namespace

bool WatchSession::begin(std::shared_ptr<http::Stream> stream,
                         const std::vector<store::RecordPtr>& initial, int64_t revision,
                         bool mark_end, std::function<void()> on_over) {
  stream_ = std::move(stream);
  stream_->write(frames_->initial(initial));
  if (mark_end && bookmarks_) stream_->write(frames_->bookmark(revision, true));

  auto watch =
      store_.watch(frames_->selection().prefix(), revision,
                   [this, on_over = std::move(on_over)](std::span<const store::Event> events) {
                     if (!events.empty()) {
                       stream_->write(frames_->changes(events));
                       return;
                     }
                     stream_->write(frames_->error(expired(std::string(kStateReplaced))));
                     stream_->close();
                     on_over();
                   });
  if (watch) {
    watch_ = *std::move(watch);
    told_ = watch_.get();
    return true;
  }
  // The client knows how to go on from "too old": it lists again.
  stream_->write(frames_->error(watch.status()));
  stream_->close();
  return false;
}

void WatchSession::send_bookmark() {
  const store::Watch* watch = told_;
  if (!bookmarks_ || !watch) return;
  stream_->write(frames_->bookmark(watch->delivered_revision(), false));
}

void WatchSession::finish() {
  if (!stream_) return;
  send_bookmark();
  stream_->close();
}

}  // namespace orch::apiserver
