// Deadline: one timer of a connection, made cheap for those that set it with every request. Moving
// the deadline later touches no timer: one that fires early looks again. So a busy connection
// never touches the timer heap, and an idle one holds a single timer.
#pragma once

// Asio 1.74 needs std::exchange and does not include it.
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "base/clock.h"

namespace orch::http {

// Its I/O thread only. `Owner` has on_deadline() and derives from enable_shared_from_this; it is
// kept alive while a timer is armed.
template <class Owner>
class Deadline {
 public:
  Deadline(boost::asio::io_context& context, Owner& owner) : timer_(context), owner_(owner) {}

  void set(int seconds) { set_at(system_clock().monotonic() + std::chrono::seconds(seconds)); }
  void set_at(MonoTime at) {
    at_ = at;
    if (at_ < armed_for_) arm();
  }
  void clear() { at_ = MonoTime::max(); }
  // For good: gives the owner up.
  void cancel() {
    clear();
    timer_.cancel();
  }

 private:
  void arm() {
    armed_for_ = at_;
    timer_.expires_at(at_);
    timer_.async_wait([this, keep = owner_.shared_from_this()](const auto& error) {
      if (!error) fired();
    });
  }

  void fired() {
    armed_for_ = MonoTime::max();
    if (at_ == MonoTime::max()) return;
    if (system_clock().monotonic() < at_) return arm();
    clear();
    owner_.on_deadline();
  }

  boost::asio::steady_timer timer_;
  Owner& owner_;
  MonoTime at_ = MonoTime::max();         // Max: none.
  MonoTime armed_for_ = MonoTime::max();  // When timer_ fires; max: not armed.
};

}  // namespace orch::http
