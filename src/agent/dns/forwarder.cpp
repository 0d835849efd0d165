// Questions to upstream resolvers; see the header.
#include "agent/dns/forwarder.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

namespace orch::dns {
namespace {

constexpr size_t kReadBytes = 4096;  // More than any UDP reply to our EDNS offer.

sockaddr_in to_sockaddr(const SocketAddress& address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(address.port);
  out.sin_addr.s_addr = htonl(address.ip.value);
  return out;
}

}  // namespace

struct Forwarder::Waiting {
  uint64_t number = 0;
  Question question;
  bool edns = false, tcp = false;
  std::shared_ptr<const std::vector<SocketAddress>> upstreams;
  Done done;

  size_t attempts = 0;
  UniqueFd socket;
  uint16_t id = 0;
  MonoTime deadline;
  std::string out, in;                 // TCP: with the length in front.
  std::optional<std::string> refusal;  // A SERVFAIL or REFUSED, should nobody know better.
};

Forwarder::~Forwarder() {
  for (auto& [number, waiting] : waiting_) close_socket(*waiting);
}

void Forwarder::ask(const Question& question, bool edns, bool tcp,
                    std::shared_ptr<const std::vector<SocketAddress>> upstreams, Done done) {
  if (auto known = cache_.find(question, edns, clock_.monotonic())) return done(std::move(known));
  if (!upstreams || upstreams->empty() || waiting_.size() >= kMaxUpstreamQueries)
    return done(std::nullopt);
  auto waiting = std::make_shared<Waiting>();
  waiting->number = next_number_++;
  waiting->question = question;
  waiting->edns = edns;
  waiting->tcp = tcp;
  waiting->upstreams = std::move(upstreams);
  waiting->done = std::move(done);
  waiting_[waiting->number] = waiting;
  try_next(waiting);
}

std::optional<MonoTime> Forwarder::expire() {
  const MonoTime now = clock_.monotonic();
  std::vector<std::shared_ptr<Waiting>> late;
  for (const auto& [number, waiting] : waiting_) {
    if (waiting->deadline <= now) late.push_back(waiting);
  }
  for (const auto& waiting : late) try_next(waiting);
  std::optional<MonoTime> next;
  for (const auto& [number, waiting] : waiting_) {
    if (!next || waiting->deadline < *next) next = waiting->deadline;
  }
  return next;
}

// In order of preference, round and round until the attempts are used up.
void Forwarder::try_next(const std::shared_ptr<Waiting>& waiting) {
  close_socket(*waiting);
  const size_t rounds = 2;
  const size_t limit = std::min(kMaxAttempts, waiting->upstreams->size() * rounds);
  while (waiting->attempts < limit) {
    const size_t index = waiting->attempts++ % waiting->upstreams->size();
    if (send_query(waiting, (*waiting->upstreams)[index])) return;
    close_socket(*waiting);
  }
  finish(waiting, std::move(waiting->refusal));
}

bool Forwarder::send_query(const std::shared_ptr<Waiting>& waiting, const SocketAddress& upstream) {
  const int type = (waiting->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  waiting->socket = UniqueFd(::socket(AF_INET, type, 0));
  const sockaddr_in to = to_sockaddr(upstream);
  const int fd = waiting->socket.get();
  if (fd < 0) return false;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS)
    return false;
  waiting->id = static_cast<uint16_t>(random_.next_u64());
  waiting->deadline = clock_.monotonic() + std::chrono::milliseconds(kAttemptTimeout_ms);
  const std::string query = render_query(waiting->id, waiting->question, waiting->edns);
  if (!waiting->tcp) {
    if (::send(fd, query.data(), query.size(), MSG_NOSIGNAL) < 0) return false;
    return epoll_.add(fd, EPOLLIN, [this, waiting](uint32_t) { on_udp(waiting); }).ok();
  }
  waiting->in.clear();
  waiting->out = {static_cast<char>(query.size() >> 8), static_cast<char>(query.size())};
  waiting->out += query;
  return epoll_.add(fd, EPOLLOUT, [this, waiting](uint32_t events) { on_tcp(waiting, events); })
      .ok();
}

void Forwarder::on_udp(const std::shared_ptr<Waiting>& waiting) {
  char buffer[kReadBytes];
  const ssize_t got = ::recv(waiting->socket.get(), buffer, sizeof buffer, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return try_next(waiting);  // Refused: nobody listens there.
  // What is no reply to our question may be an attempt at forgery: wait on for the real one.
  take_reply(waiting, std::string(buffer, static_cast<size_t>(got)));
}

void Forwarder::on_tcp(const std::shared_ptr<Waiting>& waiting, uint32_t events) {
  const int fd = waiting->socket.get();
  if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN)) return try_next(waiting);
  if (!waiting->out.empty()) {
    const ssize_t sent = ::send(fd, waiting->out.data(), waiting->out.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR ? void() : try_next(waiting);
    waiting->out.erase(0, static_cast<size_t>(sent));
    if (waiting->out.empty()) epoll_.modify(fd, EPOLLIN);
    return;
  }
  char buffer[kReadBytes];
  const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return try_next(waiting);
  waiting->in.append(buffer, static_cast<size_t>(got));
  if (waiting->in.size() < 2) return;
  const size_t length = static_cast<size_t>(static_cast<uint8_t>(waiting->in[0])) << 8 |
                        static_cast<uint8_t>(waiting->in[1]);
  if (waiting->in.size() < 2 + length) return;
  if (!take_reply(waiting, waiting->in.substr(2, length))) try_next(waiting);
}

bool Forwarder::take_reply(const std::shared_ptr<Waiting>& waiting, const std::string& message) {
  const auto relayed = parse_reply(message);
  if (!relayed || relayed->id != waiting->id || relayed->question.type != waiting->question.type ||
      relayed->question.klass != waiting->question.klass ||
      lower_name(relayed->question.name) != lower_name(waiting->question.name))
    return false;
  if (relayed->rcode == Rcode::server_failure || relayed->rcode == Rcode::refused) {
    waiting->refusal = message;
    try_next(waiting);
    return true;
  }
  cache_.store(waiting->question, waiting->edns, message, *relayed, clock_.monotonic());
  finish(waiting, message);
  return true;
}

void Forwarder::close_socket(Waiting& waiting) {
  if (!waiting.socket) return;
  epoll_.remove(waiting.socket.get());
  waiting.socket.reset();
}

void Forwarder::finish(const std::shared_ptr<Waiting>& waiting,
                       std::optional<std::string> message) {
  close_socket(*waiting);
  waiting_.erase(waiting->number);
  waiting->done(std::move(message));
}

}  // namespace orch::dns
