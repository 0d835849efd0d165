// See connection.h.
#include "client/connection.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <set>

#include "base/log.h"
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

bool cannot_serve(int code) { return code == 502 || code == 503 || code == 504; }

}  // namespace

struct Connection::Server {
  std::string url;
  std::shared_ptr<http::Client> client;  // Made when first needed.
  bool served = false;                   // At least once.
  MonoTime rests_until{};
  std::set<http::ResponseStream*> streams;
};

// A stream that ends when its server fails.
class Connection::Stream : public http::ResponseStream {
 public:
  Stream(Connection& connection, std::shared_ptr<Server> server,
         std::unique_ptr<http::ResponseStream> inner)
      : connection_(connection), server_(std::move(server)), inner_(std::move(inner)) {
    const std::lock_guard lock(connection_.mutex_);
    server_->streams.insert(inner_.get());
  }
  ~Stream() override {
    const std::lock_guard lock(connection_.mutex_);
    server_->streams.erase(inner_.get());
  }
  const http::Response& head() const override { return inner_->head(); }
  Result<size_t> read(char* into, size_t size, int timeout_ms) override {
    Result<size_t> read = inner_->read(into, size, timeout_ms);
    // Whoever breaks off in the middle is gone.
    if (!read && !cancelled_) connection_.note_failed(*server_, read.status());
    return read;
  }
  void cancel() override {
    cancelled_ = true;
    inner_->cancel();
  }

 private:
  Connection& connection_;
  const std::shared_ptr<Server> server_;
  const std::unique_ptr<http::ResponseStream> inner_;
  std::atomic<bool> cancelled_{false};
};

Result<std::shared_ptr<Connection>> Connection::create(const ClusterAccess& access,
                                                       const std::vector<std::string>& more_urls) {
  const auto make_client = [access](const std::string& url) {
    http::ClientOptions options;
    options.url = url;
    options.ca = access.ca;
    options.server_name = access.server_name;
    options.certificate = access.certificate;
    options.private_key = access.private_key;
    options.insecure_skip_verify = access.insecure_skip_verify;
    options.connect_timeout_ms = kConnectTimeoutMs;
    options.response_timeout_ms = kAnswerTimeoutMs;
    options.silent_peer_ms = kSilentServerMs;
    return http::Client::create(std::move(options));
  };
  std::vector<std::string> urls{access.url};
  urls.insert(urls.end(), more_urls.begin(), more_urls.end());
  for (const std::string& url : urls)
    ORCH_TRY(make_client(url));  // What can't be used is said now.
  return std::make_shared<Connection>(std::move(urls), make_client, access.token,
                                      access.certificate + access.token);
}

Connection::Connection(std::vector<std::string> urls, MakeClient make_client, std::string token,
                       std::string self)
    : first_urls_(std::move(urls)),
      make_client_(std::move(make_client)),
      token_(std::move(token)),
      self_(std::move(self)) {
  set_servers({});
}

Connection::~Connection() = default;

void Connection::set_servers(const std::vector<std::string>& urls) {
  const auto rank = [this](const std::string& url) {
    return std::hash<std::string>()(self_ + url);
  };
  std::vector<std::string> wanted = urls;
  std::ranges::sort(wanted, {}, rank);
  for (const std::string& url : first_urls_) {
    if (std::ranges::find(wanted, url) == wanted.end()) wanted.push_back(url);
  }
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Server>> servers;
  for (const std::string& url : wanted) {
    const auto known = std::ranges::find_if(servers_, [&](const auto& s) { return s->url == url; });
    servers.push_back(known != servers_.end() ? *known : std::make_shared<Server>());
    servers.back()->url = url;
  }
  servers_ = std::move(servers);
}

std::string Connection::server() const { return choose()->url; }

// The first one that doesn't rest, or the one whose rest is over next.
std::shared_ptr<Connection::Server> Connection::choose() const {
  const MonoTime now = system_clock().monotonic();
  const std::lock_guard lock(mutex_);
  for (const auto& server : servers_) {
    if (server->rests_until <= now) return server;
  }
  return *std::ranges::min_element(servers_, {}, [](const auto& s) { return s->rests_until; });
}

Result<std::shared_ptr<http::Client>> Connection::client_of(Server& server) {
  const std::lock_guard lock(mutex_);
  if (!server.client) server.client = ORCH_TRY(make_client_(server.url));
  return server.client;
}

void Connection::note_served(Server& server) {
  const std::lock_guard lock(mutex_);
  server.served = true;
  server.rests_until = {};
}

void Connection::note_failed(Server& server, const Status& why) {
  const MonoTime now = system_clock().monotonic();
  const std::lock_guard lock(mutex_);
  const bool news = servers_.size() > 1 && server.rests_until <= now;
  server.rests_until = now + (server.served ? MonoTime::duration(kRest) : kLongRest);
  // With nobody else to turn to, what still flows is better than nothing.
  if (servers_.size() == 1) return;
  for (http::ResponseStream* stream : server.streams) stream->cancel();
  if (news)
    log::info("client", "turning from " + server.url + " to another server: " + why.message);
}

size_t Connection::size() const {
  const std::lock_guard lock(mutex_);
  return servers_.size();
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
  Result<Value> answer = send(request);
  for (size_t tried = 1;
       method == "GET" && !answer && cannot_serve(answer.status().code) && tried < size();
       ++tried) {
    answer = send(request);
  }
  return answer;
}

Result<Value> Connection::send(const http::Request& request) {
  const auto server = choose();
  const auto client = ORCH_TRY(client_of(*server));
  const auto response = client->send(request);
  if (!response) {
    note_failed(*server, response.status());
    return response.status();
  }
  const std::string text = response->body.flatten();
  if (response->status < 200 || response->status > 299) {
    Status refusal = parse_status(response->status, text);
    cannot_serve(refusal.code) ? note_failed(*server, refusal) : note_served(*server);
    return refusal;
  }
  note_served(*server);
  api::ParseOptions limits;
  limits.max_bytes = http::ClientOptions().max_body_bytes;
  return api::parse_json(text, limits);
}

Result<std::unique_ptr<http::ResponseStream>> Connection::open(const std::string& target) {
  auto stream = open_one(target);
  for (size_t tried = 1; !stream && cannot_serve(stream.status().code) && tried < size(); ++tried) {
    stream = open_one(target);
  }
  return stream;
}

Result<std::unique_ptr<http::ResponseStream>> Connection::open_one(const std::string& target) {
  const auto server = choose();
  const auto client = ORCH_TRY(client_of(*server));
  auto stream = client->open(request_to("GET", target));
  if (!stream) {
    note_failed(*server, stream.status());
    return std::move(stream).status();
  }
  if ((*stream)->head().status == 200) {
    note_served(*server);
    return std::unique_ptr<http::ResponseStream>(
        std::make_unique<Stream>(*this, server, *std::move(stream)));
  }
  Status refusal = parse_status((*stream)->head().status, read_rest(stream->get()));
  cannot_serve(refusal.code) ? note_failed(*server, refusal) : note_served(*server);
  return refusal;
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

Result<Value> post_once(http::ClientOptions options, http::Request request, const Value& body) {
  options.keep_alive = false;
  api::ParseOptions limits;
  limits.max_bytes = options.max_body_bytes;
  const auto client = ORCH_TRY(http::Client::create(std::move(options)));
  request.method = "POST";
  request.headers.set("Content-Type", "application/json");
  request.body = api::to_json(body);
  const http::Response response = ORCH_TRY(client->send(request));
  const std::string text = response.body.flatten();
  if (response.status != 200) return parse_status(response.status, text);
  return api::parse_json(text, limits);
}

}  // namespace orch::client
