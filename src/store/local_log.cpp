// The local maker of Log: a bounded queue, the writer's thread, which applies, and the settler's,
// which waits for the disk and answers. Group commit happens by itself: while one batch is settled,
// the next one gathers (BatchRule).
//
// When another log takes its place (replace()), both threads end between two batches, the queue
// fills meanwhile, and is handed on as it is. From then on this log only passes everything on, at
// the cost of one atomic read before it, too: `next_` is set once, with the queue's mutex held.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "store/batch_rule.h"
#include "store/log.h"

namespace orch::store {

namespace {

// One batch is one transaction and one answer to all: large enough to share the fsync, small
// enough that nobody waits long for the others' bytes.
constexpr size_t kMaxBatchWrites = 1024;
constexpr size_t kMaxBatchBytes = 8u << 20;

size_t size_of(const Write& write) {
  return write.key.size() + (write.bytes ? write.bytes->size() : 0);
}

class LocalLog final : public Log {
 public:
  LocalLog(Applier& applier, const Options& options)
      : applier_(applier),
        clock_(*options.clock),
        max_writes_(options.queue_writes),
        max_bytes_(options.queue_bytes) {
    begin();
  }
  ~LocalLog() override { close(); }

  void propose(Proposal proposal, WhenFull when_full) override {
    if (Log* const next = next_) return next->propose(std::move(proposal), when_full);
    std::unique_lock lock(mutex_);
    if (when_full == WhenFull::wait) {
      room_.wait(lock, [this] { return next_ || stage_ == Stage::closed || has_room(); });
    }
    if (Log* const next = next_) {
      lock.unlock();
      return next->propose(std::move(proposal), when_full);
    }
    if (stage_ == Stage::closed || !has_room()) {
      const bool closed = stage_ == Stage::closed;
      lock.unlock();
      proposal.done(closed ? service_unavailable("the store is closed")
                           : too_many_requests("too many writes wait for the store", 1));
      return;
    }
    queued_bytes_ += size_of(proposal.write);
    queue_.push_back(std::move(proposal));
    if (queue_.size() == 1 || queue_.size() == (settling_ + 1) / 2) work_.notify_one();
  }

  void close() override {
    const std::lock_guard ending(ending_);
    if (next_) return next_.load()->close();
    end(Stage::closed);
    room_.notify_all();
  }

  Result<void> replace(const Make& make) override {
    const std::lock_guard ending(ending_);
    if (next_) return next_.load()->replace(make);
    if (stage_ == Stage::closed) return service_unavailable("the store is closed");
    end(Stage::pausing);
    auto made = make();
    if (!made) {
      begin();
      return std::move(made).status();
    }
    pass_on(*std::move(made));
    const std::lock_guard telling(tell_mutex_);
    if (tell_) next_.load()->on_leadership(tell_);
    return {};
  }

  bool alone() const override { return !next_; }

  // While this log is the one, what Log says of a single server holds.
  void sync(std::function<void(Result<void>)> done) override {
    Log* const next = next_;
    next ? next->sync(std::move(done)) : Log::sync(std::move(done));
  }
  Leadership leadership() const override {
    const Log* const next = next_;
    return next ? next->leadership() : Log::leadership();
  }
  void on_leadership(std::function<void(const Leadership&)> tell) override {
    const std::lock_guard telling(tell_mutex_);
    tell_ = tell;
    Log* const next = next_;
    next ? next->on_leadership(std::move(tell)) : Log::on_leadership(std::move(tell));
  }
  std::optional<Health> health() const override {
    const Log* const next = next_;
    return next ? next->health() : Log::health();
  }
  std::vector<Member> members() const override {
    const Log* const next = next_;
    return next ? next->members() : Log::members();
  }
  void change_members(MemberChange change, std::function<void(Result<void>)> done) override {
    Log* const next = next_;
    next ? next->change_members(std::move(change), std::move(done))
         : Log::change_members(std::move(change), std::move(done));
  }
  void accept_peer(uint64_t from, StreamUse use, UniqueFd stream) override {
    if (Log* const next = next_) next->accept_peer(from, use, std::move(stream));
  }

 private:
  // Pausing: the threads end and leave what waits where it is.
  enum class Stage { open, pausing, closed };

  void begin() {
    {
      const std::lock_guard lock(mutex_);
      stage_ = Stage::open;
      all_applied_ = false;
    }
    settler_ = std::thread([this] { settle_all(); });
    writer_ = std::thread([this] { run(); });
  }

  // First the one that applies, then the one that settles what was applied.
  void end(Stage stage) {
    {
      const std::lock_guard lock(mutex_);
      stage_ = stage;
    }
    work_.notify_one();
    if (writer_.joinable()) writer_.join();
    {
      const std::lock_guard lock(mutex_);
      all_applied_ = true;
    }
    applied_anew_.notify_one();
    if (settler_.joinable()) settler_.join();
  }

  // The new log's queue is as long as this one: it takes all without waiting.
  void pass_on(std::unique_ptr<Log> made) {
    {
      const std::lock_guard lock(mutex_);
      successor_ = std::move(made);
      for (Proposal& proposal : queue_) successor_->propose(std::move(proposal), WhenFull::wait);
      queue_.clear();
      queued_bytes_ = 0;
      next_ = successor_.get();
    }
    room_.notify_all();
  }

  // Called with the lock held. A single write that is larger than the limit still goes in alone.
  bool has_room() const {
    return queue_.size() < max_writes_ && (queue_.empty() || queued_bytes_ < max_bytes_);
  }

  void run() {
    for (;;) {
      std::vector<Proposal> batch;
      {
        std::unique_lock lock(mutex_);
        wait_for_work(lock);
        if (stage_ == Stage::pausing || (stage_ == Stage::closed && queue_.empty())) return;
        batch = take_batch();
      }
      room_.notify_all();
      size_t applied = batch.size();
      if (!batch.empty()) {
        const MonoTime begin = clock_.monotonic();
        applier_.apply(std::move(batch));
        const auto took = clock_.monotonic() - begin;
        const std::lock_guard lock(mutex_);
        rule_.applied(applied, took);
      }
      const auto due = applier_.flush_at();
      if (due && *due <= clock_.monotonic()) {
        applier_.flush();
        ++applied;
      }
      if (applied == 0) continue;
      {
        const std::lock_guard lock(mutex_);
        applied_ += applied;
      }
      applied_anew_.notify_one();
    }
  }

  // The settler's thread.
  void settle_all() {
    std::unique_lock lock(mutex_);
    for (;;) {
      applied_anew_.wait(lock, [this] { return applied_ > 0 || all_applied_; });
      if (applied_ == 0) return;
      settling_ = std::exchange(applied_, 0);
      if (!queue_.empty()) work_.notify_one();
      lock.unlock();
      const auto disk_took = applier_.settle();
      lock.lock();
      settling_ = 0;
      rule_.settled(disk_took);
      if (!queue_.empty()) work_.notify_one();
    }
  }

  // Somebody will notify when that changes.
  bool may_take() const {
    if (stage_ == Stage::pausing) return true;
    if (queue_.empty()) return stage_ == Stage::closed;
    return applied_ == 0 && rule_.takes(queue_.size(), settling_);
  }

  // Until there is a batch, the end, or a flush due. An idle store has no timer but for the latter.
  void wait_for_work(std::unique_lock<std::mutex>& lock) {
    while (!may_take()) {
      const auto due = applier_.flush_at();
      if (!due) {
        work_.wait(lock);
        continue;
      }
      const auto left = *due - clock_.monotonic();
      if (left <= left.zero()) return;
      work_.wait_for(lock, left);
    }
  }

  std::vector<Proposal> take_batch() {
    std::vector<Proposal> batch;
    batch.reserve(std::min(queue_.size(), kMaxBatchWrites));
    size_t bytes = 0;
    while (!queue_.empty() && batch.size() < kMaxBatchWrites && bytes < kMaxBatchBytes) {
      bytes += size_of(queue_.front().write);
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    queued_bytes_ -= bytes;
    return batch;
  }

  Applier& applier_;
  Clock& clock_;
  const size_t max_writes_, max_bytes_;
  std::mutex mutex_;
  std::condition_variable work_, room_, applied_anew_;
  std::deque<Proposal> queue_;
  size_t queued_bytes_ = 0;
  size_t applied_ = 0, settling_ = 0;  // So many: waiting for the settler, in its hands.
  BatchRule rule_;
  Stage stage_ = Stage::open;
  bool all_applied_ = false;

  std::mutex ending_;  // Held by who ends the threads: close(), replace().
  std::unique_ptr<Log> successor_;
  std::atomic<Log*> next_{nullptr};  // The same, once everything goes there.
  std::mutex tell_mutex_;            // Held while telling.
  std::function<void(const Leadership&)> tell_;
  std::thread settler_, writer_;  // Last: they use everything above.
};

}  // namespace

std::unique_ptr<Log> make_local_log(Applier& applier, const Options& options) {
  return std::make_unique<LocalLog>(applier, options);
}

}  // namespace orch::store
