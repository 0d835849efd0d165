#include "http/forwarder.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/strings.h"
#include "http/pump.h"
#include "http/websocket.h"

namespace orch::http {
namespace {

constexpr std::array<std::string_view, 10> kOfOneConnection = {"connection",
                                                               "proxy-connection",
                                                               "keep-alive",
                                                               "proxy-authenticate",
                                                               "proxy-authorization",
                                                               "te",
                                                               "trailer",
                                                               "transfer-encoding",
                                                               "upgrade",
                                                               "content-length"};
constexpr std::array<std::string_view, 2> kNotOnward = {"authorization", "accept-encoding"};

// Between two pieces of a body that is waited for whole.
constexpr int kWholeTimeoutMs = 60'000;

bool contains(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The fields that go on. `upgrades`: Connection and Upgrade are meant for the far end.
Headers onward_headers(const Headers& headers, bool upgrades) {
  std::vector<std::string> named;  // By Connection, as being of this connection only.
  for (const std::string_view line : headers.all("Connection")) {
    for (const std::string_view part : split(line, ',')) named.push_back(to_lower(trim(part)));
  }
  Headers onward;
  for (const auto& [name, value] : headers.fields()) {
    const std::string lower = to_lower(name);
    const bool kept = upgrades && (lower == "connection" || lower == "upgrade");
    if (!kept && (contains(kOfOneConnection, lower) || contains(named, lower))) continue;
    onward.add(name, value);
  }
  return onward;
}

bool has_no_body(const Request& request, int status) {
  return request.method == "HEAD" || status == 204 || status == 304;
}

}  // namespace

Request onward_request(const Request& request, std::string target) {
  Request onward;
  onward.method = request.method;
  onward.target = std::move(target);
  onward.body = request.body;
  onward.rest = request.rest;
  onward.headers = onward_headers(request.headers, request.headers.has("Upgrade"));
  for (const std::string_view name : kNotOnward) onward.headers.remove(name);
  if (onward.headers.has("Sec-WebSocket-Protocol")) {
    // Without a token of his in it.
    const auto offered = offered_protocols(request);
    onward.headers.remove("Sec-WebSocket-Protocol");
    if (!offered.empty()) {
      onward.headers.set("Sec-WebSocket-Protocol",
                         join(std::vector<std::string>(offered.begin(), offered.end()), ", "));
    }
  }
  std::vector<std::string> impersonation;
  for (const auto& [name, value] : onward.headers.fields()) {
    if (to_lower(name).starts_with("impersonate-")) impersonation.push_back(name);
  }
  for (const std::string& name : impersonation) onward.headers.remove(name);
  return onward;
}

// An answer on its way. Its caller, or stop(), may close it from another thread.
struct Forwarder::Answer {
  std::unique_ptr<ResponseStream> source;
  std::shared_ptr<Stream> stream;
  std::mutex mutex;
  bool closed = false;

  void begin(std::shared_ptr<Stream> to) {
    const std::lock_guard lock(mutex);
    stream = std::move(to);
    if (closed) stream->abort();
  }
  // Wakes copy() wherever it waits.
  void close() {
    const std::lock_guard lock(mutex);
    closed = true;
    source->cancel();
    if (stream) stream->abort();
  }
};

Forwarder::Forwarder(size_t max_threads)
    : stopping_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), pool_(max_threads) {
  ORCH_CHECK(stopping_.valid());
}

bool Forwarder::run(Forward request) {
  request.server.cancel_fd = stopping_.get();
  return pool_.run([this, request = std::move(request)] {
    const auto done = forward(request);
    if (!done) request.exchange->send(request.fail(done.status()));
  });
}

Result<void> Forwarder::forward(const Forward& forward) {
  const auto client = ORCH_TRY(Client::create(forward.server));
  if (forward.request.headers.has("Upgrade")) return upgrade(forward, *client);
  const auto answer = std::make_shared<Answer>();
  answer->source = ORCH_TRY(client->open(forward.request));
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return service_unavailable("the server is shutting down");
    answers_.insert(answer);
  }
  auto copied = copy(forward, answer);
  const std::lock_guard lock(mutex_);
  answers_.erase(answer);
  return copied;
}

Result<void> Forwarder::upgrade(const Forward& forward, Client& client) {
  auto upgraded = ORCH_TRY(client.upgrade(forward.request));
  Response head = std::move(upgraded.head);
  head.headers = onward_headers(head.headers, upgraded.duplex != nullptr);
  if (!upgraded.duplex) {
    forward.exchange->send(std::move(head));
    return {};
  }
  // Functions are copied, connections are not: the far end travels in a shared place.
  const auto far = std::make_shared<std::unique_ptr<Duplex>>(std::move(upgraded.duplex));
  forward.exchange->upgrade(std::move(head),
                            [far](std::unique_ptr<Duplex> near) { run_pump(*near, **far); });
  return {};
}

// Once the head is out a failure can only end the connection.
Result<void> Forwarder::copy(const Forward& forward, const std::shared_ptr<Answer>& answer) {
  Response head;
  head.status = answer->source->head().status;
  head.headers = onward_headers(answer->source->head().headers, false);
  const Forward::Rewrite rewrite = forward.edit ? forward.edit(&head) : nullptr;
  if (has_no_body(forward.request, head.status)) {
    forward.exchange->send(std::move(head));
    return {};
  }
  std::array<char, 32 << 10> buffer;
  std::string whole;
  const auto length = parse_int(answer->source->head().headers.get("Content-Length"));
  const bool is_short = length && *length <= static_cast<int64_t>(kWholeBodyBytes);
  const size_t limit = rewrite ? kMaxRewriteBytes : is_short ? kWholeBodyBytes : 0;
  while (whole.size() < limit) {
    const size_t n = ORCH_TRY(answer->source->read(buffer.data(), buffer.size(), kWholeTimeoutMs));
    if (n == 0) {
      head.body = Body(rewrite ? rewrite(whole) : std::move(whole));
      forward.exchange->send(std::move(head));
      return {};
    }
    whole.append(buffer.data(), n);
  }
  // The caller is waited for below; twice the mark is never reached, as no piece is so large.
  answer->begin(forward.exchange->start_stream(
      std::move(head), kForwardBacklogBytes + kMaxRewriteBytes + buffer.size(),
      [weak = std::weak_ptr(answer)] {
        if (const auto alive = weak.lock()) alive->close();
      }));
  if (!whole.empty()) answer->stream->write(Body(std::move(whole)));
  while (answer->stream->wait_for_backlog(kForwardBacklogBytes)) {
    const auto read = answer->source->read(buffer.data(), buffer.size(), kPumpIdleMs);
    if (read && *read == 0) {
      answer->stream->close();
      return {};
    }
    if (!read || !answer->stream->write(Body(std::string(buffer.data(), *read)))) break;
  }
  answer->stream->abort();
  return {};
}

void Forwarder::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& answer : answers_) answer->close();
  }
  const uint64_t one = 1;
  // Fails only when the counter is full, and then it is readable already.
  [[maybe_unused]] const ssize_t n = ::write(stopping_.get(), &one, sizeof one);
  pool_.stop();
}

}  // namespace orch::http
