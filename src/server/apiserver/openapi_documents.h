// openapi_documents: GET of /openapi/v2 and /openapi/v3. A document is made when it is first asked
// for and then kept compressed, the form in which nearly all clients take it: about a megabyte if
// all are ever asked for, nothing before. Clients keep v3 documents for good, by their hash in the
// URL. Thread-safe; called on I/O threads. Follows: KEP-2896, RFC 9110 (ETag, If-None-Match).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "api/schema.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/http.h"
#include "server/apiserver/route.h"

namespace orch::apiserver {

// 304 when the request's If-None-Match knows `etag` (given without quotes), else nothing; the
// answer gets the ETag either way.
bool not_modified(const http::Request& request, std::string_view etag, http::Response* response);
// Tells versions of a text apart; 16 hexadecimal digits, not for secrets.
std::string etag_of(std::string_view text);

class OpenApiDocuments {
 public:
  OpenApiDocuments(const api::Schema& schema, Clock& clock) : schema_(schema), clock_(clock) {}

  // 404 for what is no document, 406 for a form that it has not.
  Result<http::Response> serve(const http::Request& request, const Target& target) const;

 private:
  struct Document {
    std::string etag;
    std::string compressed;
    size_t size = 0;  // Not compressed.
  };
  using DocumentPtr = std::shared_ptr<const Document>;

  Result<http::Response> serve_v2(const http::Request& request) const;
  Result<http::Response> serve_v3_index(const http::Request& request) const;
  Result<http::Response> serve_v3(const http::Request& request, const Target& target,
                                  const std::string& path) const;
  // nullptr when there is no such. `key`: "v2", "v2.protobuf", "v3", "v3/apis/apps/v1".
  DocumentPtr find(const std::string& key) const;
  std::string render(const std::string& key) const;
  std::string render_v3_index() const;

  const api::Schema& schema_;
  Clock& clock_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, DocumentPtr> kept_;
};

}  // namespace orch::apiserver
