#include "http/transport.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <system_error>

namespace orch::http {

namespace {

// A BIO over a descriptor: recv and send that never raise SIGPIPE. Its data is the descriptor and,
// in the lowest bit, whether more follows what is written.
void set_bio(BIO* bio, int fd, bool more) {
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd) * 2 + (more ? 1 : 0)));
}

intptr_t bio_data(BIO* bio) { return reinterpret_cast<intptr_t>(BIO_get_data(bio)); }
int bio_descriptor(BIO* bio) { return static_cast<int>(bio_data(bio) / 2); }
int send_flags(bool more) { return MSG_NOSIGNAL | (more ? MSG_MORE : 0); }

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  ssize_t n;
  do n = ::recv(bio_descriptor(bio), into, static_cast<size_t>(size), 0);
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_read(bio);
  if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(n);
}

int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  ssize_t n;
  const int flags = send_flags(bio_data(bio) % 2 != 0);
  do n = ::send(bio_descriptor(bio), bytes, static_cast<size_t>(size), flags);
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
  return 0;
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "orch socket");
  ORCH_CHECK(method != nullptr);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
  return method;
}

BIO* make_bio(int fd) {
  static BIO_METHOD* const method = make_method();
  BIO* bio = BIO_new(method);
  ORCH_CHECK(bio != nullptr);
  set_bio(bio, fd, false);
  BIO_set_init(bio, 1);
  return bio;
}

IoResult socket_result(ssize_t n, Io would_block, std::string* error) {
  if (n > 0) return {Io::done, static_cast<size_t>(n)};
  if (n == 0) return {Io::eof};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {would_block};
  *error = std::generic_category().message(errno);
  return {Io::failed};
}

}  // namespace

std::string take_ssl_errors() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (!text.empty()) text += "; ";
    text += reason ? reason : "TLS error " + std::to_string(code);
  }
  return text;
}

Transport::Transport(UniqueFd fd, UniqueSsl ssl) : fd_(std::move(fd)), ssl_(std::move(ssl)) {
  if (!ssl_) return;
  BIO* bio = make_bio(fd_.get());
  SSL_set_bio(ssl_.get(), bio, bio);
}

IoResult Transport::ssl_result(int returned) {
  if (returned > 0) return {Io::done, static_cast<size_t>(returned)};
  const int saved_errno = errno;
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      return {Io::want_read};
    case SSL_ERROR_WANT_WRITE:
      return {Io::want_write};
    case SSL_ERROR_ZERO_RETURN:
      return {Io::eof};
    case SSL_ERROR_SYSCALL:
      failed_ = true;
      error_ = saved_errno ? std::generic_category().message(saved_errno) : "connection closed";
      return {Io::failed};
    default:
      break;
  }
  failed_ = true;
  error_ = take_ssl_errors();
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) error_ += std::string(": ") + X509_verify_cert_error_string(verified);
  return {Io::failed};
}

IoResult Transport::handshake() {
  if (!ssl_) return {Io::done};
  ERR_clear_error();
  errno = 0;
  return ssl_result(SSL_do_handshake(ssl_.get()));
}

IoResult Transport::read(char* into, size_t size) {
  if (ssl_) {
    ERR_clear_error();
    errno = 0;
    return ssl_result(
        SSL_read(ssl_.get(), into, static_cast<int>(std::min<size_t>(size, INT_MAX))));
  }
  ssize_t n;
  do n = ::recv(fd_.get(), into, size, 0);
  while (n < 0 && errno == EINTR);
  return socket_result(n, Io::want_read, &error_);
}

IoResult Transport::write(std::string_view bytes, bool more) {
  if (ssl_) {
    set_bio(SSL_get_wbio(ssl_.get()), fd_.get(), more);
    ERR_clear_error();
    errno = 0;
    const int size = static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX));
    return ssl_result(SSL_write(ssl_.get(), bytes.data(), size));
  }
  ssize_t n;
  do n = ::send(fd_.get(), bytes.data(), bytes.size(), send_flags(more));
  while (n < 0 && errno == EINTR);
  return socket_result(n, Io::want_write, &error_);
}

void Transport::shutdown() {
  if (!ssl_) {
    ::shutdown(fd_.get(), SHUT_WR);
    return;
  }
  if (failed_ || !SSL_is_init_finished(ssl_.get())) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

}  // namespace orch::http
