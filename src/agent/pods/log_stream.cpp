#include "agent/pods/log_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "agent/pods/kubelet_request.h"
#include "base/log.h"

namespace orch::pods {
namespace {

constexpr size_t kBlock = 64 << 10;
// Between two looks at a container whose log was closed but whose exit is not recorded yet. Only
// then: otherwise the thread sleeps until there is an event.
constexpr int kLookAgainMs = 20;

class Session {
 public:
  explicit Session(const LogStream& stream) : stream_(stream), filter_(stream.options) {}

  // True when all was sent that had been asked for.
  bool run() {
    if (stream_.options.follow) begin_watch();
    if (!open_file(true)) return false;
    while (send_new()) {
      if (!stream_.options.follow) return true;
      if (!wait_for_more()) {
        send_new();  // What came between the last read and the end.
        break;
      }
    }
    return !failed_;
  }

 private:
  void begin_watch() {
    watch_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    const std::string dir = stream_.path.substr(0, stream_.path.rfind('/'));
    ::inotify_add_watch(watch_.get(), dir.c_str(),
                        IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE);
  }

  bool open_file(bool first) {
    UniqueFd fd(::open(stream_.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return false;
    file_ = std::move(fd);
    offset_ = 0;
    if (first && stream_.options.tail_lines) {
      offset_ = tail_offset(file_.get(), *stream_.options.tail_lines);
    }
    return true;
  }

  // False when the stream is over: the caller went, or limitBytes were sent.
  bool send_new() {
    std::string block(kBlock, '\0');
    for (;;) {
      const ssize_t n = ::pread(file_.get(), block.data(), block.size(), offset_);
      failed_ = n < 0;
      if (n < 0 || closed()) return false;
      if (n == 0) {
        if (!was_rotated()) return true;
        if (!open_file(false)) return true;
        continue;
      }
      offset_ += n;
      std::string text = filter_.feed(std::string_view(block).substr(0, static_cast<size_t>(n)));
      if (!text.empty() && !stream_.out->write(http::Body(std::move(text)))) return false;
      if (filter_.full()) return false;
      if (!stream_.out->wait_for_backlog(kLogBacklogBytes / 2)) return false;
    }
  }

  // The shim has moved the file away and begun a new one.
  bool was_rotated() const {
    struct stat of_path {
    }, of_file{};
    if (::stat(stream_.path.c_str(), &of_path) != 0) return false;
    if (::fstat(file_.get(), &of_file) != 0) return false;
    return of_path.st_ino != of_file.st_ino;
  }

  bool closed() const {
    pollfd waited{stream_.closed_fd, POLLIN, 0};
    return ::poll(&waited, 1, 0) > 0 && stream_.gone();
  }

  // True when there may be more to read; false when the container has ended.
  bool wait_for_more() {
    for (;;) {
      if (!stream_.still_running()) return false;
      pollfd waited[] = {{stream_.closed_fd, POLLIN, 0}, {watch_.get(), POLLIN, 0}};
      const int ready = ::poll(waited, 2, was_closed_ ? kLookAgainMs : -1);
      if (ready < 0 && errno != EINTR) return false;
      if (waited[0].revents != 0 && stream_.gone()) return false;
      if (waited[1].revents != 0 && take_events()) return true;
    }
  }

  // True when something was written.
  bool take_events() {
    alignas(inotify_event) char buffer[4096];
    bool written = false;
    ssize_t n = 0;
    while ((n = ::read(watch_.get(), buffer, sizeof buffer)) > 0) {
      for (ssize_t at = 0; at < n;) {
        inotify_event event;
        std::copy(buffer + at, buffer + at + sizeof event, reinterpret_cast<char*>(&event));
        was_closed_ = was_closed_ || (event.mask & IN_CLOSE_WRITE) != 0;
        if ((event.mask & (IN_MODIFY | IN_CREATE | IN_MOVED_TO)) != 0) written = true;
        at += static_cast<ssize_t>(sizeof event + event.len);
      }
    }
    return written;
  }

  const LogStream& stream_;
  LogFilter filter_;
  UniqueFd file_, watch_;
  off_t offset_ = 0;
  bool was_closed_ = false;
  bool failed_ = false;  // The file can't be read.
};

}  // namespace

LogReader::LogReader() : closed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

std::shared_ptr<LogReader> LogReader::begin(http::Exchange& exchange) {
  const std::shared_ptr<LogReader> reader(new LogReader);
  auto stream =
      exchange.start_stream(text_response(""), kLogBacklogBytes, [weak = std::weak_ptr(reader)] {
        if (const auto alive = weak.lock()) alive->end();
      });
  const std::lock_guard lock(reader->mutex_);
  reader->stream_ = std::move(stream);
  if (reader->ended_) reader->stream_->abort();
  return reader;
}

void LogReader::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  if (stream_) stream_->abort();
  ::eventfd_write(closed_.get(), 1);
}

void send_log_file(http::Exchange& exchange, int fd, int64_t size) {
  const auto reader = LogReader::begin(exchange);
  http::Stream& out = *reader->out();
  std::string block(kBlock, '\0');
  while (size > 0 && out.wait_for_backlog(kLogBacklogBytes / 2)) {
    const auto wanted = static_cast<size_t>(std::min(size, static_cast<int64_t>(block.size())));
    const ssize_t n = ::read(fd, block.data(), wanted);
    if (n <= 0) return out.abort();
    size -= n;
    if (!out.write(http::Body(block.substr(0, static_cast<size_t>(n))))) return;
  }
  out.close();
}

void run_log_stream(const LogStream& stream) {
  if (Session(stream).run()) {
    stream.out->close();
  } else {
    stream.out->abort();
  }
}

}  // namespace orch::pods
