#include "store/raft_log.h"

#include <signal.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "base/files.h"
#include "base/log.h"
#include "store/damage.h"
#include "store/log_check.h"
#include "store/loop_aside.h"
#include "store/once.h"
#include "store/proposal_queue.h"
#include "store/raft_disk.h"
#include "store/raft_folder.h"
#include "store/raft_streams.h"
#include "store/replica.h"

namespace orch::store {

namespace {

// Closing: for so long at most, what waits may still be agreed on; then another server may take
// over, for an election's time; and then libraft has so long to finish its files.
constexpr uint64_t kDrainMs = 2'000, kFinishMs = 5'000;

template <class Handle>
uv_handle_t* handle_of(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

// What libraft and libuv hold on to, also when they can't be ended: see abandon().
struct Core {
  uv_loop_t loop{};
  uv_prepare_t turn{};
  uv_timer_t flush{}, drain{}, finish{};
  std::unique_ptr<RaftStreams> streams;
  std::unique_ptr<RaftDisk> disk;
  std::unique_ptr<Replica> replica;
};

void keep_for_ever(std::unique_ptr<Core> core) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::unique_ptr<Core>>();
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(core));
}

class RaftLog final : public Log {
 public:
  RaftLog(Machine& machine, const Options& options)
      : machine_(machine),
        clock_(*options.clock),
        replication_(*options.replication),
        on_damage_(options.on_damage),
        directory_(log_directory(options.directory)),
        queue_(options.queue_writes, options.queue_bytes) {}
  ~RaftLog() override { close(); }

  Result<void> open(const Options& options, Store::Tagger tagger, const RaftStart& start);

  void propose(Proposal proposal, WhenFull when_full) override;
  void close() override;
  void sync(std::function<void(Result<void>)> done) override;
  Leadership leadership() const override;
  void on_leadership(std::function<void(const Leadership&)> tell) override;
  std::vector<Member> members() const override;
  std::optional<Health> health() const override { return health_; }
  void change_members(MemberChange change, std::function<void(Result<void>)> done) override;
  void accept_peer(uint64_t from, StreamUse use, UniqueFd stream) override;

 private:
  enum class Stage { running, draining, handing_over, closing };

  static RaftLog* of(const void* data) { return static_cast<RaftLog*>(const_cast<void*>(data)); }
  void make_loop();
  Result<void> start_replica(const Options& options, Store::Tagger tagger, const RaftStart& start);
  void run();
  void take_turn();
  void look_for_room();
  void take_queue();
  void publish();
  void heal_address();
  void plan_flush();
  void go_on_closing();
  void close_replica();
  void close_handles();
  void abandon();
  template <class Task>
  void ask(std::function<void(Result<void>)> done, Task task);

  Machine& machine_;
  Clock& clock_;
  const Replication& replication_;
  const std::function<void(const Status&)> on_damage_;
  const std::string directory_;
  ProposalQueue queue_;

  // The log's thread alone (the opener's, before there is one).
  std::unique_ptr<Core> core_ = std::make_unique<Core>();
  bool abandoned_ = false, is_full_ = false, asked_for_room_ = false;
  Stage stage_ = Stage::running;
  std::pair<uint64_t, uint64_t> members_version_{~0ull, 0};
  uint64_t healed_in_ = 0;  // The term in which our address was told to the others.

  std::atomic<Health> health_{Health::good};
  std::shared_ptr<LoopQueue> tasks_;
  mutable std::mutex mutex_;
  Leadership leadership_{.term = 0, .leader = 0, .ours = false};
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
  ask(std::move(done), [this](const auto& told) { core_->replica->sync(told); });
}

void RaftLog::change_members(MemberChange change, std::function<void(Result<void>)> done) {
  const auto task = [this, change = std::move(change)](const auto& told) {
    core_->replica->change_members(change, told);
  };
  ask(std::move(done), task);
}

void RaftLog::accept_peer(uint64_t from, StreamUse use, UniqueFd stream) {
  const auto held = std::make_shared<UniqueFd>(std::move(stream));
  tasks_->post([this, from, use, held] { core_->streams->accept(from, use, std::move(*held)); });
}

Leadership RaftLog::leadership() const {
  const std::lock_guard lock(mutex_);
  return leadership_;
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
    const auto late = [](uv_timer_t*) {};
    uv_timer_start(&core_->drain, late, kDrainMs, 0);
  });
  thread_.join();
}

// --- Opening.

Result<void> RaftLog::open(const Options& options, Store::Tagger tagger, const RaftStart& start) {
  ORCH_TRY(make_dirs(directory_, 0700));
  make_loop();
  if (const auto started = start_replica(options, std::move(tagger), start); !started.ok()) {
    stage_ = Stage::closing;
    core_->replica ? close_replica() : close_handles();
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
  ORCH_CHECK(uv_loop_init(&core_->loop) == 0);
  tasks_ = LoopQueue::open(&core_->loop);
  core_->turn.data = core_->flush.data = core_->drain.data = core_->finish.data = this;
  ORCH_CHECK(uv_prepare_init(&core_->loop, &core_->turn) == 0);
  for (uv_timer_t* timer : {&core_->flush, &core_->drain, &core_->finish}) {
    ORCH_CHECK(uv_timer_init(&core_->loop, timer) == 0);
  }
  core_->streams = std::make_unique<RaftStreams>(&core_->loop, tasks_, replication_);
}

Result<void> RaftLog::start_replica(const Options& options, Store::Tagger tagger,
                                    const RaftStart& start) {
  const bool is_new = start.note.empty();
  const uint64_t applied = is_new ? 0 : ORCH_TRY(Progress::decode(start.note)).index;
  const uint64_t copy = newest_copy(directory_);
  const uint64_t boot = ORCH_TRY(next_boot(options.directory, clock_));
  if (replication_.begins && is_new) ORCH_TRY(forget_half_a_beginning(options.directory));
  core_->disk = ORCH_TRY(
      RaftDisk::open(&core_->loop, directory_, core_->streams->transport(), clock_, applied));

  Replica::Options replica;
  replica.server = replication_.server;
  replica.boot = boot;
  replica.address = replication_.address;
  replica.election_ms = core_->disk->election_ms();
  replica.renew = start.renew;
  replica.alone = replication_.alone;
  replica.cipher = options.cipher;
  core_->replica =
      std::make_unique<Replica>(replica, core_->disk->io(), machine_, std::move(tagger),
                                *core_->streams, loop_aside(&core_->loop));
  core_->disk->on_failure([this](const std::string& why) { core_->replica->disk_failed(why); });
  core_->streams->on_message(
      [this](uint64_t from, std::string_view message) { core_->replica->receive(from, message); });
  std::vector<Member> first;
  if (replication_.begins) first.push_back({replication_.server, replication_.address, true});
  if (Result<void> started = core_->replica->start(start.note, first); !started) {
    ORCH_TRY(check_segments(directory_));
    return std::move(started).status().in(directory_);
  }
  if (core_->replica->copied() < copy) {
    return damaged(directory_ + " is damaged: its newest copy of the state can't be read");
  }
  uv_prepare_start(&core_->turn, [](uv_prepare_t* at) { of(at->data)->take_turn(); });
  return {};
}

// --- The log's thread.

void RaftLog::run() {
  uv_run(&core_->loop, UV_RUN_DEFAULT);
  if (abandoned_) return keep_for_ever(std::move(core_));
  core_->replica.reset();
  core_->disk.reset();
  core_->streams.reset();
  ORCH_CHECK(uv_loop_close(&core_->loop) == 0);
}

void RaftLog::take_turn() {
  if (stage_ == Stage::closing) return;
  core_->disk->turn();
  look_for_room();
  take_queue();
  core_->replica->turn();
  publish();
  heal_address();
  plan_flush();
  core_->replica->set_election_ms(core_->disk->election_ms());
  go_on_closing();
}

// A leader refuses what it has no room for, and takes it again when it has.
void RaftLog::look_for_room() {
  const bool full = core_->disk->is_full();
  if (core_->disk->has_no_room_yet() && !asked_for_room_) {
    asked_for_room_ = core_->replica->ask_for_room();
  }
  if (std::exchange(is_full_, full) == full) return;
  // Before anybody is refused because of it.
  if (full && health_ == Health::good) health_ = Health::full;
  // There may be room for the table, too.
  if (!full && machine_.health() == Health::full) core_->replica->catch_up(true);
  const auto why = [this] { return service_unavailable(core_->disk->why_full()); };
  core_->replica->set_full(full ? std::optional(why()) : std::nullopt);
}

void RaftLog::take_queue() {
  for (Proposal& proposal : queue_.take()) core_->replica->propose(std::move(proposal));
}

// What others see of it.
void RaftLog::publish() {
  const bool broken = core_->replica->broken().has_value();
  const bool is_news = broken && health_ != Health::failed;
  health_ = broken ? Health::failed : is_full_ ? Health::full : Health::good;
  if (is_news && on_damage_) on_damage_(*core_->replica->broken());
  const Leadership now{.term = core_->replica->term(),
                       .leader = broken ? 0 : core_->replica->leader(),
                       .ours = !broken && core_->replica->leads()};
  const auto version = core_->replica->membership().version();
  const bool new_members = std::exchange(members_version_, version) != version;
  std::vector<Member> members;
  if (new_members) {
    members = core_->replica->membership().members();
    core_->streams->set_members(members);
  }
  bool has_changed = false;
  {
    const std::lock_guard lock(mutex_);
    if (new_members) members_ = std::move(members);
    has_changed = !(leadership_ == now);
    leadership_ = now;
  }
  queue_.set_taken(core_->replica->unsent_writes(), core_->replica->unsent_bytes());
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
  if (stage_ != Stage::running || core_->replica->leader() == 0) return;
  if (healed_in_ == core_->replica->term()) return;  // They find this server as it is.
  for (const Member& member : core_->replica->membership().members()) {
    if (member.server != replication_.server || member.address == replication_.address) continue;
    healed_in_ = core_->replica->term();
    const MemberChange change{.kind = MemberChange::Kind::add,
                              .server = replication_.server,
                              .address = replication_.address};
    core_->replica->change_members(change, [](const Result<void>& changed) {
      if (!changed) log::warning("store", "tell my address: " + changed.status().message);
    });
  }
}

void RaftLog::plan_flush() {
  const auto due = machine_.flush_at();
  if (!due || core_->replica->hands_over()) {
    uv_timer_stop(&core_->flush);
    return;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - clock_.monotonic()).count();
  const auto flush = [](uv_timer_t* at) { of(at->data)->core_->replica->catch_up(false); };
  uv_timer_start(&core_->flush, flush, static_cast<uint64_t>(std::max<int64_t>(left, 0)), 0);
}

// First what waits is agreed on, then another server leads, then the end.
void RaftLog::go_on_closing() {
  const bool late = uv_is_active(handle_of(&core_->drain)) == 0;
  if (stage_ != Stage::draining || (!late && core_->replica->waiting() > 0)) return;
  stage_ = Stage::handing_over;
  core_->replica->hand_over([this] { tasks_->post([this] { close_replica(); }); });
}

void RaftLog::close_replica() {
  stage_ = Stage::closing;
  if (core_->disk->failed()) return abandon();
  const auto late = [](uv_timer_t* timer) { of(timer->data)->abandon(); };
  uv_timer_start(&core_->finish, late, kFinishMs, 0);
  core_->replica->close([this] { close_handles(); });
}

// When its disk failed libraft may close for ever, and it would finish files that nobody knows the
// state of; when the disk doesn't answer it waits. So the loop ends without it. The files stay as
// they are, which the next start takes for a loss of power; what was acknowledged is in them, or on
// other servers. The memory is left to libraft, whose threads may still write from it.
void RaftLog::abandon() {
  log::warning("store", "closing: the log's disk did not let it end; " + directory_ +
                            " stays as it is until the next start");
  abandoned_ = true;
  core_->replica->refuse_all(service_unavailable("the store is closed"));
  shut_streams(&core_->loop);
  close_handles();
  uv_stop(&core_->loop);
}

void RaftLog::close_handles() {
  core_->streams->close();
  uv_close(handle_of(&core_->turn), nullptr);
  for (uv_timer_t* timer : {&core_->flush, &core_->drain, &core_->finish}) {
    uv_close(handle_of(timer), nullptr);
  }
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
