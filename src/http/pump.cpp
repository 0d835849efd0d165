#include "http/pump.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace orch::http {
namespace {

// One direction: what was read from `from` and not yet taken by `to`.
class Flow {
 public:
  Flow(Duplex& from, Duplex& to) : from_(from), to_(to) {}

  bool wants_input() const { return begin_ == end_ && !ended_; }
  bool wants_output() const { return begin_ != end_; }
  // The source has ended and all that came from it was taken.
  bool over() const { return ended_ && begin_ == end_; }

  // Moves what can be moved without waiting. False when `to` takes nothing any more.
  bool move() {
    for (;;) {
      while (begin_ != end_) {
        const auto written = to_.write_some({buffer_.data() + begin_, end_ - begin_});
        if (!written) return false;
        if (*written == 0) return true;
        begin_ += *written;
      }
      begin_ = end_ = 0;
      if (ended_) return true;
      const auto read = from_.read_some(buffer_.data(), buffer_.size());
      ended_ = !read;
      if (!read || *read == 0) return true;
      end_ = *read;
    }
  }

 private:
  Duplex& from_;
  Duplex& to_;
  std::array<char, 32 << 10> buffer_;
  size_t begin_ = 0, end_ = 0;
  bool ended_ = false;
};

// Of a side from which nothing is wanted an end would be told for ever: it is not asked at all.
pollfd asked(Duplex& side, const Flow& in, const Flow& out) {
  const int events = (in.wants_input() ? POLLIN : 0) | (out.wants_output() ? POLLOUT : 0);
  return {events ? side.fd() : -1, static_cast<short>(events), 0};
}

}  // namespace

void run_pump(Duplex& a, Duplex& b, int idle_ms) {
  Flow there(a, b), back(b, a);
  while (there.move() && back.move()) {
    if (there.over() || back.over()) break;
    // move() reads until nothing is left, so no bytes can be waiting inside TLS here, except
    // behind a flow whose other end is full.
    pollfd polled[2] = {asked(a, there, back), asked(b, back, there)};
    const int ready = ::poll(polled, 2, idle_ms);
    if (ready == 0 || (ready < 0 && errno != EINTR)) break;
  }
  // Who has ended is not waited for.
  a.close();
  b.close();
}

}  // namespace orch::http
