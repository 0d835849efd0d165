#include "agent/runtime/events.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <csignal>

#include "agent/runtime/channel.h"
#include "agent/runtime/container_record.h"
#include "base/log.h"

namespace orch::runtime {

namespace {

constexpr uint64_t kWakeKey = 0;
constexpr int kMaxReady = 32;

}  // namespace

Result<std::unique_ptr<Events>> Events::start() {
  std::unique_ptr<Events> events(new Events);
  events->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  events->wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!events->epoll_ || !events->wake_) return system_error("epoll", errno);
  epoll_event interest{EPOLLIN, {.u64 = kWakeKey}};
  if (::epoll_ctl(events->epoll_.get(), EPOLL_CTL_ADD, events->wake_.get(), &interest) != 0)
    return system_error("epoll_ctl", errno);
  events->thread_ = std::thread([raw = events.get()] { raw->run(); });
  return events;
}

Events::~Events() {
  stopping_ = true;
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

void Events::set_listener(Listener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::make_shared<Listener>(std::move(listener));
}

Result<void> Events::add(const std::string& sandbox_id, UniqueFd socket) {
  const std::lock_guard lock(mutex_);
  const uint64_t key = next_key_++;
  epoll_event interest{EPOLLIN, {.u64 = key}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &interest) != 0)
    return system_error("epoll_ctl", errno);
  sources_[key] = std::make_shared<Source>(Source{sandbox_id, std::move(socket)});
  return {};
}

void Events::remove(const std::string& sandbox_id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(sources_, [&](const auto& s) { return s.second->sandbox_id == sandbox_id; });
}

bool Events::has(const std::string& sandbox_id) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, source] : sources_)
    if (source->sandbox_id == sandbox_id) return true;
  return false;
}

void Events::run() {
  ::pthread_setname_np(::pthread_self(), "runtime-events");
  while (!stopping_) {
    epoll_event ready[kMaxReady];
    const int count = ::epoll_wait(epoll_.get(), ready, kMaxReady, -1);
    for (int i = 0; i < count; ++i)
      if (ready[i].data.u64 != kWakeKey) take(ready[i].data.u64);
  }
}

void Events::take(uint64_t key) {
  std::shared_ptr<Source> source;
  std::shared_ptr<Listener> listener;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sources_.find(key);
    if (found == sources_.end()) return;
    source = found->second;
    listener = listener_;
  }
  const Result<Message> message = receive_message(source->socket.get());
  Event event;
  event.sandbox_id = source->sandbox_id;
  if (message) {
    event.container_id = message->record.text("id");
    event.exit = parse_exit(message->record);
  } else {
    const std::lock_guard lock(mutex_);
    if (sources_.erase(key) == 0) return;  // Removed on purpose meanwhile.
    event.kind = Event::Kind::sandbox_lost;
    log::warning("runtime", "the shim of pod " + event.sandbox_id + " is gone");
  }
  if (listener != nullptr && *listener) (*listener)(event);
}

}  // namespace orch::runtime
