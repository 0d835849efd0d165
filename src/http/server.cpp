// The Server: listens, spreads connections over the I/O threads, stops in good order. The life of
// one connection is in connection.cpp.
#include "http/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/fd.h"
#include "base/log.h"
#include "http/connection.h"
#include "http/loop.h"
#include "http/tls.h"

namespace orch::http {

namespace {

using Wait = boost::asio::posix::descriptor_base;

// Accepted in one go before the I/O thread looks at its other work.
constexpr int max_accepts_at_once = 64;
// How long no accept is tried after the process or the system ran out of descriptors or memory.
constexpr auto accept_pause = std::chrono::milliseconds(100);

// A silent peer that vanished (power, network) is noticed by the kernel after about a minute.
constexpr int keepalive_idle_s = 30, keepalive_interval_s = 10, keepalive_probes = 3;

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

bool parse_address(const std::string& text, uint16_t port, SocketAddress* out, socklen_t* size) {
  *out = {};
  if (::inet_pton(AF_INET, text.c_str(), &out->v4.sin_addr) == 1) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(port);
    *size = sizeof out->v4;
    return true;
  }
  if (::inet_pton(AF_INET6, text.c_str(), &out->v6.sin6_addr) != 1) return false;
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons(port);
  *size = sizeof out->v6;
  return true;
}

uint16_t port_of(const SocketAddress& address) {
  return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

// "10.0.0.7:40112", "[fd00::1]:40112"; IPv4 inside IPv6 as IPv4.
std::string address_text(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  const std::string port = ":" + std::to_string(port_of(address));
  if (address.any.sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof text);
    return text + port;
  }
  const in6_addr& ip = address.v6.sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&ip)) {
    ::inet_ntop(AF_INET, ip.s6_addr + 12, text, sizeof text);
    return text + port;
  }
  ::inet_ntop(AF_INET6, &ip, text, sizeof text);
  return "[" + std::string(text) + "]" + port;
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);  // Best effort: each is an improvement.
}

void tune_connection(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes);
}

Result<UniqueFd> listen_on(const std::string& bind_address, uint16_t port, uint16_t* bound_port) {
  const std::string where = "listen on " + bind_address + ":" + std::to_string(port);
  SocketAddress address;
  socklen_t size = 0;
  if (!parse_address(bind_address, port, &address, &size))
    return bad_request(where + ": not an IP address");
  UniqueFd fd(::socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return system_error(where, errno);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.any.sa_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(fd.get(), &address.any, size) != 0) return system_error(where, errno);
  if (::listen(fd.get(), SOMAXCONN) != 0) return system_error(where, errno);
  size = sizeof address;
  if (::getsockname(fd.get(), &address.any, &size) != 0) return system_error(where, errno);
  *bound_port = port_of(address);
  return fd;
}

class TlsServer : public Server {
 public:
  TlsServer(ServerOptions options, Handler handler, SslContext tls, UniqueFd listener,
            uint16_t port)
      : state_(std::make_shared<ServerState>(std::move(options), std::move(handler))),
        tls_(std::move(tls)),
        port_(port) {
    for (int i = 0; i < std::max(1, state_->options.threads); ++i)
      loops_.push_back(std::make_shared<Loop>());
    listener_.emplace(loops_.front()->context, listener.release());
    retry_.emplace(loops_.front()->context);
    wait_for_connections();
    for (const auto& loop : loops_) threads_.emplace_back([loop] { loop->context.run(); });
  }
  ~TlsServer() override { stop(0); }

  uint16_t port() const override { return port_; }

  Result<void> set_tls(const TlsServerConfig& config) override {
    SslContext fresh = ORCH_TRY(make_server_context(config));
    const std::lock_guard lock(tls_mutex_);
    tls_.swap(fresh);
    return {};
  }

  void stop(int grace_ms) override {
    if (state_->stopping.exchange(true)) return;
    boost::asio::post(loops_.front()->context, [this] {
      listener_->close();
      retry_->cancel();
    });
    for_each_connection([](Connection& connection) { connection.drain(); });
    {
      std::unique_lock lock(state_->mutex);
      state_->none_left.wait_for(lock, std::chrono::milliseconds(grace_ms),
                                 [this] { return state_->connections == 0; });
    }
    for_each_connection([](Connection& connection) { connection.close(); });
    for (const auto& loop : loops_) loop->work.reset();
    for (std::thread& thread : threads_) thread.join();
    state_->upgrades->stop();
  }

 private:
  template <class Act>
  void for_each_connection(Act act) {
    for (const auto& loop : loops_) {
      boost::asio::post(loop->context, [loop = loop.get(), act] {
        // A copy: `act` may end connections.
        const std::vector<std::shared_ptr<Connection>> all(loop->connections.begin(),
                                                           loop->connections.end());
        for (const auto& connection : all) act(*connection);
      });
    }
  }

  void wait_for_connections() {
    listener_->async_wait(Wait::wait_read, [this](const boost::system::error_code& error) {
      if (error || state_->stopping) return;
      accept_waiting();
    });
  }

  void accept_waiting() {
    for (int i = 0; i < max_accepts_at_once; ++i) {
      SocketAddress address{};
      socklen_t size = sizeof address;
      UniqueFd fd(
          ::accept4(listener_->native_handle(), &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd) {
        begin_connection(std::move(fd), address_text(address));
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno == ECONNABORTED || errno == EINTR) continue;
      log::warning("http", "accept: " + system_error("", errno).message);
      return pause_accepting();
    }
    wait_for_connections();
  }

  void pause_accepting() {
    retry_->expires_after(accept_pause);
    retry_->async_wait([this](const boost::system::error_code& error) {
      if (!error && !state_->stopping) wait_for_connections();
    });
  }

  void begin_connection(UniqueFd fd, std::string peer) {
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->connections >= state_->options.max_connections) return;  // Closes it.
    }
    tune_connection(fd.get());
    SslContext tls;
    {
      const std::lock_guard lock(tls_mutex_);
      tls = tls_;
    }
    const std::shared_ptr<Loop>& loop = loops_[next_loop_++ % loops_.size()];
    auto connection = std::make_shared<Connection>(
        loop, state_, Transport(std::move(fd), make_server_ssl(tls)), std::move(peer));
    boost::asio::post(loop->context, [connection = std::move(connection)] { connection->start(); });
  }

  const std::shared_ptr<ServerState> state_;
  std::mutex tls_mutex_;
  SslContext tls_;
  const uint16_t port_;
  std::vector<std::shared_ptr<Loop>> loops_;
  // The first Loop's thread only, once the threads run.
  std::optional<boost::asio::posix::stream_descriptor> listener_;
  std::optional<boost::asio::steady_timer> retry_;
  size_t next_loop_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Handler handler) {
  SslContext tls = ORCH_TRY(make_server_context(options.tls));
  uint16_t port = 0;
  UniqueFd listener = ORCH_TRY(listen_on(options.bind_address, options.port, &port));
  return std::unique_ptr<Server>(std::make_unique<TlsServer>(
      std::move(options), std::move(handler), std::move(tls), std::move(listener), port));
}

}  // namespace orch::http
