// The event loop of the DNS server; see the header.
#include "agent/dns/epoll.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>

namespace orch::dns {
namespace {
constexpr int kEventBatch = 64;
}

Result<std::unique_ptr<Epoll>> Epoll::make(Clock& clock) {
  std::unique_ptr<Epoll> made(new Epoll(clock));
  made->epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  made->timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  made->wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!made->epoll_ || !made->timer_ || !made->wake_) return system_error("epoll", errno);
  for (const int fd : {made->timer_.get(), made->wake_.get()}) {
    ORCH_TRY(made->add(fd, EPOLLIN, [fd](uint32_t) {
      uint64_t count = 0;  // Reading is what makes the descriptor quiet again.
      while (::read(fd, &count, sizeof count) < 0 && errno == EINTR) continue;
    }));
  }
  return made;
}

Result<void> Epoll::add(int fd, uint32_t events, Handler handler) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return system_error("epoll_ctl", errno);
  handlers_[fd] = std::make_shared<Handler>(std::move(handler));
  return {};
}

void Epoll::modify(int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  ORCH_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Epoll::remove(int fd) {
  if (handlers_.erase(fd) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Epoll::run(const std::function<std::optional<MonoTime>()>& after) {
  epoll_event events[kEventBatch];
  while (!stopped_) {
    arm(after());
    const int count = ::epoll_wait(epoll_.get(), events, kEventBatch, -1);
    for (int i = 0; i < count; ++i) {
      // A handler may remove itself or another: look it up anew, and keep it while it runs.
      const auto found = handlers_.find(events[i].data.fd);
      if (found == handlers_.end()) continue;
      const std::shared_ptr<Handler> handler = found->second;
      (*handler)(events[i].events);
    }
  }
}

void Epoll::stop() {
  stopped_ = true;
  const uint64_t one = 1;
  while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) continue;
}

void Epoll::arm(std::optional<MonoTime> deadline) {
  if (deadline == armed_) return;
  armed_ = deadline;
  itimerspec when{};
  if (deadline) {
    // Relative, so that it follows the injected clock; at least 1 ns, as 0 would disarm.
    const auto left = std::max<int64_t>(
        1, std::chrono::duration_cast<std::chrono::nanoseconds>(*deadline - clock_.monotonic())
               .count());
    when.it_value.tv_sec = left / 1'000'000'000;
    when.it_value.tv_nsec = left % 1'000'000'000;
  }
  ORCH_CHECK(::timerfd_settime(timer_.get(), 0, &when, nullptr) == 0);
}

}  // namespace orch::dns
