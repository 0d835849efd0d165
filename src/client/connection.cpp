// See connection.h.
#include "client/connection.h"

#include "base/strings.h"

namespace orch::client {

using api::Value;

namespace {

constexpr size_t kMaxErrorBytes = 64 << 10;
constexpr int kErrorReadTimeoutMs = 5000;

// What is left of a short answer that was opened as a stream.
std::string read_rest(http::ResponseStream* stream) {
  std::string body;
  char buffer[4096];
  while (body.size() < kMaxErrorBytes) {
    const auto size = stream->read(buffer, sizeof buffer, kErrorReadTimeoutMs);
    if (!size.ok() || *size == 0) break;
    body.append(buffer, *size);
  }
  return body;
}

}  // namespace

Result<std::shared_ptr<Connection>> Connection::create(const ClusterAccess& access) {
  http::ClientOptions options;
  options.url = access.url;
  options.ca = access.ca;
  options.server_name = access.server_name;
  options.certificate = access.certificate;
  options.private_key = access.private_key;
  options.insecure_skip_verify = access.insecure_skip_verify;
  return std::make_shared<Connection>(ORCH_TRY(http::Client::create(std::move(options))),
                                      access.token);
}

http::Request Connection::request_to(const std::string& method, const std::string& target) const {
  http::Request request;
  request.method = method;
  request.target = target;
  request.headers.set("Accept", "application/json");
  if (!token_.empty()) request.headers.set("Authorization", "Bearer " + token_);
  return request;
}

Result<Value> Connection::call(const std::string& method, const std::string& target,
                               const Value& body, const std::string& content_type) {
  http::Request request = request_to(method, target);
  if (!body.is_null()) {
    request.headers.set("Content-Type", content_type);
    request.body = api::to_json(body);
  }
  const http::Response response = ORCH_TRY(client_->send(request));
  const std::string text = response.body.flatten();
  if (response.status < 200 || response.status > 299) return parse_status(response.status, text);
  api::ParseOptions limits;
  limits.max_bytes = http::ClientOptions().max_body_bytes;
  return api::parse_json(text, limits);
}

Result<std::unique_ptr<http::ResponseStream>> Connection::open(const std::string& target) {
  auto stream = ORCH_TRY(client_->open(request_to("GET", target)));
  if (stream->head().status != 200)
    return parse_status(stream->head().status, read_rest(stream.get()));
  return stream;
}

std::string path_of(const api::Resource& resource, const ObjectKey& key,
                    std::string_view subresource) {
  std::string path = resource.group.empty() ? "/api/" + resource.version
                                            : "/apis/" + resource.group + "/" + resource.version;
  if (resource.namespaced && !key.ns.empty()) path += "/namespaces/" + percent_encode(key.ns);
  path += "/" + resource.plural;
  if (!key.name.empty()) path += "/" + percent_encode(key.name);
  if (!subresource.empty()) path += "/" + std::string(subresource);
  return path;
}

std::string query_of(const std::string& label_selector, const std::string& field_selector) {
  std::string query;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty())
      query += (query.empty() ? "?" : "&") + std::string(name) + "=" + percent_encode(value);
  };
  add("labelSelector", label_selector);
  add("fieldSelector", field_selector);
  return query;
}

Status parse_status(int code, std::string_view body) {
  Status status;
  status.code = code;
  const auto parsed = api::parse_json(body);
  const Value object = parsed.value_or(Value());
  if (object["kind"].as_string() != "Status") {
    if (code == 503 || code == 504 || code == 502) status.reason = "ServiceUnavailable";
    status.message = "the server answered " + std::to_string(code);
    return status;
  }
  status.reason = object["reason"].as_string();
  status.message = object["message"].as_string();
  const Value& details = object["details"];
  status.details.name = details["name"].as_string();
  status.details.group = details["group"].as_string();
  status.details.kind = details["kind"].as_string();
  status.details.uid = details["uid"].as_string();
  status.details.retry_after_s = static_cast<int32_t>(details["retryAfterSeconds"].as_int());
  for (const Value& cause : details["causes"].items())
    status.details.causes.push_back(
        {cause["reason"].as_string(), cause["message"].as_string(), cause["field"].as_string()});
  return status;
}

}  // namespace orch::client
