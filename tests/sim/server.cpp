#include "server.h"

#include <filesystem>

#include "base/check.h"
#include "files.h"
#include "store/table.h"

namespace orch::sim {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFiles[] = {"orch.db", "orch.db-wal"};

}  // namespace

store::Tags no_tags(std::string_view, std::string_view) { return {}; }

Cluster::Cluster(World& its_world, History& its_history, Canary its_canary, std::string its_folder)
    : world(its_world),
      history(its_history),
      canary(its_canary),
      folder(std::move(its_folder)),
      ballots([this](std::string what) { history.complain(std::move(what)); }) {
  begin_files();
}

Cluster::~Cluster() = default;

Server& Cluster::add() {
  const uint64_t id = servers.size() + 1;
  servers.push_back(std::make_unique<Server>(*this, id, folder + "/" + std::to_string(id)));
  return *servers.back();
}

Server::Server(Cluster& cluster, uint64_t id, std::string folder)
    : cluster_(cluster),
      id_(id),
      folder_(std::move(folder)),
      synced_(folder_ + ".synced"),
      old_(folder_ + ".old"),
      clock_(cluster.world, fate_) {}

Server::~Server() {
  if (lives()) crash(false);
}

Result<std::string> Server::open_table() {
  store::Options options;
  options.directory = folder_;
  options.history_events = 10'000;
  options.clock = &clock_;
  options.vfs = table_vfs();
  options.checkpoint_bytes = options.max_wal_bytes = 1u << 30;  // Nothing on another thread.
  auto table = ORCH_TRY(store::Table::open(options, store::Table::Truth::log));
  auto loaded = ORCH_TRY(table->load(no_tags));
  std::string note = loaded.note;
  life_->machine = std::make_unique<store::Machine>(options, std::move(table), std::move(loaded));
  return note;
}

// It takes a while to begin, and to be heard of. What it holds goes with this life.
store::Replica::Aside Server::run_aside() {
  return [this](std::function<void()> work, std::function<void()> done) {
    const auto job = life_->asides.insert(life_->asides.end(), {std::move(work), std::move(done)});
    const auto later = [this](const std::function<void()>& what) {
      const uint64_t ms = cluster_.world.aside_ms() + fate_.aside_ms;
      cluster_.world.after(ms, [this, life = std::weak_ptr(life_), what] {
        const auto same = life.lock();
        if (same && same == life_) when_awake(what);
      });
    };
    later([this, later, job] {
      job->work();
      later([this, job] {
        job->done();
        life_->asides.erase(job);
        turn();
      });
    });
  };
}

bool Server::start() {
  if (cluster_.founders == 0) cluster_.founders = cluster_.servers.size();
  refusal_.clear();
  life_ = std::make_shared<Life>();
  const Result<std::string> note = open_table();
  if (!note.ok()) {
    life_.reset();
    return refuse(note.status());
  }
  if (cluster_.canary != Canary::lying_table) on_sync(folder_, [this] { remember_table(); });
  life_->port = std::make_unique<Port>(
      cluster_.world, disk_, fate_, [this](raft_id to, const Letter& letter) { post(to, letter); },
      [this] { turn(); }, cluster_.canary);
  store::Replica::Options replica;
  replica.server = id_;
  replica.boot = ++boots_;
  replica.address = std::to_string(id_);
  replica.copies.copy_after = 40;
  replica.copies.keep = 10;
  replica.copies.copy_after_bytes = 8u << 10;
  replica.copies.keep_bytes = 4u << 10;
  life_->replica = std::make_unique<store::Replica>(replica, *life_->port->io(), *life_->machine,
                                                    no_tags, *this, run_aside());
  be_witnessed();
  watch();
  say("starts at revision " + std::to_string(life_->machine->revision()) + " with " +
      disk_.story());
  std::vector<store::Member> founders;
  for (uint64_t id = 1; id <= cluster_.founders && id_ <= cluster_.founders; ++id) {
    founders.push_back({id, std::to_string(id), true});
  }
  const Result<void> started = life_->replica->start(*note, founders);
  look_at_copies();
  if (started.ok()) return true;
  end_life();
  return refuse(started.status());
}

bool Server::refuse(const Status& why) {
  refusal_ = why.message;
  say("refuses to start: " + refusal_);
  if (!may_refuse()) cluster_.history.complain("a start: " + refusal_);
  return false;
}

std::string Server::trouble() const {
  if (!lives()) return refusal_;
  const auto& broken = life_->replica->broken();
  return broken ? broken->message : "";
}

void Server::be_witnessed() {
  const auto applied = [this](int64_t revision, const Fact& fact) {
    cluster_.history.apply(revision, fact);
    say("applies " + std::to_string(revision) + (fact.removed ? ": removes " : ": puts ") +
        fact.key + " " + fact.bytes);
  };
  const auto restored = [this](int64_t from, int64_t to) {
    say("takes a copy of the state: from " + std::to_string(from) + " to " + std::to_string(to));
  };
  const auto complain = [this](std::string what) { cluster_.history.complain(std::move(what)); };
  life_->witness =
      std::make_unique<Witness>(*life_->port->io(), *life_->machine, applied, restored, complain);
}

void Server::say(const std::string& what) const {
  cluster_.world.say("server " + std::to_string(id_) + " " + what);
}

void Server::say_who_leads() {
  const uint64_t leader = life_->replica->leader(), term = life_->replica->term();
  if (std::exchange(life_->leader, leader) == leader && std::exchange(life_->term, term) == term) {
    return;
  }
  life_->term = term;
  say("is in term " + std::to_string(term) + ", led by " + std::to_string(leader));
}

void Server::watch() {
  life_->watcher = std::make_unique<Watcher>();
  Watcher* const watcher = life_->watcher.get();
  watcher->from = life_->machine->revision();
  const auto sink = [watcher](std::span<const store::Event> events) {
    const std::lock_guard lock(watcher->mutex);
    if (events.empty()) watcher->over = true;
    watcher->events.insert(watcher->events.end(), events.begin(), events.end());
    watcher->changed.notify_all();
  };
  auto watch = life_->machine->watch("", watcher->from, sink);
  ORCH_CHECK(watch.ok());
  life_->watch = *std::move(watch);
}

void Server::collect() {
  Watcher& watcher = *life_->watcher;
  const int64_t revision = life_->machine->revision();
  std::unique_lock lock(watcher.mutex);
  watcher.changed.wait(lock, [&] {
    const int64_t told = watcher.events.empty() ? watcher.from : watcher.events.back().revision;
    return watcher.over || told >= revision;
  });
  for (const store::Event& event : watcher.events) {
    if (event.revision != ++watcher.from) {
      cluster_.history.complain("a watcher was told of revision " + std::to_string(event.revision) +
                                " where " + std::to_string(watcher.from) + " follows");
    }
    cluster_.history.tell_watcher(event.revision,
                                  {std::string(event.record->key), std::string(event.record->bytes),
                                   event.type == store::EventType::remove});
  }
  watcher.events.clear();
  const bool over = watcher.over;
  lock.unlock();
  if (!over) return;
  life_->watch.reset();
  watch();
}

// A replica that took another's state has left its watcher behind; there is to
// be one always.
void Server::look_at_copies() {
  if (std::exchange(life_->copies_taken, life_->replica->copies_taken()) ==
      life_->replica->copies_taken()) {
    return;
  }
  const int64_t told = life_->watcher->from;
  {
    std::unique_lock lock(life_->watcher->mutex);
    life_->watcher->changed.wait(lock, [&] { return life_->watcher->over; });
  }
  collect();
  cluster_.history.skip(told, life_->watcher->from);
  say("did not tell its watcher of " + std::to_string(told) + " to " +
      std::to_string(life_->watcher->from));
}

void Server::crash(bool power) {
  say((power ? "loses power at revision " : "is killed at revision ") +
      std::to_string(life_->machine->revision()));
  collect();
  end_life();
  if (power && has_synced_) go_back_to_table(synced_);
}

void Server::end_life() {
  const std::shared_ptr<Life> gone = std::exchange(life_, nullptr);
  fate_.asleep_until = 0;
  on_sync(folder_, nullptr);  // A table that is closed is synced, too.
  gone->watch.reset();
  gone->port->lose_power();
  gone->replica->close([] {});
  gone->replica.reset();
  gone->machine.reset();
  gone->port.reset();
}

void Server::die() {
  say("is gone for good");
  if (lives()) crash(true);
  dead_ = true;
}

void Server::flip_bits() {
  damaged_ = true;
  World& world = cluster_.world;
  const uint64_t where = world.below(3);
  say(std::string("has flipped bits in its ") + (where == 0   ? "log"
                                                 : where == 1 ? "copy of the state"
                                                              : "table"));
  for (uint64_t left = world.chance(700) ? 1 : world.between(2, 6); left > 0; --left) {
    if (where == 0) disk_.flip_bit_of_log(world);
    if (where == 1) disk_.flip_bit_of_copy(world);
    if (where == 2) flip_bit_of_file(folder_ + "/" + kFiles[world.below(2)], world);
  }
}

void Server::set_full(bool is_full) {
  if (disk_.full != is_full) say(is_full ? "has a full disk" : "has space on its disk again");
  disk_.full = is_full;
  sim::set_full(folder_, is_full);
}

void Server::fail_table() {
  say("can't write its table any more");
  may_break_ = true;
  set_failing(folder_);
}

void Server::keep_table(const std::string& in) const {
  fs::create_directories(in);
  for (const char* file : kFiles) {
    fs::remove(in + "/" + file);
    if (fs::exists(folder_ + "/" + file)) fs::copy_file(folder_ + "/" + file, in + "/" + file);
  }
}

void Server::go_back_to_table(const std::string& in) {
  for (const char* file : kFiles) {
    fs::remove(folder_ + "/" + file);
    if (fs::exists(in + "/" + file)) fs::copy_file(in + "/" + file, folder_ + "/" + file);
  }
  fs::remove(folder_ + "/orch.db-shm");
}

void Server::remember_table() {
  keep_table(synced_);
  has_synced_ = true;
}

void Server::remember_disk() {
  keep_table(old_);
  old_disk_ = disk_;
}

void Server::go_back_to_old_disk() {
  go_back_to_table(old_);
  disk_ = old_disk_;
  may_break_ = true;
}

void Server::sleep(uint64_t ms) {
  fate_.asleep_until = cluster_.world.now() + ms;
  say("sleeps for " + std::to_string(ms) + " ms");
}

void Server::jump(uint64_t ms) {
  fate_.clock_ahead += ms;
  say("finds its clock " + std::to_string(ms) + " ms further");
}

void Server::when_awake(std::function<void()> what) {
  const uint64_t now = cluster_.world.now();
  if (now >= fate_.asleep_until) return what();
  cluster_.world.after(fate_.asleep_until - now, [this, life = std::weak_ptr(life_), what] {
    const auto same = life.lock();
    if (same && same == life_) when_awake(what);
  });
}

// Never within something that the replica does.
void Server::turn() {
  if (!lives() || life_->turn_is_due) return;
  life_->turn_is_due = true;
  cluster_.world.after(0, [this, life = std::weak_ptr(life_)] {
    const auto same = life.lock();
    if (same && same == life_) when_awake([this] { take_turn(); });
  });
}

void Server::take_turn() {
  life_->turn_is_due = false;
  look_at_copies();
  look_at_leading();
  life_->replica->turn();
  say_who_leads();
  if (life_->machine->revision() != life_->watcher->from) collect();  // One turn is one step.
  plan_flush();
  if (life_->replica->broken() && !may_break_ && !damaged_) {
    cluster_.history.complain("server " + std::to_string(id_) +
                              " broke: " + life_->replica->broken()->message);
  }
}

void Server::look_at_leading() {
  if (!life_->replica->leads()) return;
  const uint64_t term = life_->replica->term();
  if (std::exchange(life_->led, term) == term) return;
  std::vector<uint64_t> voters;
  for (const store::Member& member : life_->replica->membership().members()) {
    if (member.voter) voters.push_back(member.server);
  }
  cluster_.ballots.lead(id_, term, voters);
}

// What the table could not take, when the machine wants to try again.
void Server::plan_flush() {
  const auto due = life_->machine->flush_at();
  if (!due || life_->flush_is_due) return;
  life_->flush_is_due = true;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - clock_.monotonic());
  const auto ms = static_cast<uint64_t>(std::max<int64_t>(left.count(), 1));
  cluster_.world.after(ms, [this, life = std::weak_ptr(life_)] {
    const auto same = life.lock();
    if (!same || same != life_) return;
    when_awake([this] {
      life_->flush_is_due = false;
      const auto now_due = life_->machine->flush_at();
      if (now_due && *now_due <= clock_.monotonic()) life_->machine->flush();
      plan_flush();
    });
  });
}

std::string Server::dump() {
  std::string all;
  const auto range = machine().range({});
  ORCH_CHECK(range.ok());
  for (const store::RecordPtr& record : range->records) {
    all += std::string(record->key) + " " + std::to_string(record->create_revision) + " " +
           std::to_string(record->row) + " " + std::string(record->bytes) + "\n";
  }
  return all + "revision " + std::to_string(range->revision);
}

}  // namespace orch::sim
