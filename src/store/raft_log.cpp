#include "store/raft_log.h"

#include <signal.h>

#include <mutex>
#include <thread>

#include "base/check.h"
#include "base/files.h"
#include "base/log.h"
#include "store/damage.h"
#include "store/disk_pace.h"
#include "store/log_check.h"
#include "store/once.h"
#include "store/proposal_queue.h"
#include "store/raft_folder.h"
#include "store/raft_streams.h"
#include "store/replica.h"

namespace orch::store {

namespace {

constexpr unsigned kConnectAgainMs = 250;  // libraft, to a server that it can't reach.
constexpr unsigned kDiskAgainMs = 500;     // libraft, when a full disk may have room again.
// Closing: for so long at most, what waits may still be agreed on.
constexpr uint64_t kDrainMs = 2'000;

template <class Handle>
uv_handle_t* handle_of(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

class RaftLog final : public Log {
 public:
  RaftLog(Machine& machine, const Options& options)
      : machine_(machine),
        clock_(*options.clock),
        replication_(*options.replication),
        on_damage_(options.on_damage),
        queue_(options.queue_writes, options.queue_bytes) {}
  ~RaftLog() override { close(); }

  Result<void> open(const Options& options, Store::Tagger tagger, const RaftStart& start);

  void propose(Proposal proposal, WhenFull when_full) override;
  void close() override;
  void sync(std::function<void(Result<void>)> done) override;
  Leadership leadership() const override;
  std::optional<Health> health() const override;
  void on_leadership(std::function<void(const Leadership&)> tell) override;
  std::vector<Member> members() const override;
  void change_members(MemberChange change, std::function<void(Result<void>)> done) override;
  void accept_peer(uint64_t from, StreamUse use, UniqueFd stream) override;

 private:
  enum class Stage { running, draining, handing_over, closing };
  struct Timed {  // An entry's way to the disk.
    raft_io_append request{};
    RaftLog* log = nullptr;
    MonoTime began;
    raft_io_append* theirs = nullptr;
    raft_io_append_cb done = nullptr;
  };

  struct Disk {
    raft_io io{};  // First: all that libraft's callbacks give us.
    RaftLog* log = nullptr;
  };

  static RaftLog* of(const void* data) { return static_cast<RaftLog*>(const_cast<void*>(data)); }
  void make_loop();
  Result<void> start_replica(const Options& options, Store::Tagger tagger, const RaftStart& start);
  void time_appends();
  void run();
  void take_turn();
  void take_queue();
  void publish();
  void heal_address();
  void plan_flush();
  void go_on_closing();
  void close_replica();
  void close_handles();
  template <class Task>
  void ask(std::function<void(Result<void>)> done, Task task);

  Machine& machine_;
  Clock& clock_;
  const Replication& replication_;
  const std::function<void(const Status&)> on_damage_;
  ProposalQueue queue_;

  // The log's thread alone (the opener's, before there is one).
  uv_loop_t loop_{};
  uv_prepare_t turn_{};
  uv_timer_t flush_{}, drain_{};
  Disk disk_;
  int (*append_)(raft_io*, raft_io_append*, const raft_entry*, unsigned,
                 raft_io_append_cb) = nullptr;
  DiskPace pace_;
  std::unique_ptr<RaftStreams> streams_;
  std::unique_ptr<Replica> replica_;
  Stage stage_ = Stage::running;
  std::pair<uint64_t, uint64_t> members_version_{~0ull, 0};
  uint64_t healed_in_ = 0;  // The term in which our address was told to the others.

  std::shared_ptr<LoopQueue> tasks_;
  mutable std::mutex mutex_;
  Leadership leadership_{.term = 0, .leader = 0, .ours = false};
  std::atomic<bool> broken_{false};  // The replica.
  std::vector<Member> members_;
  std::mutex tell_mutex_;  // Held while telling: in order.
  std::function<void(const Leadership&)> tell_;
  std::thread thread_;
};

// --- From any thread.

void RaftLog::propose(Proposal proposal, WhenFull when_full) {
  if (queue_.put(std::move(proposal), when_full)) tasks_->wake();
}

// On the log's thread, or refused here and now.
template <class Task>
void RaftLog::ask(std::function<void(Result<void>)> done, Task task) {
  const auto told = std::make_shared<Once>(std::move(done));
  tasks_->post([task = std::move(task), told] {
    task([told](auto result) { told->say(std::move(result)); });
  });
}

void RaftLog::sync(std::function<void(Result<void>)> done) {
  ask(std::move(done), [this](const auto& told) { replica_->sync(told); });
}

void RaftLog::change_members(MemberChange change, std::function<void(Result<void>)> done) {
  const auto task = [this, change = std::move(change)](const auto& told) {
    replica_->change_members(change, told);
  };
  ask(std::move(done), task);
}

void RaftLog::accept_peer(uint64_t from, StreamUse use, UniqueFd stream) {
  const auto held = std::make_shared<UniqueFd>(std::move(stream));
  tasks_->post([this, from, use, held] { streams_->accept(from, use, std::move(*held)); });
}

Leadership RaftLog::leadership() const {
  const std::lock_guard lock(mutex_);
  return leadership_;
}

std::optional<Health> RaftLog::health() const {
  return broken_ ? std::optional(Health::failed) : std::nullopt;
}

std::vector<Member> RaftLog::members() const {
  const std::lock_guard lock(mutex_);
  return members_;
}

void RaftLog::on_leadership(std::function<void(const Leadership&)> tell) {
  const std::lock_guard telling(tell_mutex_);
  tell_ = std::move(tell);
  tell_(leadership());
}

void RaftLog::close() {
  queue_.close();
  if (!thread_.joinable()) return;
  tasks_->post([this] {
    stage_ = Stage::draining;
    const auto late = [](uv_timer_t* timer) { uv_timer_stop(timer); };
    uv_timer_start(&drain_, late, kDrainMs, 0);
  });
  thread_.join();
}

// --- Opening.

Result<void> RaftLog::open(const Options& options, Store::Tagger tagger, const RaftStart& start) {
  const std::string directory = log_directory(options.directory);
  ORCH_TRY(make_dirs(directory, 0700));
  pace_ = ORCH_TRY(DiskPace::measure(directory, clock_));
  make_loop();
  const Result<void> started = start_replica(options, std::move(tagger), start);
  if (!started.ok()) {
    stage_ = Stage::closing;
    replica_ ? close_replica() : close_handles();
    run();
    return started;
  }
  publish();
  thread_ = std::thread([this] {
    // A stream whose other end is gone is an error like any other.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    run();
  });
  return {};
}

void RaftLog::make_loop() {
  ORCH_CHECK(uv_loop_init(&loop_) == 0);
  tasks_ = LoopQueue::open(&loop_);
  turn_.data = flush_.data = drain_.data = this;
  ORCH_CHECK(uv_prepare_init(&loop_, &turn_) == 0);
  ORCH_CHECK(uv_timer_init(&loop_, &flush_) == 0);
  ORCH_CHECK(uv_timer_init(&loop_, &drain_) == 0);
  streams_ = std::make_unique<RaftStreams>(&loop_, tasks_, replication_);
}

Result<void> RaftLog::start_replica(const Options& options, Store::Tagger tagger,
                                    const RaftStart& start) {
  const std::string directory = log_directory(options.directory);
  const Progress progress =
      start.note.empty() ? Progress() : ORCH_TRY(Progress::decode(start.note));
  ORCH_TRY(check_log(directory, progress.index));
  const uint64_t copy = newest_copy(directory);
  const uint64_t boot = ORCH_TRY(next_boot(options.directory, clock_));
  if (replication_.begins && start.note.empty())
    ORCH_TRY(forget_half_a_beginning(options.directory));
  disk_.io.version = 2;
  disk_.log = this;
  const int code = raft_uv_init(&disk_.io, &loop_, directory.c_str(), streams_->transport());
  if (code != 0) return service_unavailable("open " + directory + ": " + disk_.io.errmsg);
  raft_uv_set_connect_retry_delay(&disk_.io, kConnectAgainMs);
  raft_uv_set_disk_retry(&disk_.io, kDiskAgainMs);
  // What is damaged must be told, not left out: others rely on what this server said it has.
  raft_uv_set_auto_recovery(&disk_.io, false);
  time_appends();

  Replica::Options replica;
  replica.server = replication_.server;
  replica.boot = boot;
  replica.address = replication_.address;
  replica.election_ms = pace_.election_ms();
  replica.renew = start.renew;
  replica.alone = replication_.alone;
  replica.cipher = options.cipher;
  replica_ = std::make_unique<Replica>(replica, disk_.io, machine_, std::move(tagger), *streams_);
  streams_->on_message(
      [this](uint64_t from, std::string_view message) { replica_->receive(from, message); });
  std::vector<Member> first;
  if (replication_.begins) first.push_back({replication_.server, replication_.address, true});
  if (Result<void> started = replica_->start(start.note, first); !started) {
    ORCH_TRY(check_segments(directory));
    return std::move(started).status().in(directory);
  }
  if (replica_->copied() < copy) {
    return damaged(directory + " is damaged: its newest copy of the state can't be read");
  }
  const auto turn = [](uv_prepare_t* prepare) { of(prepare->data)->take_turn(); };
  uv_prepare_start(&turn_, turn);
  return {};
}

// Follows how long the disk takes, whatever it is that writes.
void RaftLog::time_appends() {
  append_ = disk_.io.append;
  disk_.io.append = [](raft_io* io, raft_io_append* request, const raft_entry entries[],
                       unsigned count, raft_io_append_cb done) {
    RaftLog* const log = reinterpret_cast<Disk*>(io)->log;
    auto* const timed =
        new Timed{.log = log, .began = log->clock_.monotonic(), .theirs = request, .done = done};
    timed->request.data = timed;
    const auto written = [](raft_io_append* ended, int status) {
      const std::unique_ptr<Timed> own(static_cast<Timed*>(ended->data));
      own->log->pace_.note(own->log->clock_.monotonic() - own->began);
      // libraft takes a failure for the end.
      if (status == 0) return own->done(own->theirs, status);
      if (own->log->stage_ != Stage::closing) own->log->replica_->disk_failed(status);
    };
    const int code = log->append_(io, &timed->request, entries, count, written);
    if (code != 0) delete timed;
    return code;
  };
}

// --- The log's thread.

void RaftLog::run() {
  uv_run(&loop_, UV_RUN_DEFAULT);
  replica_.reset();
  if (append_ != nullptr) raft_uv_close(&disk_.io);
  streams_.reset();
  ORCH_CHECK(uv_loop_close(&loop_) == 0);
}

void RaftLog::take_turn() {
  if (stage_ == Stage::closing) return;
  take_queue();
  replica_->turn();
  publish();
  heal_address();
  plan_flush();
  replica_->set_election_ms(pace_.election_ms());
  go_on_closing();
}

void RaftLog::take_queue() {
  for (Proposal& proposal : queue_.take()) replica_->propose(std::move(proposal));
}

// What others see of it.
void RaftLog::publish() {
  const bool broken = replica_->broken().has_value();
  if (broken && !broken_.exchange(true) && on_damage_) on_damage_(*replica_->broken());
  const Leadership now{.term = replica_->term(),
                       .leader = broken ? 0 : replica_->leader(),
                       .ours = !broken && replica_->leads()};
  const auto version = replica_->membership().version();
  const bool new_members = std::exchange(members_version_, version) != version;
  std::vector<Member> members;
  if (new_members) {
    members = replica_->membership().members();
    streams_->set_members(members);
  }
  bool has_changed = false;
  {
    const std::lock_guard lock(mutex_);
    if (new_members) members_ = std::move(members);
    has_changed = !(leadership_ == now);
    leadership_ = now;
  }
  queue_.set_taken(replica_->unsent_writes(), replica_->unsent_bytes());
  if (!has_changed) return;
  log::info("store", "term " + std::to_string(now.term) +
                         (now.leader == 0 ? ": no leader is known"
                          : now.ours      ? ": this server leads"
                                          : ": " + server_text(now.leader) + " leads"));
  const std::lock_guard telling(tell_mutex_);
  if (tell_) tell_(now);
}

// The others know this server by an address that it doesn't have any more.
void RaftLog::heal_address() {
  if (stage_ != Stage::running || replica_->leader() == 0) return;
  if (healed_in_ == replica_->term()) return;  // Once in a term: they find this server as it is.
  for (const Member& member : replica_->membership().members()) {
    if (member.server != replication_.server || member.address == replication_.address) continue;
    healed_in_ = replica_->term();
    const MemberChange change{.kind = MemberChange::Kind::add,
                              .server = replication_.server,
                              .address = replication_.address};
    replica_->change_members(change, [](const Result<void>& changed) {
      if (!changed) log::warning("store", "tell my address: " + changed.status().message);
    });
  }
}

void RaftLog::plan_flush() {
  const auto due = machine_.flush_at();
  if (!due) {
    uv_timer_stop(&flush_);
    return;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - clock_.monotonic()).count();
  const auto flush = [](uv_timer_t* timer) { of(timer->data)->machine_.flush(); };
  uv_timer_start(&flush_, flush, static_cast<uint64_t>(std::max<int64_t>(left, 0)), 0);
}

// First what waits is agreed on, then another server leads, then the end.
void RaftLog::go_on_closing() {
  const bool late = uv_is_active(handle_of(&drain_)) == 0;
  if (stage_ == Stage::draining && (late || replica_->waiting() == 0)) {
    stage_ = Stage::handing_over;
    replica_->hand_over([this] { tasks_->post([this] { close_replica(); }); });
  }
}

void RaftLog::close_replica() {
  stage_ = Stage::closing;
  replica_->close([this] { close_handles(); });
}

void RaftLog::close_handles() {
  streams_->close();
  uv_close(handle_of(&turn_), nullptr);
  uv_close(handle_of(&flush_), nullptr);
  uv_close(handle_of(&drain_), nullptr);
  tasks_->close();
}

}  // namespace

Result<std::unique_ptr<Log>> make_raft_log(Machine& machine, const Options& options,
                                           Store::Tagger tagger, RaftStart start) {
  auto log = std::make_unique<RaftLog>(machine, options);
  ORCH_TRY(log->open(options, std::move(tagger), start));
  return std::unique_ptr<Log>(std::move(log));
}

}  // namespace orch::store
