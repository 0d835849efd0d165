#include "server/apiserver/pump.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace orch::apiserver {
namespace {

// One direction: what was read from `from` and not yet taken by `to`.
class Flow {
 public:
  Flow(http::Duplex& from, http::Duplex& to) : from_(from), to_(to) {}

  bool wants_input() const { return begin_ == end_; }
  bool wants_output() const { return begin_ != end_; }

  // Moves what can be moved without waiting. False when either side has ended.
  bool move() {
    while (true) {
      while (begin_ != end_) {
        const auto written = to_.write_some({buffer_.data() + begin_, end_ - begin_});
        if (!written) return false;
        if (*written == 0) return true;
        begin_ += *written;
      }
      begin_ = end_ = 0;
      const auto read = from_.read_some(buffer_.data(), buffer_.size());
      if (!read) return false;
      if (*read == 0) return true;
      end_ = *read;
    }
  }

 private:
  http::Duplex& from_;
  http::Duplex& to_;
  std::array<char, 32 << 10> buffer_;
  size_t begin_ = 0, end_ = 0;
};

short events_of(const Flow& in, const Flow& out) {
  short events = 0;
  if (in.wants_input()) events |= POLLIN;
  if (out.wants_output()) events |= POLLOUT;
  return events;
}

}  // namespace

void run_pump(http::Duplex& a, http::Duplex& b) {
  Flow there(a, b), back(b, a);
  while (there.move() && back.move()) {
    // move() reads until nothing is left, so no bytes can be waiting inside TLS here, except
    // behind a flow whose other end is full.
    pollfd polled[2] = {{a.fd(), events_of(there, back), 0}, {b.fd(), events_of(back, there), 0}};
    if (poll(polled, 2, -1) < 0 && errno != EINTR) break;
    // A side that hung up while nothing is asked of it would wake us for ever.
    const short gone = POLLERR | POLLNVAL;
    if ((polled[0].revents | polled[1].revents) & gone) break;
    const bool hung = (polled[0].revents | polled[1].revents) & POLLHUP;
    if (hung && !((polled[0].revents | polled[1].revents) & (POLLIN | POLLOUT))) break;
  }
  a.close();
  b.close();
}

}  // namespace orch::apiserver
