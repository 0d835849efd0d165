#include "server/apiserver/streams.h"

#include <array>

#include "api/resources.h"
#include "base/strings.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/pump.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/stream_target.h"

namespace orch::apiserver {
namespace {

constexpr int kConnectMs = 5'000;
constexpr int kAnswerMs = 30'000;

// Headers of one connection, which end with it (RFC 9110 section 7.6.1), and the caller's secrets.
bool is_forwarded(std::string_view name) {
  const std::string lower = to_lower(name);
  return lower != "authorization" && lower != "host" && lower != "content-length" &&
         lower != "transfer-encoding" && lower != "accept-encoding";
}

http::Request upstream_request(const http::Request& request, const std::string& target) {
  http::Request upstream;
  upstream.method = request.method;
  upstream.target = target;
  for (const auto& [name, value] : request.headers.fields()) {
    if (is_forwarded(name)) upstream.headers.add(name, value);
  }
  return upstream;
}

std::string upstream_path(std::string_view verb, const Target& target, std::string_view container) {
  std::string path =
      "/" + std::string(verb) + "/" + percent_encode(target.ns) + "/" + percent_encode(target.name);
  if (!container.empty()) path += "/" + percent_encode(container);
  if (!target.raw_query.empty()) path += "?" + target.raw_query;
  return path;
}

Status dial_failed(const Status& why) {
  return internal_error("error dialing backend: " + why.message);
}

}  // namespace

// A log on its way from an agent to a client.
struct Streams::LogPump {
  std::unique_ptr<http::ResponseStream> source;
  std::shared_ptr<http::Stream> stream;
  std::mutex mutex;
  bool closed = false;

  void begin(std::shared_ptr<http::Stream> to) {
    const std::lock_guard lock(mutex);
    stream = std::move(to);
    if (closed) stream->close();
  }
  // Wakes copy_log() wherever it waits.
  void close() {
    const std::lock_guard lock(mutex);
    closed = true;
    source->cancel();
    if (stream) stream->close();
  }
};

Result<void> Streams::serve(const ExchangePtr& exchange, const Target& target) {
  const auto record = store_.get(store_key(api::resource::pods(), target.ns, target.name));
  if (!record) return not_found({"", "pods", target.name});
  const api::Value pod = decode_stored(record->bytes);
  const std::string_view part = target.subresource_name();
  const std::string node = pod.at("spec.nodeName").as_string();

  bool taken = false;
  if (part == "log") {
    const std::string container = ORCH_TRY(choose_container(pod, target.query.get("container")));
    ORCH_TRY(check_log_readable(pod, container, target.query.flag("previous")));
    taken = logs_.run(
        [this, exchange, node, upstream = upstream_path("containerLogs", target, container)] {
          const auto served = run_log(exchange, node, upstream);
          if (!served) exchange->send(status_response(served.status()));
        });
  } else {
    ORCH_TRY(check_running(pod));
    const bool forward = part == "portforward";
    const std::string container =
        forward ? "" : ORCH_TRY(choose_container(pod, target.query.get("container")));
    taken =
        dials_.run([this, exchange, node,
                    upstream = upstream_path(forward ? "portForward" : part, target, container)] {
          const auto served = run_upgrade(exchange, node, upstream);
          if (!served) exchange->send(status_response(served.status()));
        });
  }
  if (!taken) return service_unavailable("the server is shutting down or overloaded");
  return {};
}

Result<std::unique_ptr<http::Client>> Streams::dial(const std::string& node) const {
  const auto record = store_.get(store_key(api::resource::nodes(), "", node));
  if (!record) return not_found({"", "nodes", node});
  http::ClientOptions options;
  options.url = ORCH_TRY(agent_url(decode_stored(record->bytes)));
  options.ca = credentials_.ca;
  options.certificate = credentials_.certificate;
  options.private_key = credentials_.private_key;
  options.connect_timeout_ms = kConnectMs;
  options.response_timeout_ms = kAnswerMs;
  options.keep_alive = false;
  return http::Client::create(std::move(options));
}

Result<void> Streams::run_log(const ExchangePtr& exchange, const std::string& node,
                              const std::string& upstream) {
  const auto client = ORCH_TRY(dial(node));
  auto opened = client->open(upstream_request(exchange->request(), upstream));
  if (!opened) return dial_failed(opened.status());
  auto pump = std::make_shared<LogPump>();
  pump->source = *std::move(opened);
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return service_unavailable("the server is shutting down");
    pumps_.insert(pump);
  }
  http::Response head = text_response(pump->source->head().status, "");
  const std::string_view type = pump->source->head().headers.get("Content-Type");
  if (!type.empty()) head.headers.set("Content-Type", std::string(type));
  // The reader is waited for below; twice the mark is never reached.
  const std::weak_ptr<LogPump> weak = pump;
  pump->begin(exchange->start_stream(std::move(head), 2 * kLogBacklogBytes, [weak] {
    if (const auto alive = weak.lock()) alive->close();
  }));
  copy_log(*pump);
  pump->stream->close();
  const std::lock_guard lock(mutex_);
  pumps_.erase(pump);
  return {};
}

void Streams::copy_log(LogPump& pump) {
  std::array<char, 32 << 10> buffer;
  while (pump.stream->wait_for_backlog(kLogBacklogBytes)) {
    const auto read = pump.source->read(buffer.data(), buffer.size(), -1);
    if (!read || *read == 0) return;
    if (!pump.stream->write(http::Body(std::string(buffer.data(), *read)))) return;
  }
}

Result<void> Streams::run_upgrade(const ExchangePtr& exchange, const std::string& node,
                                  const std::string& upstream) const {
  const auto client = ORCH_TRY(dial(node));
  auto upgraded = client->upgrade(upstream_request(exchange->request(), upstream));
  if (!upgraded) return dial_failed(upgraded.status());
  if (!upgraded->duplex) {
    exchange->send(std::move(upgraded->head));
    return {};
  }
  // Functions are copied, connections are not: the far end travels in a shared place.
  const auto far = std::make_shared<std::unique_ptr<http::Duplex>>(std::move(upgraded->duplex));
  exchange->upgrade(std::move(upgraded->head),
                    [far](std::unique_ptr<http::Duplex> near) { run_pump(*near, **far); });
  return {};
}

void Streams::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& pump : pumps_) pump->close();
  }
  logs_.stop();
  dials_.stop();
}

}  // namespace orch::apiserver
