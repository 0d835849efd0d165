#include "server/apiserver/leading.h"

#include "base/log.h"

namespace orch::apiserver {

void Leading::add(Begin begin) {
  const std::lock_guard lock(mutex_);
  begins_.push_back(std::move(begin));
  changed_.notify_all();
}

void Leading::start() {
  store_.on_leadership([this](const store::Leadership& now) { on_leadership(now); });
  thread_ = std::thread([this] { run(); });
}

void Leading::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

std::optional<uint64_t> Leading::term() const {
  const std::lock_guard lock(mutex_);
  return term_;
}

void Leading::on_leadership(const store::Leadership& leadership) {
  const std::lock_guard lock(mutex_);
  term_ = leadership.ours ? std::optional(leadership.term) : std::nullopt;
  changed_.notify_all();
}

void Leading::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!term_) {
      changed_.wait(lock);
    } else if (const uint64_t term = *term_; catch_up(lock, term)) {
      work(lock, term);
    }
  }
}

// True when all that was written before this term is visible here. What looks at less would do
// again what an earlier leader has done.
bool Leading::catch_up(std::unique_lock<std::mutex>& lock, uint64_t term) {
  struct Answer {
    std::optional<Result<void>> result;
  };
  const auto answer = std::make_shared<Answer>();
  lock.unlock();
  store_.sync([this, answer](Result<void> caught_up) {
    const std::lock_guard answered(mutex_);
    answer->result = std::move(caught_up);
    changed_.notify_all();
  });
  lock.lock();
  // A change of leadership makes the store answer, too.
  changed_.wait(lock, [&] { return answer->result.has_value(); });
  if (answer->result->ok()) return !stopping_ && term_ == term;
  log::warning("leading", "term " + std::to_string(term) + ": " + answer->result->status().message);
  changed_.wait_for(lock, kRetry, [&] { return stopping_ || term_ != term; });
  return false;
}

void Leading::work(std::unique_lock<std::mutex>& lock, uint64_t term) {
  log::info("leading", "this server leads in term " + std::to_string(term));
  std::vector<std::unique_ptr<Work>> works;
  while (!stopping_ && term_ == term) {
    if (works.size() == begins_.size()) {
      changed_.wait(lock);
      continue;
    }
    const Begin begin = begins_[works.size()];
    lock.unlock();
    works.push_back(begin(term));
    lock.lock();
  }
  lock.unlock();
  while (!works.empty()) works.pop_back();
  lock.lock();
  if (!stopping_) log::info("leading", "this server leads no longer");
}

}  // namespace orch::apiserver
