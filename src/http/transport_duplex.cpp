#include "http/transport_duplex.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "http/output_queue.h"

namespace orch::http {

namespace {

constexpr auto kLinger = std::chrono::seconds(2);

class TransportDuplex : public Duplex {
 public:
  TransportDuplex(Transport transport, std::string early, std::function<void()> before_close)
      : transport_(std::move(transport)),
        early_(std::move(early)),
        before_close_(std::move(before_close)) {}
  ~TransportDuplex() override {
    ended_ = true;  // Whoever just drops it doesn't wait.
    close();
  }

  int fd() const override { return transport_ ? transport_->fd() : -1; }
  bool pending() const override { return !early_.empty() || (transport_ && transport_->pending()); }

  Result<size_t> read_some(char* into, size_t size) override {
    if (!transport_) return eof_status();
    if (!early_.empty()) {
      const size_t n = std::min(size, early_.size());
      std::memcpy(into, early_.data(), n);
      early_.erase(0, n);
      return n;
    }
    return moved(transport_->read(into, size));
  }

  Result<size_t> write_some(std::string_view bytes) override {
    if (!transport_) return eof_status();
    if (bytes.empty()) return size_t{0};
    return moved(transport_->write(bytes.substr(0, tls_record_bytes)));
  }

  Result<void> write_fully(std::string_view bytes, int timeout_ms) override {
    const MonoTime deadline =
        system_clock().monotonic() + std::chrono::milliseconds(std::max(timeout_ms, 0));
    while (!bytes.empty()) {
      const size_t n = ORCH_TRY(write_some(bytes));
      bytes.remove_prefix(n);
      if (n == 0) ORCH_TRY(wait_writable(deadline));
    }
    return {};
  }

  void close() override {
    if (!transport_) return;
    transport_->shutdown();
    if (!ended_) linger();
    sign_off();
    transport_.reset();
  }

  void sign_off() {
    if (const auto tell = std::exchange(before_close_, nullptr)) tell();
  }

 private:
  // To close a socket with unread bytes in it resets the connection, which destroys what is still
  // on its way to the peer: so his last words are read, and dropped, until he has gone too.
  void linger() {
    ::shutdown(transport_->fd(), SHUT_WR);
    const MonoTime deadline = system_clock().monotonic() + kLinger;
    char dropped[4096];
    for (;;) {
      const ssize_t n = ::recv(transport_->fd(), dropped, sizeof dropped, MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return;
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().monotonic());
      if (left.count() <= 0) return;
      pollfd waiting{transport_->fd(), POLLIN, 0};
      if (n < 0) ::poll(&waiting, 1, static_cast<int>(left.count()));
    }
  }

  Result<size_t> moved(const IoResult& result) {
    switch (result.kind) {
      case Io::done:
        return result.bytes;
      case Io::eof:
        ended_ = true;
        return eof_status();
      case Io::failed:
        ended_ = true;
        return service_unavailable("connection failed: " + transport_->error());
      default:
        return size_t{0};
    }
  }

  Result<void> wait_writable(MonoTime deadline) {
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().monotonic());
      if (left.count() <= 0) return gateway_timeout("the peer did not take the bytes in time");
      pollfd waiting{transport_->fd(), POLLOUT, 0};
      const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
      if (ready > 0) return {};
      if (ready < 0 && errno != EINTR) return system_error("poll", errno);
    }
  }

  std::optional<Transport> transport_;
  std::string early_;
  std::function<void()> before_close_;
  bool ended_ = false;  // The peer has.
};

}  // namespace

Status eof_status() { return Status{0, "", "the peer ended the connection", {}}; }

void outlive_server(Duplex& duplex) {
  if (auto* const ours = dynamic_cast<TransportDuplex*>(&duplex)) ours->sign_off();
}

std::unique_ptr<Duplex> make_duplex(Transport transport, std::string early,
                                    std::function<void()> before_close) {
  return std::make_unique<TransportDuplex>(std::move(transport), std::move(early),
                                           std::move(before_close));
}

}  // namespace orch::http
