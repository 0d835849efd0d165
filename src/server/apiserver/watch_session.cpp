// Frames are one JSON WatchEvent a line: {"type":"ADDED","object":<the stored bytes>}, or
// protobuf's (api/protobuf.h).
#include "server/apiserver/watch_session.h"

#include "api/protobuf.h"
#include "server/apiserver/respond.h"

namespace orch::apiserver {
namespace {

void append_body(http::Body* to, const http::Body& from) {
  for (const auto& piece : from.pieces()) to->append_shared(piece.owner, piece.view);
}

}  // namespace

bool WatchSession::begin(std::shared_ptr<http::Stream> stream,
                         const std::vector<store::RecordPtr>& initial, int64_t revision,
                         bool mark_end) {
  stream_ = std::move(stream);
  http::Body frames;
  for (const store::RecordPtr& record : initial) {
    if (selection_.matches(*record)) append_object(&frames, "ADDED", record);
  }
  if (mark_end && bookmarks_) append_bookmark(&frames, revision, true);
  if (frames.size()) stream_->write(std::move(frames));

  auto watch = store_.watch(selection_.prefix(), revision,
                            [this](std::span<const store::Event> events) { on_events(events); });
  if (watch) {
    watch_ = *std::move(watch);
    told_ = watch_.get();
    return true;
  }
  // The client knows how to go on from "too old": it lists again.
  http::Body error;
  append_frame(&error, "ERROR", present_value(200, status_value(watch.status()), form_.media).body);
  stream_->write(std::move(error));
  stream_->close();
  return false;
}

void WatchSession::send_bookmark() {
  const store::Watch* watch = told_;
  if (!bookmarks_ || !watch) return;
  http::Body frames;
  append_bookmark(&frames, watch->delivered_revision(), false);
  stream_->write(std::move(frames));
}

void WatchSession::finish() {
  if (!stream_) return;
  send_bookmark();
  stream_->close();
}

void WatchSession::on_events(std::span<const store::Event> events) {
  http::Body frames;
  for (const store::Event& event : events) append_event(&frames, event);
  if (frames.size()) stream_->write(std::move(frames));
}

// To a watcher with selectors, an object that begins to match is new, and one that ceases to is
// gone: it is told the last state that it could see, at the revision that took it away.
void WatchSession::append_event(http::Body* frames, const store::Event& event) {
  const bool removed = event.type == store::EventType::remove;
  const bool matched_before = event.previous && selection_.matches(*event.previous);
  const bool matches_now = !removed && selection_.matches(*event.record);
  if (matches_now) {
    append_object(frames, matched_before ? "MODIFIED" : "ADDED", event.record);
  } else if (removed) {
    if (selection_.matches(*event.record)) append_object(frames, "DELETED", event.record);
  } else if (matched_before) {
    append_object(frames, "DELETED", event.previous->at_deletion(event.revision));
  }
}

void WatchSession::append_object(http::Body* frames, std::string_view type,
                                 const store::RecordPtr& record) {
  append_frame(
      frames, type,
      present_object(resource_, record, record->bytes, form_, clock_.now(), with_columns_));
  with_columns_ = false;
}

void WatchSession::append_frame(http::Body* frames, std::string_view type,
                                const http::Body& object) const {
  if (form_.media.encoding == Media::Encoding::protobuf) {
    frames->append(api::protobuf_watch_frame(type, object.flatten()));
    return;
  }
  frames->append("{\"type\":\"" + std::string(type) + "\",\"object\":");
  append_body(frames, object);
  frames->append_shared(nullptr, "}\n");
}

void WatchSession::append_bookmark(http::Body* frames, int64_t revision, bool initial_end) const {
  api::Value metadata = api::Value::object({{"resourceVersion", std::to_string(revision)}});
  if (initial_end) {
    metadata.set("annotations", api::Value::object({{"k8s.io/initial-events-end", "true"}}));
  }
  const Media& media = form_.media;
  if (media.form == Media::Form::table) {
    const std::string head =
        api::render_table_head(resource_.stored(), media.api_version, metadata, false);
    return append_frame(frames, "BOOKMARK", http::Body(head + "]}"));
  }
  const bool partial = media.form == Media::Form::partial;
  metadata.set("creationTimestamp", nullptr);
  const api::Value object =
      api::Value::object({{"kind", partial ? "PartialObjectMetadata" : resource_.kind},
                          {"apiVersion", partial ? media.api_version : resource_.api_version()},
                          {"metadata", std::move(metadata)}});
  append_frame(frames, "BOOKMARK", present_value(200, object, media).body);
}

}  // namespace orch::apiserver
