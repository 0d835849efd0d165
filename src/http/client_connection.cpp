#include "http/client_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/strings.h"
#include "http/render.h"
#include "http/transport_duplex.h"

namespace orch::http {

namespace {

constexpr size_t max_response_header_bytes = 256 << 10;
constexpr size_t read_chunk_bytes = 16 << 10;
constexpr int keep_alive_probes = 3;
constexpr int max_interim_responses = 8;  // 1xx before the real one.

MonoTime deadline_in(int timeout_ms) {
  if (timeout_ms < 0) return MonoTime::max();
  return system_clock().monotonic() + std::chrono::milliseconds(timeout_ms);
}

Status not_believed(const char* why) {
  Status status;
  status.code = 502;
  status.message = std::string("the server's certificate is not to be believed: ") + why;
  return status;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

}  // namespace

Result<Endpoint> parse_endpoint(const std::string& url) {
  Endpoint endpoint;
  std::string_view rest = url;
  if (rest.starts_with("https://"))
    endpoint.tls = true;
  else if (!rest.starts_with("http://"))
    return bad_request("\"" + url + "\" is not an http:// or https:// URL");
  rest.remove_prefix(endpoint.tls ? 8 : 7);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  endpoint.authority = rest;
  endpoint.port = endpoint.tls ? "443" : "80";
  size_t colon = rest.rfind(':');
  if (rest.starts_with('[')) {
    const size_t bracket = rest.find(']');
    if (bracket == rest.npos) return bad_request("\"" + url + "\" has no closing bracket");
    endpoint.host = rest.substr(1, bracket - 1);
    if (colon < bracket) colon = rest.npos;
  } else {
    endpoint.host = rest.substr(0, colon);
  }
  if (colon != rest.npos) {
    endpoint.port = rest.substr(colon + 1);
    const auto number = parse_int(endpoint.port);
    if (!number || *number < 1 || *number > 65535)
      return bad_request("\"" + url + "\" has a bad port");
  }
  if (endpoint.host.empty()) return bad_request("\"" + url + "\" has no host");
  return endpoint;
}

Result<std::unique_ptr<ClientConnection>> ClientConnection::connect(const Endpoint& endpoint,
                                                                    const ClientOptions& options,
                                                                    const SslContext& tls) {
  std::unique_ptr<ClientConnection> connection(new ClientConnection);
  connection->cancelled_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!connection->cancelled_) return system_error("eventfd", errno);
  connection->cancel_fd_ = options.cancel_fd;
  connection->silent_peer_ms_ = options.silent_peer_ms;
  const MonoTime deadline = deadline_in(options.connect_timeout_ms);
  ORCH_TRY(connection->open_socket(endpoint, deadline));
  UniqueSsl ssl;
  if (endpoint.tls)
    ssl = make_client_ssl(tls, options.server_name.empty() ? endpoint.host : options.server_name,
                          !options.insecure_skip_verify);
  connection->transport_.emplace(std::move(connection->socket_), std::move(ssl));
  if (Result<void> shaken = connection->shake_hands(deadline); !shaken.ok())
    return std::move(shaken).status().in(endpoint.authority);
  return connection;
}

Result<void> ClientConnection::open_socket(const Endpoint& endpoint, MonoTime deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found);
  if (error != 0)
    return service_unavailable("look up " + endpoint.host + ": " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  Status last = service_unavailable("no address");
  for (const addrinfo* address = found; address; address = address->ai_next) {
    Result<UniqueFd> fd = try_address(*address, deadline);
    if (fd.ok()) {
      socket_ = std::move(fd).value();
      return {};
    }
    last = std::move(fd).status();
  }
  return std::move(last).in("connect to " + endpoint.authority);
}

Result<UniqueFd> ClientConnection::try_address(const addrinfo& address, MonoTime deadline) {
  UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("socket", errno);
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // An idle connection is asked after half of the time, and three times more.
  const int keep_alive_idle_s = std::max(1, silent_peer_ms_ / 2000);
  const int keep_alive_interval_s = std::max(1, silent_peer_ms_ / 6000);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_KEEPIDLE, &keep_alive_idle_s, sizeof(int));
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_KEEPINTVL, &keep_alive_interval_s, sizeof(int));
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_KEEPCNT, &keep_alive_probes, sizeof(int));
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_peer_ms_, sizeof(int));
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS) return service_unavailable(system_error("TCP", errno).message);
  ORCH_TRY(wait(fd.get(), POLLOUT, deadline));
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return service_unavailable(system_error("TCP", error).message);
  return fd;
}

Result<void> ClientConnection::shake_hands(MonoTime deadline) {
  if (!transport_->ssl()) return {};
  for (;;) {
    const IoResult result = transport_->handshake();
    if (result.kind == Io::done) return {};
    if (result.kind == Io::eof || result.kind == Io::failed) {
      const long verdict = SSL_get_verify_result(transport_->ssl());
      const bool verified = (SSL_get_verify_mode(transport_->ssl()) & SSL_VERIFY_PEER) != 0;
      if (verified && verdict != X509_V_OK)
        return not_believed(X509_verify_cert_error_string(verdict));
      return service_unavailable("TLS handshake: " + transport_->error());
    }
    ORCH_TRY(wait(transport_->fd(), result.kind == Io::want_read ? POLLIN : POLLOUT, deadline));
  }
}

Result<void> ClientConnection::wait(int fd, short events, MonoTime deadline) {
  for (;;) {
    int timeout_ms = -1;
    if (deadline != MonoTime::max()) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().monotonic());
      timeout_ms = static_cast<int>(std::max<int64_t>(0, left.count()));
    }
    pollfd waiting[] = {{fd, events, 0}, {cancelled_.get(), POLLIN, 0}, {cancel_fd_, POLLIN, 0}};
    const int ready = ::poll(waiting, std::size(waiting), timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return system_error("poll", errno);
    if (waiting[1].revents || waiting[2].revents) return service_unavailable("cancelled");
    if (ready == 0) return gateway_timeout("timed out");
    return {};
  }
}

Result<void> ClientConnection::write_all(std::string_view bytes, int timeout_ms) {
  while (!bytes.empty()) {
    const IoResult result = transport_->write(bytes.substr(0, read_chunk_bytes));
    if (result.kind == Io::done) {
      bytes.remove_prefix(result.bytes);
      continue;
    }
    if (result.kind == Io::eof || result.kind == Io::failed)
      return service_unavailable("send: " + transport_->error());
    const short events = result.kind == Io::want_read ? POLLIN : POLLOUT;
    ORCH_TRY(wait(transport_->fd(), events, deadline_in(timeout_ms)));
  }
  return {};
}

Result<void> ClientConnection::exchange(const Request& request, const Endpoint& endpoint,
                                        const ClientOptions& options, uint64_t body_limit) {
  answered_ = ended_ = false;
  std::string message = render_request_head(request, endpoint.authority, options.keep_alive);
  // Small bodies go with the head in one record; large ones are not copied.
  const bool together = message.size() + request.body.size() <= read_chunk_bytes;
  const int patience_ms = options.response_timeout_ms;
  if (together && !request.rest) message += request.body;
  Result<void> sent = write_all(message, patience_ms);
  if (sent.ok() && request.rest) {
    std::optional<Status> broken;
    sent = send_long_body(request, patience_ms, &broken);
    if (broken) return *std::move(broken);
  } else if (sent.ok() && !together) {
    sent = write_all(request.body, patience_ms);
  }
  // A server may refuse (413) before it read everything: its answer is worth more than EPIPE.
  for (int i = 0; i < max_interim_responses; ++i) {
    parser_.emplace(MessageLimits{max_response_header_bytes, body_limit}, request.method == "HEAD");
    fresh_input_ = !input_.empty();
    while (!parser_->head_done()) {
      Result<void> received = receive(options.response_timeout_ms);
      if (!received.ok()) return sent.ok() ? std::move(received) : std::move(sent);
    }
    const int status = parser_->head().status;
    if (status >= 200 || status == 101) {
      spoiled_ = !sent.ok();
      return {};
    }
  }
  return service_unavailable("too many interim responses");
}

// `broken`: it ended before its end, and the server will wait for the rest in vain.
Result<void> ClientConnection::send_long_body(const Request& request, int timeout_ms,
                                              std::optional<Status>* broken) {
  const bool chunked = !request.rest->length();
  std::string piece = request.body;
  for (;;) {
    if (chunked && !piece.empty()) {
      piece.insert(0, render_chunk_head(piece.size()));
      piece += chunk_tail;
    }
    ORCH_TRY(write_all(piece, timeout_ms));
    auto next = request.rest->read(timeout_ms);
    if (!next.ok()) {
      *broken = next.status();
      return {};
    }
    if (next->empty()) return chunked ? write_all(last_chunk, timeout_ms) : Result<void>();
    piece = *std::move(next);
  }
}

Result<void> ClientConnection::receive(int timeout_ms) {
  // What followed an interim response is parsed before more is read.
  if (!fresh_input_) ORCH_TRY(read_more(deadline_in(timeout_ms)));
  fresh_input_ = false;
  if (ended_) return parser_->feed_eof();
  const Result<size_t> used = parser_->feed(input_);
  if (!used.ok()) return service_unavailable("bad answer: " + used.status().message);
  input_.erase(0, *used);
  if (!parser_->done() && input_.size() > max_response_header_bytes)
    return service_unavailable("bad answer: a line is too long");
  return {};
}

Result<void> ClientConnection::read_more(MonoTime deadline) {
  char buffer[read_chunk_bytes];
  for (;;) {
    const IoResult result = transport_->read(buffer, sizeof buffer);
    if (result.kind == Io::done) {
      answered_ = true;
      input_.append(buffer, result.bytes);
      return {};
    }
    if (result.kind == Io::eof) {
      ended_ = true;
      return {};
    }
    if (result.kind == Io::failed) return service_unavailable("receive: " + transport_->error());
    ORCH_TRY(wait(transport_->fd(), result.kind == Io::want_read ? POLLIN : POLLOUT, deadline));
  }
}

Result<size_t> ClientConnection::read_body(char* into, size_t size, int timeout_ms) {
  std::string& body = parser_->body();
  while (body.empty()) {
    if (parser_->done()) return size_t{0};
    ORCH_TRY(receive(timeout_ms));
  }
  const size_t n = std::min(size, body.size());
  std::memcpy(into, body.data(), n);
  body.erase(0, n);
  return n;
}

bool ClientConnection::reusable() const {
  return !ended_ && !spoiled_ && input_.empty() && parser_ && parser_->done() &&
         parser_->keep_alive();
}

bool ClientConnection::still_idle() const {
  pollfd waiting{transport_->fd(), POLLIN, 0};
  return !transport_->pending() && ::poll(&waiting, 1, 0) == 0;
}

void ClientConnection::cancel() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then it is cancelled already.
  [[maybe_unused]] const ssize_t n = ::write(cancelled_.get(), &one, sizeof one);
}

std::unique_ptr<Duplex> ClientConnection::into_duplex() {
  return make_duplex(std::move(*transport_), std::move(input_), nullptr);
}

}  // namespace orch::http
