#include "http/render.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/strings.h"

namespace orch::http {

namespace {

struct Phrase {
  int status;
  std::string_view text;
};
constexpr Phrase phrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {413, "Request Entity Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Entity"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

bool is_framing_field(std::string_view name) {
  const std::string lower = to_lower(name);
  return lower == "content-length" || lower == "transfer-encoding";
}

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

void append_clean(std::string_view text, std::string* out) {
  if (std::none_of(text.begin(), text.end(), is_control)) {
    out->append(text);
    return;
  }
  for (const char c : text)
    if (!is_control(c)) out->push_back(c);
}

void append_fields(const Headers& headers, bool keep_connection, std::string* out) {
  for (const auto& [name, value] : headers.fields()) {
    // Lengths first: nearly every name fails the comparison without being copied.
    if ((name.size() == 14 || name.size() == 17) && is_framing_field(name)) continue;
    if (!keep_connection && name.size() == 10 && to_lower(name) == "connection") continue;
    append_clean(name, out);
    *out += ": ";
    append_clean(value, out);
    *out += "\r\n";
  }
}

}  // namespace

Response plain_response(const Status& status) {
  Response response;
  response.status = status.code;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  if (status.details.retry_after_s > 0) {
    response.headers.add("Retry-After", std::to_string(status.details.retry_after_s));
  }
  response.body.append(status.message + "\n");
  return response;
}

std::string_view status_phrase(int status) {
  for (const Phrase& phrase : phrases)
    if (phrase.status == status) return phrase.text;
  return "Unknown";
}

std::string render_response_head(const Response& response, Framing framing, bool keep_alive) {
  std::string out;
  out.reserve(256);
  out += "HTTP/1.1 ";
  out += std::to_string(response.status);
  out += ' ';
  out += status_phrase(response.status);
  out += "\r\n";
  const bool switching = response.status == 101;
  append_fields(response.headers, switching, &out);
  if (framing == Framing::sized)
    out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  if (framing == Framing::chunked) out += "Transfer-Encoding: chunked\r\n";
  if (!keep_alive && !switching) out += "Connection: close\r\n";
  out += "\r\n";
  return out;
}

std::string render_request_head(const Request& request, const std::string& host, bool keep_alive) {
  std::string out;
  out.reserve(256);
  append_clean(request.method, &out);
  out += ' ';
  append_clean(request.target, &out);
  out += " HTTP/1.1\r\n";
  if (!request.headers.has("Host")) {
    out += "Host: ";
    append_clean(host, &out);
    out += "\r\n";
  }
  const bool upgrade = request.headers.has("Upgrade");
  append_fields(request.headers, upgrade, &out);
  const bool may_have_body =
      request.method != "GET" && request.method != "HEAD" && request.method != "DELETE";
  const auto length = request.rest ? request.rest->length() : request.body.size();
  if (!length)
    out += "Transfer-Encoding: chunked\r\n";
  else if (may_have_body || *length > 0)
    out += "Content-Length: " + std::to_string(*length) + "\r\n";
  if (!keep_alive && !upgrade) out += "Connection: close\r\n";
  out += "\r\n";
  return out;
}

std::string render_chunk_head(size_t size) {
  std::array<char, 24> text{};
  const int length = std::snprintf(text.data(), text.size(), "%zx\r\n", size);
  return {text.data(), static_cast<size_t>(length)};
}

}  // namespace orch::http
