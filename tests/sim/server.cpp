#include "server.h"

#include <filesystem>

#include "base/check.h"
#include "store/table.h"

namespace orch::sim {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFiles[] = {"orch.db", "orch.db-wal"};

}  // namespace

store::Tags no_tags(std::string_view, std::string_view) { return {}; }

Server::Server(Cluster& cluster, uint64_t id, std::string folder)
    : cluster_(cluster), id_(id), folder_(std::move(folder)), old_(folder_ + ".old") {}

Server::~Server() {
  if (lives()) crash(false);
}

void Server::start() {
  store::Options options;
  options.directory = folder_;
  options.history_events = 10'000;
  auto table = store::Table::open(options, store::Table::Truth::log);
  ORCH_CHECK(table.ok());
  auto loaded = (*table)->load(no_tags);
  ORCH_CHECK(loaded.ok());
  const std::string note = loaded->note;

  life_ = std::make_shared<Life>();
  life_->machine = std::make_unique<store::Machine>(options, *std::move(table), *std::move(loaded));
  const auto post = [this](raft_id to, const Letter& letter) {
    cluster_.world.carry(id_, to, [this, to, letter] {
      Server* const server = cluster_.of(to);
      if (server == nullptr || !server->lives()) return;
      const auto receive = [this, server, letter] {
        server->life_->port->receive(id_, std::to_string(id_), letter);
      };
      server->when_awake(receive);
    });
  };
  const auto after_event = [this] { turn(); };
  life_->port = std::make_unique<Port>(cluster_.world, disk_, fate_, post, after_event,
                                       cluster_.canary == Canary::lying_disk);
  store::Replica::Options replica;
  replica.server = id_;
  replica.boot = ++boots_;
  replica.address = std::to_string(id_);
  replica.copy_after = 40;
  replica.keep = 10;
  life_->replica = std::make_unique<store::Replica>(replica, *life_->port->io(), *life_->machine,
                                                    no_tags, *this);
  be_witnessed();
  watch();
  say("starts at revision " + std::to_string(life_->machine->revision()));
  std::vector<store::Member> members;
  for (size_t i = 1; i <= cluster_.servers.size(); ++i) {
    members.push_back({i, std::to_string(i), true});
  }
  const Result<void> started = life_->replica->start(note, members);
  look_at_copies();
  if (!started.ok()) cluster_.history.complain("a start: " + started.status().message);
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
  const std::shared_ptr<Life> gone = std::exchange(life_, nullptr);
  fate_.asleep_until = 0;
  gone->watch.reset();
  gone->port->lose_power();
  gone->replica->close([] {});
  gone->replica.reset();
  gone->machine.reset();
  gone->port.reset();
  if (power && has_old_) go_back_to_old_table();
}

void Server::go_back_to_old_table() {
  for (const char* file : kFiles) {
    fs::remove(folder_ + "/" + file);
    if (fs::exists(old_ + "/" + file)) {
      fs::copy_file(old_ + "/" + file, folder_ + "/" + file);
    }
  }
  fs::remove(folder_ + "/orch.db-shm");
}

void Server::remember_disk() {
  remember_table();
  old_disk_ = disk_;
}

void Server::go_back_to_old_disk() {
  go_back_to_old_table();
  disk_ = old_disk_;
  may_break_ = true;
}

void Server::remember_table() {
  fs::create_directories(old_);
  for (const char* file : kFiles) {
    fs::remove(old_ + "/" + file);
    if (fs::exists(folder_ + "/" + file)) {
      fs::copy_file(folder_ + "/" + file, old_ + "/" + file);
    }
  }
  has_old_ = true;
}

void Server::commit(store::Write write, store::CommitDone done) {
  when_awake([this, write = std::move(write), done = std::move(done)] {
    life_->replica->propose({write, done});
    turn();
  });
}

void Server::sync(store::Replica::SyncDone done) {
  when_awake([this, done = std::move(done)] {
    life_->replica->sync(done);
    turn();
  });
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

void Server::send(uint64_t to, std::string message) {
  constexpr char kRound = 4, kYes = 5;  // Of peers.h.
  if (cluster_.canary == Canary::yes_sayer && message.front() == kRound) {
    const auto say_yes = [this, to, yes = kYes + message.substr(1)] { deliver(to, yes); };
    return cluster_.world.after(0, [this, say_yes] {
      if (lives()) when_awake(say_yes);
    });
  }
  cluster_.world.carry(id_, to, [this, to, message = std::move(message)] {
    Server* const server = cluster_.of(to);
    if (server == nullptr || !server->lives()) return;
    const auto receive = [this, server, message] { server->deliver(id_, message); };
    server->when_awake(receive);
  });
}

void Server::deliver(uint64_t from, const std::string& message) {
  life_->replica->receive(from, message);
  turn();
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
  life_->replica->turn();
  say_who_leads();
  if (life_->machine->revision() != life_->watcher->from) collect();  // One turn is one step.
  if (life_->replica->broken() && !may_break_) {
    cluster_.history.complain("server " + std::to_string(id_) +
                              " broke: " + life_->replica->broken()->message);
  }
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
