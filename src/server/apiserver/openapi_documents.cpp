#include "server/apiserver/openapi_documents.h"

#include <algorithm>

#include "api/json.h"
#include "api/openapi.h"
#include "base/strings.h"
#include "http/gzip.h"
#include "server/apiserver/respond.h"

namespace orch::apiserver {
namespace {

constexpr const char* kJson = "application/json";
constexpr const char* kProtobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
// The name by which it went before; '@' may not stand in a media type.
constexpr const char* kOldProtobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
constexpr std::chrono::hours kOneYear{24 * 365};

Status no_document() {
  Status status = not_found("404 page not found");
  status.reason.clear();
  return status;
}

bool refuses(std::string_view part) {
  const size_t at = part.find("q=");
  if (at == std::string_view::npos) return false;
  return parse_double(trim(part.substr(at + 2))).value_or(1) == 0;
}

// The first of `Accept` that is served wins, as in Kubernetes; nothing said means JSON.
Result<const char*> choose(std::string_view accept, bool has_protobuf) {
  if (trim(accept).empty()) return kJson;
  for (const std::string_view part : split(accept, ',')) {
    const std::string_view type = trim(part.substr(0, part.find(';')));
    if (refuses(part)) continue;
    if (type == kJson || type == "application/*" || type == "*/*") return kJson;
    if (has_protobuf && (type == kProtobuf || type == kOldProtobuf)) return kProtobuf;
  }
  std::string types = kJson;
  if (has_protobuf) types += std::string(", ") + kProtobuf;
  return not_acceptable("only the following media types are accepted: " + types);
}

bool accepts_gzip(const http::Request& request) {
  for (const std::string_view part : split(request.headers.get("Accept-Encoding"), ',')) {
    if (trim(part.substr(0, part.find(';'))) == "gzip" && !refuses(part)) return true;
  }
  return false;
}

// RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(WallTime time) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::string text = format_time(time);  // 1994-11-06T08:49:37Z
  return std::string(kDays[std::chrono::weekday(day).c_encoding()]) + ", " + text.substr(8, 2) +
         " " + kMonths[static_cast<unsigned>(date.month()) - 1] + " " + text.substr(0, 4) + " " +
         text.substr(11, 8) + " GMT";
}

}  // namespace

std::string etag_of(std::string_view text) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a.
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789ABCDEF"[(hash >> shift) & 15];
  return digits;
}

bool not_modified(const http::Request& request, std::string_view etag, http::Response* response) {
  const std::string quoted = "\"" + std::string(etag) + "\"";
  response->headers.set("ETag", quoted);
  bool known = false;
  for (std::string_view one : split(request.headers.get("If-None-Match"), ',')) {
    one = trim(one);
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == "*" || one == quoted) known = true;
  }
  if (!known) return false;
  response->status = 304;
  response->body = {};
  response->headers.remove("Content-Type");
  return true;
}

std::string OpenApiDocuments::render_v3_index() const {
  api::Value paths = api::Value::object();
  for (const std::string& path : api::openapi_v3_paths(schema_)) {
    const std::string url = "/openapi/v3/" + path + "?hash=" + find("v3/" + path)->etag;
    paths.set(path, api::Value::object({{"serverRelativeURL", url}}));
  }
  return api::to_json(api::Value::object({{"paths", std::move(paths)}}));
}

std::string OpenApiDocuments::render(const std::string& key) const {
  if (key == "v2") return api::render_openapi_v2(schema_);
  if (key == "v2.protobuf") return api::render_openapi_v2_protobuf(schema_);
  if (key == "v3") return render_v3_index();
  return api::render_openapi_v3(schema_, std::string_view(key).substr(3));
}

// Two that ask for the same at once may both make it; they make the same, and one is kept.
OpenApiDocuments::DocumentPtr OpenApiDocuments::find(const std::string& key) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto kept = kept_.find(key); kept != kept_.end()) return kept->second;
  }
  const std::string text = render(key);
  if (text.empty()) return nullptr;
  auto document = std::make_shared<Document>();
  document->etag = etag_of(text);
  document->compressed = http::gzip(text);
  document->compressed.shrink_to_fit();
  document->size = text.size();
  const std::lock_guard lock(mutex_);
  return kept_.emplace(key, std::move(document)).first->second;
}

namespace {

// `document` is any Document: its type is private to the class.
template <typename DocumentPtr>
Result<http::Response> answer(const http::Request& request, const DocumentPtr& document,
                              const char* type) {
  http::Response response;
  response.headers.set("Content-Type", type);
  response.headers.add("Vary", "Accept");
  if (not_modified(request, document->etag, &response)) return response;
  response.headers.add("Vary", "Accept-Encoding");
  if (accepts_gzip(request)) {
    response.headers.set("Content-Encoding", "gzip");
    response.body.append_shared(document, document->compressed);
  } else {
    response.body = http::Body(ORCH_TRY(http::gunzip(document->compressed, document->size)));
  }
  return response;
}

}  // namespace

Result<http::Response> OpenApiDocuments::serve_v2(const http::Request& request) const {
  const char* type = ORCH_TRY(choose(request.headers.get("Accept"), true));
  return answer(request, find(type == kJson ? "v2" : "v2.protobuf"), type);
}

Result<http::Response> OpenApiDocuments::serve_v3_index(const http::Request& request) const {
  ORCH_TRY(choose(request.headers.get("Accept"), false));
  return answer(request, find("v3"), kJson);
}

// With the hash of what is, the answer holds for good; with another, the way to the right one.
Result<http::Response> OpenApiDocuments::serve_v3(const http::Request& request,
                                                  const Target& target,
                                                  const std::string& path) const {
  const auto paths = api::openapi_v3_paths(schema_);
  if (std::find(paths.begin(), paths.end(), path) == paths.end()) return no_document();
  const DocumentPtr document = find("v3/" + path);
  const char* type = ORCH_TRY(choose(request.headers.get("Accept"), false));
  const std::string hash(target.query.get("hash"));
  if (!hash.empty() && hash != document->etag) {
    http::Response moved = text_response(301, "");
    moved.headers.set("Location", "/openapi/v3/" + path + "?hash=" + document->etag);
    return moved;
  }
  http::Response response = ORCH_TRY(answer(request, document, type));
  if (!hash.empty()) {
    response.headers.set("Cache-Control", "public, immutable");
    response.headers.set("Expires", http_date(clock_.now() + kOneYear));
  }
  return response;
}

Result<http::Response> OpenApiDocuments::serve(const http::Request& request,
                                               const Target& target) const {
  constexpr std::string_view kV3 = "/openapi/v3/";
  if (target.path == "/openapi/v2") return serve_v2(request);
  if (target.path == "/openapi/v3") return serve_v3_index(request);
  if (target.path.starts_with(kV3)) {
    return serve_v3(request, target, target.path.substr(kV3.size()));
  }
  return no_document();
}

}  // namespace orch::apiserver
