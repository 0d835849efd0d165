// watch_bench: changes pods and counts how often, and how soon, watchers hear of it.
//
//   watch_bench PORT TOKEN PATH PODS WATCHERS WRITERS UPDATES RATE
//
// PATH is a folder of pods named p-0 to p-(PODS - 1). WATCHERS connections watch it; WRITERS
// connections make UPDATES changes, RATE a second or, with 0, as fast as they are answered and
// told: never far ahead of the watchers, whom the server would cut off. Prints
//   RESULT <events> <seconds> <ack to event, us: p50> <p99>
//
// One thread reads all watches, and looks for nothing but the number that each change carries: the
// server is what is measured, and both share the machine.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::string_view kMark = "\"orch-bench\":\"";
constexpr size_t kMarkBytes = 32;  // The mark with its number.
constexpr auto kSilence = std::chrono::seconds(10);
constexpr long kMaxAhead = 400;  // Changes that are made and not yet told to all.

struct Args {
  int port;
  std::string token, path;
  int pods, watchers, writers, updates;
  double rate;
} args;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "watch_bench: %s\n", what.c_str());
  std::exit(1);
}

class Connection {
 public:
  explicit Connection(SSL_CTX* context) : ssl_(SSL_new(context)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(args.port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fail("connect");
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_set_fd(ssl_, fd_);
    if (SSL_connect(ssl_) != 1) fail("TLS handshake");
  }
  ~Connection() {
    SSL_free(ssl_);
    ::close(fd_);
  }
  Connection(const Connection&) = delete;

  int fd() const { return fd_; }

  void send(const std::string& line, const std::string& headers, const std::string& body) {
    const std::string text = line + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
                             args.token + "\r\n" + headers + "\r\n" + body;
    if (SSL_write(ssl_, text.data(), static_cast<int>(text.size())) <= 0) fail("write");
  }

  // More than 0: bytes; 0: would block; less: the end.
  int read(char* into, size_t size) {
    const int n = SSL_read(ssl_, into, static_cast<int>(size));
    if (n > 0) return n;
    return SSL_get_error(ssl_, n) == SSL_ERROR_WANT_READ ? 0 : -1;
  }

  // One answer with a Content-Length. Its status.
  int answer() {
    std::string text;
    char buffer[16 << 10];
    size_t wanted = std::string::npos;
    while (text.size() < wanted) {
      const int n = read(buffer, sizeof buffer);
      if (n <= 0) fail("the connection ended within an answer");
      text.append(buffer, static_cast<size_t>(n));
      const size_t end = text.find("\r\n\r\n"), length = text.find("Content-Length: ");
      if (wanted == std::string::npos && end != std::string::npos && length < end)
        wanted = end + 4 + std::strtoul(text.c_str() + length + 16, nullptr, 10);
    }
    return std::atoi(text.c_str() + 9);
  }

 private:
  SSL* ssl_;
  int fd_;
};

struct Watcher {
  explicit Watcher(SSL_CTX* context) : connection(context) {
    connection.send("GET " + args.path + "?watch=1&resourceVersion=" + revision, "", "");
    ::fcntl(connection.fd(), F_SETFL, O_NONBLOCK);
  }
  static inline std::string revision;
  Connection connection;
  std::string rest;                     // The end of what was read, where a mark may be cut.
  std::vector<Clock::time_point> seen;  // By number of the change.
};

// Reads all watches until every change was seen everywhere, or nothing comes any more.
class Reader {
 public:
  static constexpr size_t kReadBytes = 64 << 10;

  explicit Reader(SSL_CTX* context) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (int i = 0; i < args.watchers; ++i) {
      Watcher& watcher = *watchers_.emplace_back(new Watcher(context));
      watcher.seen.resize(static_cast<size_t>(args.updates));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &watcher;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, watcher.connection.fd(), &event);
    }
  }

  void run() {
    const long wanted = long{args.watchers} * args.updates;
    last_ = Clock::now();
    while (events_ < wanted && Clock::now() - last_ < kSilence) {
      epoll_event ready[128];
      const int n = ::epoll_wait(epoll_, ready, 128, 100);
      for (int i = 0; i < n; ++i) drain(*static_cast<Watcher*>(ready[i].data.ptr));
      events_.notify_all();
    }
    ended_ = true;
    ++events_;  // Wakes who waits; not counted.
    events_.notify_all();
    --events_;
  }

  long events() const { return events_; }
  // Until at least so many events have come, or none comes any more.
  void wait_for(long events) const {
    for (long seen; (seen = events_) < events && !ended_;) events_.wait(seen);
  }
  Clock::time_point last() const { return last_; }
  const std::vector<Watcher*>& watchers() const { return watchers_; }

 private:
  void drain(Watcher& watcher) {
    int n;
    while ((n = watcher.connection.read(buffer_.data() + kMarkBytes, kReadBytes)) > 0) {
      // What was left of the last read stands before it.
      char* const begin = buffer_.data() + kMarkBytes - watcher.rest.size();
      std::copy(watcher.rest.begin(), watcher.rest.end(), begin);
      const std::string_view text(begin, static_cast<size_t>(n) + watcher.rest.size());
      const size_t done = count(watcher, text);
      watcher.rest = text.substr(std::max(done, text.size() - std::min(text.size(), kMarkBytes)));
    }
    if (n < 0) fail("a watch ended");
  }

  // Where the last whole mark ends.
  size_t count(Watcher& watcher, std::string_view text) {
    size_t done = 0;
    // Not find(): that would stop at every quote.
    const auto next_mark = [&](size_t at) {
      const void* found = ::memmem(text.data() + at, text.size() - at, kMark.data(), kMark.size());
      return found == nullptr ? text.npos
                              : static_cast<size_t>(static_cast<const char*>(found) - text.data());
    };
    for (size_t at = 0; (at = next_mark(at)) != text.npos;) {
      at += kMark.size();
      const size_t end = text.find('"', at);
      if (end == text.npos) break;
      size_t number = 0;
      std::from_chars(text.data() + at, text.data() + end, number);
      last_ = watcher.seen.at(number) = Clock::now();
      ++events_;
      done = at = end;
    }
    return done;
  }

  const int epoll_;
  std::vector<Watcher*> watchers_;  // Until the process ends.
  std::vector<char> buffer_ = std::vector<char>(kMarkBytes + kReadBytes);
  std::atomic<long> events_{0};
  std::atomic<bool> ended_{false};
  Clock::time_point last_;
};

class Writers {
 public:
  Writers(SSL_CTX* context, const Reader& reader, Clock::time_point start)
      : context_(context),
        reader_(reader),
        start_(start),
        acked(static_cast<size_t>(args.updates)) {}

  void run() {
    std::vector<std::thread> threads;
    for (int i = 0; i < args.writers; ++i) threads.emplace_back([this] { write(); });
    for (std::thread& thread : threads) thread.join();
  }

 private:
  void write() {
    Connection connection(context_);
    for (int n; (n = next_++) < args.updates;) {
      if (args.rate > 0)
        std::this_thread::sleep_until(start_ + std::chrono::duration<double>(n / args.rate));
      else
        reader_.wait_for((n - kMaxAhead) * args.watchers);
      const std::string body =
          R"({"metadata":{"annotations":{"orch-bench":")" + std::to_string(n) + "\"}}}";
      connection.send("PATCH " + args.path + "/p-" + std::to_string(n % args.pods),
                      "Content-Type: application/merge-patch+json\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n",
                      body);
      if (const int code = connection.answer(); code != 200) fail(std::to_string(code));
      acked[static_cast<size_t>(n)] = Clock::now();
    }
  }

  SSL_CTX* const context_;
  const Reader& reader_;
  const Clock::time_point start_;
  std::atomic<int> next_{0};

 public:
  std::vector<Clock::time_point> acked;
};

std::string revision_now(SSL_CTX* context) {
  Connection connection(context);
  connection.send("GET " + args.path + "?limit=1", "Connection: close\r\n", "");
  std::string text;
  char buffer[16 << 10];
  for (int n; (n = connection.read(buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(n));
  constexpr std::string_view kField = "\"resourceVersion\":\"";
  const size_t at = text.find(kField);
  if (at == text.npos) fail("no list: " + text.substr(0, 300));
  return text.substr(at + kField.size(), text.find('"', at + kField.size()) - at - kField.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) fail("PORT TOKEN PATH PODS WATCHERS WRITERS UPDATES RATE");
  args = {std::atoi(argv[1]),
          argv[2],
          argv[3],
          std::atoi(argv[4]),
          std::atoi(argv[5]),
          std::atoi(argv[6]),
          std::atoi(argv[7]),
          std::atof(argv[8])};
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, Reader::kReadBytes);
  Watcher::revision = revision_now(context);
  Reader reader(context);
  const auto start = Clock::now();
  Writers writers(context, reader, start);
  std::thread writing([&] { writers.run(); });
  reader.run();
  writing.join();

  std::vector<double> delays_us;
  for (const Watcher* watcher : reader.watchers()) {
    for (size_t n = 0; n < watcher->seen.size(); ++n) {
      if (watcher->seen[n] == Clock::time_point()) continue;
      const std::chrono::duration<double, std::micro> delay = watcher->seen[n] - writers.acked[n];
      delays_us.push_back(std::max(0.0, delay.count()));
    }
  }
  if (delays_us.empty()) fail("no event came");
  std::ranges::sort(delays_us);
  const auto at = [&](double share) {
    return delays_us[static_cast<size_t>(share * static_cast<double>(delays_us.size() - 1))];
  };
  const std::chrono::duration<double> took = reader.last() - start;
  std::printf("RESULT %ld %.6f %.0f %.0f\n", reader.events(), took.count(), at(0.5), at(0.99));
}
