#include "http/body_pipe.h"

#include <boost/asio/post.hpp>
#include <chrono>

#include "http/connection.h"

namespace orch::http {

Result<std::string> BodyPipe::read(int timeout_ms) {
  std::string bytes;
  {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                        [&] { return !waiting_.empty() || state_ != State::open; });
    if (!came) return gateway_timeout("the rest of the request's body did not come");
    if (state_ == State::broken) return service_unavailable("the request's body broke off");
    bytes.swap(waiting_);
  }
  if (!bytes.empty()) {
    boost::asio::post(loop_->context, [weak = connection_] {
      if (const auto connection = weak.lock()) connection->read_body();
    });
  }
  return bytes;
}

void BodyPipe::push(std::string bytes) {
  const std::lock_guard lock(mutex_);
  waiting_ += bytes;
  changed_.notify_all();
}

void BodyPipe::end() {
  const std::lock_guard lock(mutex_);
  state_ = State::ended;
  changed_.notify_all();
}

void BodyPipe::break_off() {
  const std::lock_guard lock(mutex_);
  if (state_ == State::open) state_ = State::broken;
  changed_.notify_all();
}

bool BodyPipe::full() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() >= kBodyPipeBytes;
}

}  // namespace orch::http
