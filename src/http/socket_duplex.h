// A Duplex over a bare socket, such as one end of a socketpair(). Whatever fails is an end to it.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string_view>

#include "base/fd.h"
#include "http/http.h"

namespace orch::http {

class SocketDuplex : public Duplex {
 public:
  explicit SocketDuplex(UniqueFd fd) : fd_(std::move(fd)) {
    ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
  }
  int fd() const override { return fd_.get(); }
  bool pending() const override { return false; }
  Result<size_t> read_some(char* into, size_t size) override {
    return moved(::recv(fd_.get(), into, size, 0));
  }
  Result<size_t> write_some(std::string_view bytes) override {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return n == 0 ? Result<size_t>(size_t{0}) : moved(n);
  }
  Result<void> write_fully(std::string_view bytes, int timeout_ms) override {
    while (!bytes.empty()) {
      pollfd waited{fd_.get(), POLLOUT, 0};
      if (::poll(&waited, 1, timeout_ms) <= 0) return gateway_timeout("timed out");
      bytes.remove_prefix(ORCH_TRY(write_some(bytes)));
    }
    return {};
  }
  void close() override { fd_.reset(); }

 private:
  static Result<size_t> moved(ssize_t n) {
    if (n > 0) return static_cast<size_t>(n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return size_t{0};
    return Status{0, "", "end", {}};
  }
  UniqueFd fd_;
};

}  // namespace orch::http
