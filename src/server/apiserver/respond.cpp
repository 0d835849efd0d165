#include "server/apiserver/respond.h"

#include <zlib.h>

#include "base/check.h"
#include "base/strings.h"

namespace orch::apiserver {
namespace {

http::Response typed(int code, http::Body body, std::string content_type) {
  http::Response response;
  response.status = code;
  response.headers.add("Content-Type", std::move(content_type));
  response.headers.add("Cache-Control", "no-cache, private");
  response.body = std::move(body);
  return response;
}

api::Value details_value(const StatusDetails& details) {
  api::Value value = api::Value::object();
  if (!details.name.empty()) value.set("name", details.name);
  if (!details.group.empty()) value.set("group", details.group);
  if (!details.kind.empty()) value.set("kind", details.kind);
  if (!details.uid.empty()) value.set("uid", details.uid);
  for (const StatusCause& cause : details.causes) {
    api::Value item = api::Value::object();
    if (!cause.reason.empty()) item.set("reason", cause.reason);
    if (!cause.message.empty()) item.set("message", cause.message);
    if (!cause.field.empty()) item.set("field", cause.field);
    value["causes"].push_back(std::move(item));
  }
  if (details.retry_after_s) value.set("retryAfterSeconds", details.retry_after_s);
  return value;
}

// One gzip member, level 1: the answer is on its way, time counts more than the last percent.
std::string gzip(const http::Body& body) {
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;
  constexpr int kMemoryLevel = 8;
  ORCH_CHECK(deflateInit2(&stream, 1, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) ==
             Z_OK);
  std::string out;
  char buffer[32 << 10];
  const auto run = [&](std::string_view piece, int flush) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    stream.avail_in = static_cast<uInt>(piece.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(buffer);
      stream.avail_out = sizeof buffer;
      deflate(&stream, flush);
      out.append(buffer, sizeof buffer - stream.avail_out);
    } while (stream.avail_out == 0);
  };
  for (const auto& piece : body.pieces()) run(piece.view, Z_NO_FLUSH);
  run("", Z_FINISH);
  deflateEnd(&stream);
  return out;
}

}  // namespace

api::Value status_value(const Status& status) {
  api::Value value = api::Value::object({{"kind", "Status"},
                                         {"apiVersion", "v1"},
                                         {"metadata", api::Value::object()},
                                         {"status", "Failure"},
                                         {"message", status.message}});
  if (!status.reason.empty()) value.set("reason", status.reason);
  api::Value details = details_value(status.details);
  if (!details.empty()) value.set("details", std::move(details));
  value.set("code", status.code);
  return value;
}

http::Response status_response(const Status& status) {
  if (status.code == 404 && status.reason.empty()) return text_response(404, status.message + "\n");
  auto response = value_response(status.code, status_value(status));
  if (status.details.retry_after_s) {
    response.headers.add("Retry-After", std::to_string(status.details.retry_after_s));
  }
  return response;
}

http::Response text_response(int code, std::string text) {
  return typed(code, std::move(text), "text/plain; charset=utf-8");
}

http::Response json_response(int code, std::string json) {
  return typed(code, std::move(json), "application/json");
}

http::Response value_response(int code, const api::Value& value) {
  return json_response(code, api::to_json(value));
}

http::Response record_response(int code, const store::RecordPtr& record) {
  http::Body body;
  body.append_shared(record, record->bytes);
  return typed(code, std::move(body), "application/json");
}

void add_warning(http::Response* response, std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  response->headers.add("Warning", "299 - \"" + quoted + "\"");
}

bool is_to_be_compressed(const http::Request& request, const http::Response& response) {
  if (response.body.size() <= kGzipFromBytes) return false;
  if (response.headers.has("Content-Encoding")) return false;
  bool accepted = false;
  for (const std::string_view part : split(request.headers.get("Accept-Encoding"), ',')) {
    const std::string_view name = trim(part.substr(0, part.find(';')));
    if (name == "gzip" && part.find("q=0") == std::string_view::npos) accepted = true;
  }
  return accepted;
}

void compress(const http::Request& request, http::Response* response) {
  if (!is_to_be_compressed(request, *response)) return;
  response->body = http::Body(gzip(response->body));
  response->headers.set("Content-Encoding", "gzip");
  response->headers.add("Vary", "Accept-Encoding");
}

}  // namespace orch::apiserver
