// respond: answers as http values. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "base/status.h"
#include "http/http.h"
#include "store/record.h"

namespace orch::apiserver {

// Bodies larger than this are compressed for clients that accept gzip.
inline constexpr size_t kGzipFromBytes = 128u << 10;

// metav1.Status. A failure of `status`; a path that leads nowhere is plain text.
api::Value status_value(const Status& status);
http::Response status_response(const Status& status);

http::Response text_response(int code, std::string text);
http::Response json_response(int code, std::string json);
http::Response value_response(int code, const api::Value& value);
// The object's bytes as they lie in the store; the Record lives until they are sent.
http::Response record_response(int code, const store::RecordPtr& record);

// RFC 7234 warn-code 299, once a warning, in the form that kubectl prints.
void add_warning(http::Response* response, std::string_view text);

// Compresses a large body when the request accepts gzip; which takes time.
bool is_to_be_compressed(const http::Request& request, const http::Response& response);
void compress(const http::Request& request, http::Response* response);

}  // namespace orch::apiserver
