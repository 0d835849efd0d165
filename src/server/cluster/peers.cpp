#include "server/cluster/peers.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/log.h"
#include "client/connection.h"
#include "http/client.h"
#include "http/pump.h"
#include "http/socket_duplex.h"
#include "http/transport_duplex.h"

namespace orch::cluster {
namespace {

using store::StreamUse;

constexpr std::string_view kUpgrade = "orch-peer/1";
constexpr const char* kClusterHeader = "Orch-Cluster";
constexpr const char* kContactsHeader = "Orch-Contacts";
constexpr int kDialMs = static_cast<int>(store::kPeerConnectMs) / 2;  // To connect; to be answered.

std::string_view use_text(StreamUse use) { return use == StreamUse::raft ? "raft" : "messages"; }

std::optional<StreamUse> use_of(std::string_view target) {
  for (const StreamUse use : {StreamUse::raft, StreamUse::messages}) {
    if (target == std::string(kPeerPath) + "?use=" + std::string(use_text(use))) return use;
  }
  return std::nullopt;
}

Result<std::array<UniqueFd, 2>> socket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return system_error("socketpair", errno);
  }
  return std::array<UniqueFd, 2>{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void learn(Contacts& contacts, std::string_view told) {
  auto parsed = parse_contacts(told);
  auto learnt = parsed ? contacts.learn(*parsed) : Result<void>(std::move(parsed).status());
  if (!learnt) log::warning("cluster", "a server's contacts: " + learnt.status().message);
}

}  // namespace

Result<std::unique_ptr<Peers>> Peers::create(Parts parts) {
  std::unique_ptr<Peers> peers(new Peers(std::move(parts)));
  peers->stopping_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!peers->stopping_) return system_error("eventfd", errno);
  return peers;
}

Peers::Peers(Parts parts) : parts_(std::move(parts)) {}

void Peers::connect(uint64_t server, const std::string& address, StreamUse use, Connected done) {
  // The pool would let it wait, and the caller must hear of it in time.
  const bool room = ++dialled_ <= kMaxPeerStreams;
  const auto work = [this, server, address, use, done] {
    auto tls = dial(server, address, use);
    auto pair = tls ? socket_pair() : Result<std::array<UniqueFd, 2>>(tls.status());
    if (!pair) {
      done(std::move(pair).status());
    } else {
      done(std::move((*pair)[0]));
      carry(**tls, std::move((*pair)[1]));
    }
    --dialled_;
  };
  if (room && out_.run(work)) return;
  --dialled_;
  done(service_unavailable(room ? "the server is shutting down" : "too many streams to servers"));
}

Result<std::unique_ptr<http::Duplex>> Peers::dial(uint64_t server, const std::string& address,
                                                  StreamUse use) {
  const auto contact = parts_.contacts.find(server);
  http::ClientOptions options;
  options.url = "https://" + (contact ? contact->address : address);
  options.ca = parts_.ca;
  options.server_name = serving_name(server);
  options.certificate = parts_.self.peer.certificate;
  options.private_key = parts_.self.peer.private_key;
  options.connect_timeout_ms = options.response_timeout_ms = kDialMs;
  options.keep_alive = false;
  options.cancel_fd = stopping_.get();
  const auto client = ORCH_TRY(http::Client::create(std::move(options)));
  http::Request request;
  request.target = std::string(kPeerPath) + "?use=" + std::string(use_text(use));
  request.headers.set("Connection", "Upgrade");
  request.headers.set("Upgrade", std::string(kUpgrade));
  request.headers.set(kClusterHeader, parts_.cluster);
  request.headers.set(kContactsHeader, render_contacts(parts_.contacts.all()));
  auto answer = ORCH_TRY(client->upgrade(request));
  if (!answer.duplex) {
    Status status = client::parse_status(answer.head.status, answer.head.body.flatten());
    const std::lock_guard lock(mutex_);
    if (status.code == 403 && !refused_) {
      log::error("cluster", "server " + id_text(server) + " says: " + status.message);
      refused_ = status;
    }
    return status;
  }
  learn(parts_.contacts, answer.head.headers.get(kContactsHeader));
  return std::move(answer.duplex);
}

Result<void> Peers::check(const http::Request& request) const {
  if (request.headers.get("Upgrade") != kUpgrade) {
    return bad_request("servers speak " + std::string(kUpgrade) +
                       " to each other here; this one may be of another version of orch");
  }
  if (request.headers.get(kClusterHeader) != parts_.cluster) {
    return forbidden(
        "this server's data is of a former cluster (before a --cluster-reset or a restore): to "
        "join anew, move its data directory's server folder away");
  }
  return {};
}

Result<void> Peers::accept(const std::shared_ptr<http::Exchange>& exchange, Take take) {
  const http::Request& request = exchange->request();
  const auto from = server_of(request.peer);
  if (!from) return unauthorized("servers of this cluster only");
  const auto use = use_of(request.target);
  if (request.method != "GET" || !use) return bad_request("no such use of a server's stream");
  ORCH_TRY(check(request));
  http::Response head;
  head.status = 101;
  head.headers.set("Connection", "Upgrade");
  head.headers.set("Upgrade", std::string(kUpgrade));
  head.headers.set(kContactsHeader, render_contacts(parts_.contacts.all()));
  // The connection moves to a thread of ours: those of upgrades end with the HTTPS server.
  const auto run = [this, take = std::move(take), from = *from, use = *use,
                    told = std::string(request.headers.get(kContactsHeader))](
                       std::unique_ptr<http::Duplex> duplex) {
    http::outlive_server(*duplex);
    learn(parts_.contacts, told);
    auto pair = socket_pair();
    if (!pair || ++accepted_ > kMaxPeerStreams) {
      if (pair) --accepted_;
      return;
    }
    const auto tls = std::make_shared<std::unique_ptr<http::Duplex>>(std::move(duplex));
    const auto near = std::make_shared<UniqueFd>(std::move((*pair)[1]));
    const bool taken = in_.run([this, tls, near] {
      carry(**tls, std::move(*near));
      --accepted_;
    });
    if (!taken) return void(--accepted_);
    take(from, use, std::move((*pair)[0]));
  };
  exchange->upgrade(std::move(head), run);
  return {};
}

void Peers::carry(http::Duplex& tls, UniqueFd near) {
  const int silence = kPeerSilenceMs;
  ::setsockopt(tls.fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof silence);
  // Duplicates, for the pump closes its own while stop() may be about to name them.
  const UniqueFd far_twin(::fcntl(tls.fd(), F_DUPFD_CLOEXEC, 0));
  const UniqueFd near_twin(::fcntl(near.get(), F_DUPFD_CLOEXEC, 0));
  if (!far_twin || !near_twin) return;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    running_.insert(far_twin.get());
    running_.insert(near_twin.get());
  }
  http::SocketDuplex ours(std::move(near));
  http::run_pump(tls, ours);
  const std::lock_guard lock(mutex_);
  running_.erase(far_twin.get());
  running_.erase(near_twin.get());
}

std::optional<Status> Peers::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

void Peers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const int fd : running_) ::shutdown(fd, SHUT_RDWR);
  }
  const uint64_t one = 1;
  // Fails only when the counter is full, and then it is readable already.
  [[maybe_unused]] const ssize_t n = ::write(stopping_.get(), &one, sizeof one);
  out_.stop();
  in_.stop();
}

}  // namespace orch::cluster
