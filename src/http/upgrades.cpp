#include "http/upgrades.h"

#include <sys/socket.h>

#include <utility>

#include "http/transport_duplex.h"

namespace orch::http {

bool Upgrades::reserve() {
  const std::lock_guard lock(mutex_);
  if (stopped_ || taken_ >= limit_) return false;
  ++taken_;
  return true;
}

void Upgrades::release() {
  const std::lock_guard lock(mutex_);
  --taken_;
}

void Upgrades::start(Transport transport, std::string early, Run run) {
  std::vector<std::thread> ended;
  {
    const std::lock_guard lock(mutex_);
    ended.swap(finished_);
    const uint64_t id = next_id_++;
    Active& active = active_[id];
    active.fd = transport.fd();
    // Too late for this one: stop() may have passed already.
    if (stopped_) ::shutdown(active.fd, SHUT_RDWR);
    // The Duplex may outlive its thread and this server; it keeps the book that it signs off in.
    auto before_close = [self = shared_from_this(), id] { self->forget_fd(id); };
    auto duplex = make_duplex(std::move(transport), std::move(early), std::move(before_close));
    auto body = [this, id, duplex = std::move(duplex), run = std::move(run)]() mutable {
      run(std::move(duplex));
      finish(id);
    };
    active.thread = std::thread(std::move(body));
  }
  for (std::thread& thread : ended) thread.join();
}

void Upgrades::finish(uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = active_.find(id);
  // After stop() took it, the handle is waited for already.
  if (found->second.thread.joinable()) finished_.push_back(std::move(found->second.thread));
  active_.erase(found);
  --taken_;
}

void Upgrades::forget_fd(uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = active_.find(id);
  if (found != active_.end()) found->second.fd = -1;
}

void Upgrades::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    threads.swap(finished_);
    for (auto& [id, active] : active_)
      if (active.fd >= 0) ::shutdown(active.fd, SHUT_RDWR);
  }
  // A running thread's handle stays in `active_` until it finishes: wait for those one by one.
  for (;;) {
    for (std::thread& thread : threads) thread.join();
    threads.clear();
    const std::lock_guard lock(mutex_);
    for (auto& [id, active] : active_)
      if (active.thread.joinable()) threads.push_back(std::move(active.thread));
    for (std::thread& thread : finished_) threads.push_back(std::move(thread));
    finished_.clear();
    if (threads.empty()) return;
  }
}

}  // namespace orch::http
