#include "server/apiserver/watch_frames.h"

#include <utility>

#include "api/protobuf.h"
#include "server/apiserver/respond.h"

namespace orch::apiserver {
namespace {

constexpr size_t kMaxKeptBytes = 256u << 10;

void append_body(http::Body* to, const http::Body& from) {
  for (const auto& piece : from.pieces()) to->append_shared(piece.owner, piece.view);
}

}  // namespace

http::Body WatchFrames::initial(const std::vector<store::RecordPtr>& records) {
  http::Body frames;
  uint64_t told = 0;
  for (const store::RecordPtr& record : records) {
    if (!selection_.matches(*record)) continue;
    append_object(&frames, "ADDED", record);
    ++told;
  }
  told_total_ += told;
  return frames;
}

http::Body WatchFrames::changes(std::span<const store::Event> events) {
  const Told told{events.front().revision, events.back().revision, events.size()};
  if (told == told_) {
    told_total_ += told_objects_;
    return told_frames_;
  }
  http::Body frames;
  told_objects_ = 0;
  for (const store::Event& event : events) told_objects_ += append_event(&frames, event) ? 1 : 0;
  told_total_ += told_objects_;
  told_ = {};
  told_frames_ = {};
  // One piece for all: 100 watchers would else each gather the same pieces for their TLS records.
  const bool shared = shareable(form_) && weak_from_this().use_count() > 1;
  if (shared && frames.size() <= kMaxKeptBytes) {
    told_ = told;
    frames = told_frames_ = http::Body(frames.flatten());
  }
  return frames;
}

// To a watcher with selectors, an object that begins to match is new, and one that ceases to is
// gone: it is told the last state that it could see, at the revision that took it away.
bool WatchFrames::append_event(http::Body* frames, const store::Event& event) {
  const bool removed = event.type == store::EventType::remove;
  const bool matched_before = event.previous && selection_.matches(*event.previous);
  const bool matches_now = !removed && selection_.matches(*event.record);
  if (matches_now) {
    append_object(frames, matched_before ? "MODIFIED" : "ADDED", event.record);
  } else if (removed) {
    if (!selection_.matches(*event.record)) return false;
    append_object(frames, "DELETED", event.record);
  } else if (matched_before) {
    append_object(frames, "DELETED", event.previous->at_deletion(event.revision));
  } else {
    return false;
  }
  return true;
}

void WatchFrames::append_object(http::Body* frames, std::string_view type,
                                const store::RecordPtr& record) {
  const bool with_columns = !shareable(form_) && std::exchange(with_columns_, false);
  append_frame(frames, type,
               present_object(resource_, record, record->bytes, form_, clock_.now(), with_columns));
}

void WatchFrames::append_frame(http::Body* frames, std::string_view type,
                               const http::Body& object) const {
  if (form_.media.encoding == Media::Encoding::protobuf) {
    frames->append(api::protobuf_watch_frame(type, object.flatten()));
    return;
  }
  frames->append("{\"type\":\"" + std::string(type) + "\",\"object\":");
  append_body(frames, object);
  frames->append_shared(nullptr, "}\n");
}

http::Body WatchFrames::bookmark(int64_t revision, bool initial_end) const {
  http::Body frames;
  api::Value metadata = api::Value::object({{"resourceVersion", std::to_string(revision)}});
  if (initial_end) {
    metadata.set("annotations", api::Value::object({{"k8s.io/initial-events-end", "true"}}));
  }
  const Media& media = form_.media;
  if (media.form == Media::Form::table) {
    const std::string head =
        api::render_table_head(resource_.stored(), media.api_version, metadata, false);
    append_frame(&frames, "BOOKMARK", http::Body(head + "]}"));
    return frames;
  }
  const bool partial = media.form == Media::Form::partial;
  metadata.set("creationTimestamp", nullptr);
  const api::Value object =
      api::Value::object({{"kind", partial ? "PartialObjectMetadata" : resource_.kind},
                          {"apiVersion", partial ? media.api_version : resource_.api_version()},
                          {"metadata", std::move(metadata)}});
  append_frame(&frames, "BOOKMARK", present_value(200, object, media).body);
  return frames;
}

http::Body WatchFrames::error(const Status& status) const {
  http::Body frames;
  append_frame(&frames, "ERROR", present_value(200, status_value(status), form_.media).body);
  return frames;
}

}  // namespace orch::apiserver
