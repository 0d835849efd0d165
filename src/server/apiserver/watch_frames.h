// watch_frames: what is told to watchers, as bytes. All who watch the same in the same form share
// one WatchFrames, so that a change is rendered once, however many hear of it; each connection
// then has nothing left to do but to encrypt. See watch.h.
//
// A frame is one JSON WatchEvent a line: {"type":"ADDED","object":<the stored bytes>}, or
// protobuf's (api/protobuf.h).
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/http.h"
#include "server/apiserver/present.h"
#include "server/apiserver/selection.h"
#include "store/store.h"

namespace orch::apiserver {

class WatchFrames : public std::enable_shared_from_this<WatchFrames> {
 public:
  // `told` counts the events that watchers were told, each of them for itself.
  WatchFrames(Clock& clock, std::atomic<uint64_t>& told, const api::Resource& resource,
              Selection selection, Presentation form)
      : clock_(clock),
        told_total_(told),
        resource_(resource),
        selection_(std::move(selection)),
        form_(std::move(form)) {}

  const Selection& selection() const { return selection_; }
  // Tables are each watcher's own: only the first row that it is told has columns.
  static bool shareable(const Presentation& form) { return form.media.form != Media::Form::table; }

  // What stands, as ADDED. Any thread.
  http::Body initial(const std::vector<store::RecordPtr>& records);
  // The hub's thread alone.
  http::Body changes(std::span<const store::Event> events);
  // Any thread.
  http::Body bookmark(int64_t revision, bool initial_end) const;
  http::Body error(const Status& status) const;

 private:
  // False when it is none of the watcher's business.
  bool append_event(http::Body* frames, const store::Event& event);
  void append_object(http::Body* frames, std::string_view type, const store::RecordPtr& record);
  void append_frame(http::Body* frames, std::string_view type, const http::Body& object) const;

  // Events of one prefix: the same first, last and number are the same events.
  struct Told {
    int64_t first = 0, last = 0;
    size_t events = 0;
    bool operator==(const Told&) const = default;
  };

  Clock& clock_;
  std::atomic<uint64_t>& told_total_;
  const api::Resource& resource_;
  const Selection selection_;
  const Presentation form_;
  bool with_columns_ = true;  // Of a Table.
  // What the watcher before was told, for those after it; at most kMaxKeptBytes.
  Told told_;
  uint64_t told_objects_ = 0;
  http::Body told_frames_;
};

}  // namespace orch::apiserver
