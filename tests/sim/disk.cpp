#include "disk.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

// What libraft has done for a caller it says when its disk says so; its own does after each event.
extern "C" void LegacyFireCompletedRequests(struct raft* log);

namespace orch::sim {

namespace {

void* copy_bytes(const std::string& bytes) {
  void* const at = raft_malloc(std::max<size_t>(bytes.size(), 8));
  ORCH_CHECK(at != nullptr);
  std::memcpy(at, bytes.data(), bytes.size());
  return at;
}

// Entries as libraft wants them: one piece of memory for all.
raft_entry* make_entries(const std::vector<Kept>& kept) {
  if (kept.empty()) return nullptr;
  std::string all;
  for (const Kept& entry : kept) {
    all += entry.bytes;
    all.append((8 - all.size() % 8) % 8, '\0');
  }
  auto* const batch = static_cast<char*>(copy_bytes(all));
  auto* const entries = static_cast<raft_entry*>(raft_calloc(kept.size(), sizeof(raft_entry)));
  size_t at = 0;
  for (size_t i = 0; i < kept.size(); ++i) {
    entries[i].term = kept[i].term;
    entries[i].type = kept[i].type;
    entries[i].buf = {batch + at, kept[i].bytes.size()};
    entries[i].batch = batch;
    at += (kept[i].bytes.size() + 7) / 8 * 8;
  }
  return entries;
}

std::vector<Kept> keep_entries(const raft_entry entries[], size_t count) {
  std::vector<Kept> kept;
  for (size_t i = 0; i < count; ++i) {
    kept.push_back({entries[i].term,
                    entries[i].type,
                    {static_cast<const char*>(entries[i].buf.base), entries[i].buf.len}});
  }
  return kept;
}

std::string encode(const raft_configuration& configuration) {
  raft_buffer buffer{};
  ORCH_CHECK(raft_configuration_encode(&configuration, &buffer) == 0);
  std::string bytes(static_cast<const char*>(buffer.base), buffer.len);
  raft_free(buffer.base);
  return bytes;
}

raft_configuration decode(const std::string& bytes) {
  raft_configuration configuration;
  raft_configuration_init(&configuration);
  std::string copy = bytes;
  const raft_buffer buffer{copy.data(), copy.size()};
  ORCH_CHECK(raft_configuration_decode(&buffer, &configuration) == 0);
  return configuration;
}

raft_snapshot* make_snapshot(const Copy& copy) {
  auto* const made = static_cast<raft_snapshot*>(raft_calloc(1, sizeof(raft_snapshot)));
  made->index = copy.index;
  made->term = copy.term;
  made->configuration = decode(copy.configuration);
  made->configuration_index = copy.configuration_index;
  made->bufs = static_cast<raft_buffer*>(raft_malloc(sizeof(raft_buffer)));
  made->bufs[0] = {copy_bytes(copy.bytes), copy.bytes.size()};
  made->n_bufs = 1;
  return made;
}

}  // namespace

Letter::Letter(const raft_message& message) : head(message) {
  if (message.type == RAFT_APPEND_ENTRIES) {
    entries = keep_entries(message.append_entries.entries, message.append_entries.n_entries);
  } else if (message.type == RAFT_INSTALL_SNAPSHOT) {
    const raft_buffer& data = message.install_snapshot.data;
    copy.configuration = encode(message.install_snapshot.conf);
    copy.bytes.assign(static_cast<const char*>(data.base), data.len);
  }
}

raft_message Letter::open() const {
  raft_message message = head;
  if (message.type == RAFT_APPEND_ENTRIES) {
    message.append_entries.entries = make_entries(entries);
  } else if (message.type == RAFT_INSTALL_SNAPSHOT) {
    message.install_snapshot.conf = decode(copy.configuration);
    message.install_snapshot.data = {copy_bytes(copy.bytes), copy.bytes.size()};
  }
  return message;
}

void Disk::truncate(raft_index from) {
  if (from < first) from = first;
  if (from <= last()) entries.resize(from - first);
}

std::string Disk::story() const {
  std::string text = "entries " + std::to_string(first) + " to " + std::to_string(last());
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].type == RAFT_CHANGE) text += ", members at " + std::to_string(first + i);
  }
  if (copy) {
    text += ", a copy at " + std::to_string(copy->index) + " with the members of " +
            std::to_string(copy->configuration_index);
  }
  return text;
}

void Disk::flip_bit_of_log(World& world) {
  if (entries.empty()) return;
  Kept& entry = entries[world.below(entries.size())];
  if (entry.bytes.empty()) return;
  entry.bytes[world.below(entry.bytes.size())] ^= static_cast<char>(1u << world.below(8));
  entry.damaged = true;
}

void Disk::flip_bit_of_copy(World& world) {
  if (!copy) return;
  std::string& bytes = world.chance(200) ? copy->configuration : copy->bytes;
  bytes[world.below(bytes.size())] ^= static_cast<char>(1u << world.below(8));
  copy->damaged = true;
}

bool Disk::is_damaged() const {
  return (copy && copy->damaged) || std::ranges::any_of(entries, &Kept::damaged);
}

void Disk::take(const Copy& taken, unsigned keep) {
  copy = taken;
  ++copies;
  if (keep == 0) {
    entries.clear();
    first = taken.index + 1;
  } else if (taken.index > keep && taken.index - keep >= first) {
    const raft_index from = taken.index - keep + 1;
    const auto drop = static_cast<std::ptrdiff_t>(std::min<size_t>(from - first, entries.size()));
    entries.erase(entries.begin(), entries.begin() + drop);
    first = from;
  }
}

Port::Port(World& world, Disk& disk, const Fate& fate, Post post, std::function<void()> after_event,
           Canary canary)
    : world_(world),
      disk_(disk),
      fate_(fate),
      post_(std::move(post)),
      after_event_(std::move(after_event)),
      canary_(canary) {
  io_.version = 2;
  io_.capacity = 0xffff;
  io_.impl = this;
  io_.init = [](raft_io*, raft_id, const char*) { return 0; };
  io_.close = close;
  io_.load = load;
  io_.start = start;
  io_.bootstrap = [](raft_io* io, const raft_configuration* configuration) {
    Disk& disk_of = of(io)->disk_;
    if (disk_of.term != 0) return static_cast<int>(RAFT_CANTBOOTSTRAP);
    disk_of.term = 1;
    disk_of.entries.push_back({1, RAFT_CHANGE, encode(*configuration)});
    return 0;
  };
  io_.recover = [](raft_io*, const raft_configuration*) { return static_cast<int>(RAFT_IOERR); };
  io_.set_term = [](raft_io* io, raft_term term) {
    of(io)->disk_.term = term;
    of(io)->disk_.voted_for = 0;
    return 0;
  };
  io_.set_vote = [](raft_io* io, raft_id server) {
    of(io)->disk_.voted_for = server;
    return 0;
  };
  io_.send = send;
  io_.append = append;
  io_.truncate = [](raft_io* io, raft_index index) {
    Port* const self = of(io);
    self->queue({.write = [self, index] { self->disk_.truncate(index); }, .answer = [](int) {}});
    return 0;
  };
  io_.snapshot_put = put;
  io_.snapshot_get = get;
  io_.time = [](raft_io* io) {
    return static_cast<raft_time>(of(io)->world_.now() + of(io)->fate_.clock_ahead);
  };
  io_.random = [](raft_io* io, int low, int high) {
    const auto span = static_cast<uint64_t>(static_cast<int64_t>(high) - low);
    return static_cast<int>(low + static_cast<int64_t>(of(io)->world_.below(span)));
  };
}

Port::~Port() { *alive_ = false; }

void Port::later(uint64_t ms, std::function<void()> what) {
  world_.after(ms, [this, alive = alive_, what = std::move(what)] {
    if (*alive) run_awake(what);
  });
}

void Port::run_awake(const std::function<void()>& what) {
  if (world_.now() < fate_.asleep_until) return later(fate_.asleep_until - world_.now(), what);
  what();
  end_event();
}

void Port::end_event() {
  LegacyFireCompletedRequests(static_cast<raft*>(io_.data));
  after_event_();
}

int Port::load(raft_io* io, raft_term* term, raft_id* voted_for, raft_snapshot** snapshot,
               raft_index* start_index, raft_entry* entries[], size_t* count) {
  const Disk& disk = of(io)->disk_;
  if (of(io)->canary_ != Canary::blind_disk && disk.is_damaged()) {
    std::snprintf(io->errmsg, sizeof io->errmsg, "checksum mismatch");
    return RAFT_CORRUPT;
  }
  *term = disk.term;
  *voted_for = disk.voted_for;
  *snapshot = disk.copy ? make_snapshot(*disk.copy) : nullptr;
  *start_index = disk.first;
  *entries = make_entries(disk.entries);
  *count = disk.entries.size();
  return 0;
}

int Port::start(raft_io* io, unsigned ms, raft_io_tick_cb tick, raft_io_recv_cb receive) {
  Port* const self = of(io);
  self->tick_ms_ = ms;
  self->tick_ = tick;
  self->receive_ = receive;
  self->next_tick();
  return 0;
}

void Port::next_tick() {
  later(tick_ms_, [this] {
    tick_(&io_);
    next_tick();
  });
}

void Port::queue(Operation operation) {
  if (canary_ == Canary::lying_disk) {  // It keeps in a cache what it says is written.
    if (operation.answer)
      later(1, [answer = std::exchange(operation.answer, nullptr)] { answer(0); });
    operation.ms = under_way_.empty() ? 700 : 0;
  }
  ++queued_;
  under_way_.push_back(std::move(operation));
  if (under_way_.size() == 1) begin_next();
}

void Port::begin_next() {
  later(under_way_.front().ms, [this] { finish_first(); });
}

void Port::when_space(const std::function<void()>& what) {
  constexpr uint64_t kAgainMs = 500;
  if (!disk_.full) return what();
  later(kAgainMs, [this, what] { when_space(what); });
}

// There is space, and so many operations are over.
void Port::when_written(uint64_t count, const std::function<void()>& what) {
  when_space([this, count, what] {
    if (queued_ - under_way_.size() >= count) return what();
    later(1, [this, count, what] { when_written(count, what); });
  });
}

void Port::finish_first() {
  if (disk_.full && under_way_.front().needs_space) return when_space([this] { finish_first(); });
  const Operation done = std::move(under_way_.front());
  under_way_.pop_front();
  done.write();
  if (!under_way_.empty()) begin_next();
  if (done.answer) done.answer(0);
}

int Port::append(raft_io* io, raft_io_append* request, const raft_entry entries[], unsigned count,
                 raft_io_append_cb done) {
  Port* const self = of(io);
  // One by one: a loss of power may keep some of a write and not all.
  std::vector<Kept> kept = keep_entries(entries, count);
  for (size_t i = 0; i < kept.size(); ++i) {
    const bool last = i + 1 == kept.size();
    self->queue(
        {.write = [self, entry = std::move(kept[i])] { self->disk_.entries.push_back(entry); },
         .answer =
             [=](int status) {
               if (last) done(request, status);
             },
         .ms = last ? self->world_.write_ms() : 0,
         .needs_space = true});
  }
  return 0;
}

int Port::put(raft_io* io, unsigned keep, raft_io_snapshot_put* request,
              const raft_snapshot* snapshot, raft_io_snapshot_put_cb done) {
  Port* const self = of(io);
  Copy copy{.index = snapshot->index,
            .configuration_index = snapshot->configuration_index,
            .term = snapshot->term,
            .configuration = encode(snapshot->configuration),
            .bytes = {}};
  for (unsigned i = 0; i < snapshot->n_bufs; ++i) {
    const raft_buffer& piece = snapshot->bufs[i];
    copy.bytes.append(static_cast<const char*>(piece.base), piece.len);
  }
  const uint64_t before = keep == 0 ? self->queued_ : 0;
  // Beside the entries, which are written meanwhile: without any to be kept, it takes these along.
  self->later(self->world_.write_ms() * 3,
              [self, keep, before, copy = std::move(copy), request, done] {
                self->when_written(before, [self, keep, copy, request, done] {
                  self->disk_.take(copy, keep);
                  done(request, 0);
                });
              });
  return 0;
}

int Port::get(raft_io* io, raft_io_snapshot_get* request, raft_io_snapshot_get_cb done) {
  Port* const self = of(io);
  self->later(self->world_.write_ms(), [self, request, done] {
    if (self->disk_.copy) {
      done(request, make_snapshot(*self->disk_.copy), 0);
    } else {
      done(request, nullptr, RAFT_NOTFOUND);
    }
  });
  return 0;
}

int Port::send(raft_io* io, raft_io_send* request, const raft_message* message,
               raft_io_send_cb done) {
  Port* const self = of(io);
  self->post_(message->server_id, Letter(*message));
  self->later(0, [request, done] { done(request, 0); });
  return 0;
}

void Port::close(raft_io* io, raft_io_close_cb done) {
  *of(io)->alive_ = false;
  done(io);
}

void Port::receive(raft_id from, const std::string& address, const Letter& letter) {
  if (receive_ == nullptr) return;
  raft_message copy = letter.open();
  copy.server_id = from;
  copy.server_address = address.c_str();
  receive_(&io_, &copy);
  end_event();
}

void Port::lose_power() {
  *alive_ = false;
  uint64_t reached = disk_.full ? 0 : world_.below(under_way_.size() + 1);
  for (; reached > 0; --reached) {
    under_way_.front().write();
    under_way_.pop_front();
  }
  under_way_.clear();
}

}  // namespace orch::sim
