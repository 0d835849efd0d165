// Transport: one non-blocking socket, with or without TLS. The only place where bytes cross.
//
// OpenSSL works straight on the descriptor through a small BIO of our own, which costs 17 KB per
// idle connection where asio::ssl::stream costs 76 KB, and whose writes carry MSG_NOSIGNAL, so that
// a library need not touch the process's SIGPIPE. Nobody waits in here: the server waits with Asio,
// clients and upgraded connections with poll(2). Not thread-safe: one thread at a time.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace orch::http {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using UniqueSsl = std::unique_ptr<SSL, SslFree>;

enum class Io { done, want_read, want_write, eof, failed };

struct IoResult {
  Io kind = Io::done;
  size_t bytes = 0;  // Moved, when done; more than 0.
};

class Transport {
 public:
  // `fd` is non-blocking. `ssl` null: plain TCP. Otherwise it is in accept or connect state.
  Transport(UniqueFd fd, UniqueSsl ssl);
  Transport(Transport&&) = default;
  Transport& operator=(Transport&&) = delete;

  int fd() const { return fd_.get(); }
  SSL* ssl() const { return ssl_.get(); }
  // Bytes that poll(2) can't see wait inside TLS.
  bool pending() const { return ssl_ && SSL_has_pending(ssl_.get()) == 1; }

  IoResult handshake();
  IoResult read(char* into, size_t size);
  // After want_*, call again with the same bytes (they may lie elsewhere). With `more` the kernel
  // may wait for what follows, to send it along.
  IoResult write(std::string_view bytes, bool more = false);
  // Says "no more" once, as far as it goes without waiting.
  void shutdown();

  // Why the last operation failed, for a person.
  const std::string& error() const { return error_; }

 private:
  IoResult ssl_result(int returned);

  UniqueFd fd_;
  UniqueSsl ssl_;  // Before fd_ in destruction order: its BIO names the descriptor.
  std::string error_;
  bool failed_ = false;
};

// OpenSSL's queue of errors as one line; empties it.
std::string take_ssl_errors();

}  // namespace orch::http
