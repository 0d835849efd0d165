// The DNS server: sockets in, zone or forwarder behind, sockets out; see the header.
#include "agent/dns/server.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "agent/dns/epoll.h"
#include "agent/dns/forwarder.h"
#include "base/log.h"
#include "base/strings.h"

namespace orch::dns {
namespace {

constexpr size_t kMaxQueryBytes = 4096;  // Of one query, over UDP or TCP.
constexpr int kUdpBatch = 64;            // Queries taken from one socket before others get a turn.
constexpr size_t kMaxTcpClients = 64;
constexpr size_t kMaxPipelined = 16;  // Unanswered queries of one TCP client.
constexpr int kTcpIdle_ms = 10'000;
constexpr int kTcpBacklog = 64;
constexpr size_t kMaxChain = 8;       // CNAMEs followed within the cluster's names.
constexpr int kMaxPortAttempts = 16;  // To find a port that is free for UDP and TCP.
constexpr size_t kMaxUpstreams = 3;   // As resolv.conf(5) has it.

sockaddr_in to_sockaddr(Ipv4 ip, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(ip.value);
  return out;
}

Result<UniqueFd> bind_socket(int type, Ipv4 ip, uint16_t port) {
  const std::string what =
      std::string(type == SOCK_DGRAM ? "UDP " : "TCP ") + ip.text() + ":" + std::to_string(port);
  UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_error("DNS socket", errno);
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  if (type == SOCK_STREAM) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = to_sockaddr(ip, port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return system_error("DNS: bind " + what, errno);
  if (type == SOCK_STREAM && ::listen(fd.get(), kTcpBacklog) != 0)
    return system_error("DNS: listen on " + what, errno);
  return fd;
}

uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  ORCH_CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

struct TcpClient {
  UniqueFd fd;
  std::string in, out;
  size_t unanswered = 0;
  MonoTime deadline;
};

// Whom to answer: a UDP socket and an address, or a TCP client by number (it may be gone by then).
struct Asker {
  int udp_fd = -1;
  sockaddr_in address{};
  uint64_t tcp_client = 0;

  bool tcp() const { return tcp_client != 0; }
};

}  // namespace

class Server::Loop {
 public:
  Loop(const ServerOptions& options, Clock& clock, Random& random, std::unique_ptr<Epoll> epoll)
      : options_(options),
        clock_(clock),
        random_(random),
        epoll_(std::move(epoll)),
        forwarder_(*epoll_, clock, random) {}

  Result<void> bind();
  void run() {
    epoll_->run([this] { return do_what_is_due(); });
  }
  void stop() { epoll_->stop(); }

  void set_zone(std::shared_ptr<const Zone> zone) { zone_.store(std::move(zone)); }
  void set_upstreams(std::vector<SocketAddress> upstreams);
  uint16_t port() const { return port_; }

 private:
  Result<void> bind_all(uint16_t port);
  Result<void> listen_on(int udp_fd, int tcp_fd);
  std::optional<MonoTime> do_what_is_due();

  void on_udp(int fd);
  void on_accept(int fd);
  void on_tcp(uint64_t number, uint32_t events);
  bool take_tcp_queries(uint64_t number, TcpClient& client);
  bool flush(TcpClient& client);
  void drop(uint64_t number);

  void handle(std::string_view message, const Asker& asker);
  void answer(const Query& query, const Asker& asker);
  void forward(const Query& query, const Question& question, std::vector<Record> chain,
               const Asker& asker);
  void reply(const Query& query, const Reply& reply, const Asker& asker);
  void send(const std::string& message, const Asker& asker);

  const ServerOptions options_;
  Clock& clock_;
  Random& random_;
  std::unique_ptr<Epoll> epoll_;
  Forwarder forwarder_;
  std::atomic<std::shared_ptr<const Zone>> zone_;
  std::atomic<std::shared_ptr<const std::vector<SocketAddress>>> upstreams_;
  uint16_t port_ = 0;
  std::vector<UniqueFd> sockets_;
  std::unordered_map<uint64_t, TcpClient> clients_;
  uint64_t next_client_ = 1;
};

// ---- Sockets ----

Result<void> Server::Loop::bind() {
  if (options_.port != 0) return bind_all(options_.port);
  // Any port: one that the first UDP socket got may be taken for TCP or on another address.
  Result<void> outcome = bad_request("DNS: no address to listen on");
  for (int i = 0; i < kMaxPortAttempts && !options_.addresses.empty(); ++i) {
    UniqueFd probe = ORCH_TRY(bind_socket(SOCK_DGRAM, options_.addresses.front(), 0));
    const uint16_t port = port_of(probe.get());
    probe.reset();
    outcome = bind_all(port);
    if (outcome.ok()) break;
  }
  return outcome;
}

Result<void> Server::Loop::bind_all(uint16_t port) {
  for (const UniqueFd& fd : sockets_) epoll_->remove(fd.get());
  sockets_.clear();
  for (const Ipv4 ip : options_.addresses) {
    sockets_.push_back(ORCH_TRY(bind_socket(SOCK_DGRAM, ip, port)));
    const int udp = sockets_.back().get();
    sockets_.push_back(ORCH_TRY(bind_socket(SOCK_STREAM, ip, port)));
    ORCH_TRY(listen_on(udp, sockets_.back().get()));
  }
  port_ = port;
  return {};
}

Result<void> Server::Loop::listen_on(int udp_fd, int tcp_fd) {
  ORCH_TRY(epoll_->add(udp_fd, EPOLLIN, [this, udp_fd](uint32_t) { on_udp(udp_fd); }));
  return epoll_->add(tcp_fd, EPOLLIN, [this, tcp_fd](uint32_t) { on_accept(tcp_fd); });
}

void Server::Loop::on_udp(int fd) {
  char buffer[kMaxQueryBytes];
  for (int i = 0; i < kUdpBatch; ++i) {
    Asker asker;
    asker.udp_fd = fd;
    socklen_t length = sizeof asker.address;
    const ssize_t got = ::recvfrom(fd, buffer, sizeof buffer, 0,
                                   reinterpret_cast<sockaddr*>(&asker.address), &length);
    if (got < 0) return;  // Nothing left, or an ICMP error of an earlier reply.
    handle({buffer, static_cast<size_t>(got)}, asker);
  }
}

void Server::Loop::on_accept(int fd) {
  UniqueFd accepted(::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted) return;
  if (clients_.size() >= kMaxTcpClients) return;  // Closed at once; idle ones make room in time.
  const uint64_t number = next_client_++;
  const int client_fd = accepted.get();
  const auto added =
      epoll_->add(client_fd, EPOLLIN, [this, number](uint32_t events) { on_tcp(number, events); });
  if (!added) return;
  TcpClient& client = clients_[number];
  client.fd = std::move(accepted);
  client.deadline = clock_.monotonic() + std::chrono::milliseconds(kTcpIdle_ms);
}

void Server::Loop::on_tcp(uint64_t number, uint32_t events) {
  const auto found = clients_.find(number);
  if (found == clients_.end()) return;
  TcpClient& client = found->second;
  if (events & EPOLLOUT) return flush(client) ? void() : drop(number);
  char buffer[kMaxQueryBytes];
  const ssize_t got = ::recv(client.fd.get(), buffer, sizeof buffer, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return drop(number);
  client.in.append(buffer, static_cast<size_t>(got));
  client.deadline = clock_.monotonic() + std::chrono::milliseconds(kTcpIdle_ms);
  if (!take_tcp_queries(number, client)) drop(number);
}

// False when the client breaks the rules. Answers only fill client.out and are written when the
// loop comes round, so `client` stays alive throughout.
bool Server::Loop::take_tcp_queries(uint64_t number, TcpClient& client) {
  Asker asker;
  asker.tcp_client = number;
  while (client.in.size() >= 2) {
    const size_t length = static_cast<size_t>(static_cast<uint8_t>(client.in[0])) << 8 |
                          static_cast<uint8_t>(client.in[1]);
    if (length > kMaxQueryBytes) return false;
    if (client.in.size() < 2 + length) break;
    const std::string message = client.in.substr(2, length);
    client.in.erase(0, 2 + length);
    if (++client.unanswered > kMaxPipelined) return false;
    handle(message, asker);
  }
  return true;
}

// False when the connection is broken.
bool Server::Loop::flush(TcpClient& client) {
  while (!client.out.empty()) {
    const ssize_t sent =
        ::send(client.fd.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    client.out.erase(0, static_cast<size_t>(sent));
  }
  epoll_->modify(client.fd.get(), EPOLLIN);
  client.deadline = clock_.monotonic() + std::chrono::milliseconds(kTcpIdle_ms);
  return true;
}

void Server::Loop::drop(uint64_t number) {
  const auto found = clients_.find(number);
  if (found == clients_.end()) return;
  epoll_->remove(found->second.fd.get());
  clients_.erase(found);
}

std::optional<MonoTime> Server::Loop::do_what_is_due() {
  const MonoTime now = clock_.monotonic();
  std::optional<MonoTime> next = forwarder_.expire();
  std::vector<uint64_t> idle;
  for (const auto& [number, client] : clients_) {
    if (client.deadline <= now) {
      idle.push_back(number);
    } else if (!next || client.deadline < *next) {
      next = client.deadline;
    }
  }
  for (const uint64_t number : idle) drop(number);
  return next;
}

// ---- Queries ----

void Server::Loop::handle(std::string_view message, const Asker& asker) {
  const auto query = parse_query(message);
  if (!query) return send(render_error(message, Rcode::format_error), asker);
  if (query->question.klass != kClassIn) {
    Reply refused;
    refused.rcode = Rcode::refused;
    return reply(*query, refused, asker);
  }
  answer(*query, asker);
}

void Server::Loop::answer(const Query& query, const Asker& asker) {
  const std::shared_ptr<const Zone> zone = zone_.load();
  Reply out;
  if (!zone) {
    out.rcode = Rcode::server_failure;
    return reply(query, out, asker);
  }
  // An ExternalName is a CNAME, and clients expect us to follow it: here, or upstream.
  Question question = query.question;
  for (size_t i = 0; i < kMaxChain; ++i) {
    Zone::Answer part = zone->answer(question, random_);
    if (!part.ours) return forward(query, question, std::move(out.answers), asker);
    out.authoritative = true;
    out.rcode = part.rcode;
    out.authority = std::move(part.authority);
    out.additional = std::move(part.additional);
    std::move(part.answers.begin(), part.answers.end(), std::back_inserter(out.answers));
    if (out.answers.empty() || out.answers.back().type != Type::cname ||
        question.type == Type::cname || question.type == Type::any || !out.authority.empty())
      break;
    question.name = std::get<NameData>(out.answers.back().data).name;
  }
  reply(query, out, asker);
}

// `chain` holds the CNAMEs that led here.
void Server::Loop::forward(const Query& query, const Question& question, std::vector<Record> chain,
                           const Asker& asker) {
  Reply failure;
  failure.rcode = query.recursion_desired ? Rcode::server_failure : Rcode::refused;
  if (!query.recursion_desired) return reply(query, failure, asker);
  forwarder_.ask(
      question, query.edns, asker.tcp(), upstreams_.load(),
      [this, query, chain = std::move(chain), asker, failure](std::optional<std::string> message) {
        if (!message) return reply(query, failure, asker);
        if (chain.empty()) {
          readdress_reply(*message, query);
          const size_t limit = asker.tcp() ? kMaxMessageBytes : query.udp_limit_bytes;
          if (message->size() <= limit) return send(*message, asker);
        }
        const auto relayed = parse_reply(*message);
        if (!relayed) return reply(query, failure, asker);
        Reply merged;
        merged.rcode = relayed->rcode;
        merged.answers = chain;
        merged.answers.insert(merged.answers.end(), relayed->addresses.begin(),
                              relayed->addresses.end());
        reply(query, merged, asker);
      });
}

void Server::Loop::reply(const Query& query, const Reply& reply, const Asker& asker) {
  send(render_reply(query, reply, asker.tcp() ? kMaxMessageBytes : query.udp_limit_bytes), asker);
}

void Server::Loop::send(const std::string& message, const Asker& asker) {
  if (message.empty()) return;
  if (!asker.tcp()) {
    // A full buffer drops the answer, as the network may; the client asks again.
    ::sendto(asker.udp_fd, message.data(), message.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&asker.address), sizeof asker.address);
    return;
  }
  const auto found = clients_.find(asker.tcp_client);
  if (found == clients_.end()) return;
  TcpClient& client = found->second;
  if (client.unanswered > 0) --client.unanswered;
  client.out += static_cast<char>(message.size() >> 8);
  client.out += static_cast<char>(message.size());
  client.out += message;
  epoll_->modify(client.fd.get(), EPOLLOUT);  // Written when the loop comes round.
}

void Server::Loop::set_upstreams(std::vector<SocketAddress> upstreams) {
  std::erase_if(upstreams, [this](const SocketAddress& upstream) {
    return upstream.port == port_ && std::find(options_.addresses.begin(), options_.addresses.end(),
                                               upstream.ip) != options_.addresses.end();
  });
  if (upstreams.size() > kMaxUpstreams) upstreams.resize(kMaxUpstreams);
  upstreams_.store(std::make_shared<const std::vector<SocketAddress>>(std::move(upstreams)));
}

// ---- The public face ----

std::vector<SocketAddress> parse_resolv_conf(std::string_view text) {
  std::vector<SocketAddress> out;
  for (std::string_view line : split(text, '\n')) {
    line = trim(line.substr(0, line.find_first_of("#;")));
    const std::string_view keyword = "nameserver";
    if (!line.starts_with(keyword)) continue;
    const std::string_view value = line.substr(keyword.size());
    if (value.empty() || (value[0] != ' ' && value[0] != '\t')) continue;
    if (const auto ip = parse_ipv4(trim(value))) out.push_back({*ip, 53});
  }
  return out;
}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Clock& clock,
                                              Random& random) {
  auto epoll = ORCH_TRY(Epoll::make(clock));
  auto loop = std::make_unique<Loop>(options, clock, random, std::move(epoll));
  ORCH_TRY(loop->bind());
  loop->set_upstreams(options.upstreams);
  log::info("dns", "serving on port " + std::to_string(loop->port()));
  return std::unique_ptr<Server>(new Server(std::move(loop)));
}

Server::Server(std::unique_ptr<Loop> loop)
    : loop_(std::move(loop)), thread_([this] { loop_->run(); }) {}

Server::~Server() {
  loop_->stop();
  thread_.join();
}

void Server::set_zone(std::shared_ptr<const Zone> zone) { loop_->set_zone(std::move(zone)); }

void Server::set_upstreams(std::vector<SocketAddress> upstreams) {
  loop_->set_upstreams(std::move(upstreams));
}

uint16_t Server::port() const { return loop_->port(); }

}  // namespace orch::dns
