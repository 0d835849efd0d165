// UnixStreams: the ways between servers of one machine, without TLS: each listens at
// <folder>/<id>.sock, and whoever connects says who it is and what for. For tests and benchmarks.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <thread>

#include "base/check.h"
#include "store/store.h"

namespace orch::replica {

class UnixStreams final : public store::PeerStreams {
 public:
  UnixStreams(std::string folder, uint64_t id) : folder_(std::move(folder)), id_(id) {
    const std::string path = path_of(id);
    ::unlink(path.c_str());
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    ORCH_CHECK(
        ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    ORCH_CHECK(::listen(listener_.get(), 64) == 0);
  }
  ~UnixStreams() override { stop(); }

  std::string path_of(uint64_t id) const { return folder_ + "/" + std::to_string(id) + ".sock"; }

  void serve(store::Store* store) {
    thread_ = std::thread([this, store] {
      for (;;) {
        UniqueFd stream(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!stream) return;
        Greeting greeting;
        const auto size = ::recv(stream.get(), &greeting, sizeof greeting, MSG_WAITALL);
        if (size != static_cast<ssize_t>(sizeof greeting)) continue;
        store->accept_peer(greeting.from, static_cast<store::StreamUse>(greeting.use),
                           std::move(stream));
      }
    });
  }
  void stop() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
  }

  void connect(uint64_t, const std::string& address, store::StreamUse use,
               Connected done) override {
    UniqueFd stream(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un there = address_of(address);
    const Greeting greeting{id_, static_cast<uint64_t>(use)};
    if (::connect(stream.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0 ||
        ::send(stream.get(), &greeting, sizeof greeting, MSG_NOSIGNAL) !=
            static_cast<ssize_t>(sizeof greeting)) {
      return done(service_unavailable("nobody listens at " + address));
    }
    done(std::move(stream));
  }

 private:
  struct Greeting {
    uint64_t from = 0, use = 0;
  };
  static sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ORCH_CHECK(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size());
    return address;
  }

  const std::string folder_;
  const uint64_t id_;
  UniqueFd listener_;
  std::thread thread_;
};

}  // namespace orch::replica
