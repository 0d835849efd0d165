// Writing HTTP/1.1 heads (RFC 9112): values in, bytes out. Pure.
//
// Content-Length, Transfer-Encoding and Connection belong to the framing and are written here
// alone: a caller's own are left out. Control characters in names and values are dropped, so that
// no value can end a header (response splitting).
#pragma once

#include <optional>
#include <string>

#include "http/http.h"

namespace orch::http {

enum class Framing {
  sized,    // Content-Length.
  chunked,  // Transfer-Encoding: chunked.
  to_eof,   // HTTP/1.0: the body ends with the connection.
  none,     // No body, no length: 1xx, 204, 304.
};

// A failure as a line of text.
Response plain_response(const Status& status);

std::string render_response_head(const Response& response, Framing framing, bool keep_alive);
// `host` is the authority for the Host header, unless the request has one.
std::string render_request_head(const Request& request, const std::string& host, bool keep_alive);
// "Not Found"; "Unknown" for a code that no RFC names.
std::string_view status_phrase(int status);
// The line before a chunk's bytes; "\r\n" follows them. Not for size 0, which ends a body.
std::string render_chunk_head(size_t size);
inline constexpr std::string_view chunk_tail = "\r\n";
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace orch::http
