#include "store/raft_disk.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "base/check.h"
#include "base/files.h"
#include "base/log.h"
#include "store/log_check.h"

namespace orch::store {

namespace {

constexpr unsigned kConnectAgainMs = 10;  // libraft asks; RaftStreams says when it is tried.
constexpr unsigned kRoomAgainMs = 500;    // libraft, when a full disk may have room again.
constexpr unsigned kNeverMs = std::numeric_limits<unsigned>::max();
constexpr uintmax_t kFileBytes = 8u << 20;  // What libraft makes room for at a time.

}  // namespace

struct RaftDisk::Append {
  raft_io_append request{};
  RaftDisk* disk = nullptr;
  MonoTime began;
  raft_index last = 0;
  raft_index cut_from = 0;  // No finished file may have this entry any more.
  raft_io_append* theirs = nullptr;
  raft_io_append_cb done = nullptr;
};

struct RaftDisk::Put {
  raft_io_snapshot_put request{};
  bool stops_appends = false;  // Nothing is appended before it is done.
  RaftDisk* disk = nullptr;
  raft_io_snapshot_put* theirs = nullptr;
  raft_io_snapshot_put_cb done = nullptr;
};

RaftDisk::RaftDisk(std::string folder, Clock& clock, DiskPace pace, SealedFile vote,
                   SealedFile reached)
    : folder_(std::move(folder)),
      clock_(clock),
      pace_(pace),
      vote_(std::move(vote)),
      reached_(std::move(reached)) {}

RaftDisk::~RaftDisk() { raft_uv_close(&seam_.io); }

Result<std::unique_ptr<RaftDisk>> RaftDisk::open(uv_loop_t* loop, std::string folder,
                                                 raft_uv_transport* transport, Clock& clock,
                                                 uint64_t applied) {
  DiskPace pace = ORCH_TRY(DiskPace::measure(folder, clock));
  SealedFile vote = ORCH_TRY(SealedFile::open(folder + "/vote"));
  SealedFile reached = ORCH_TRY(SealedFile::open(folder + "/reached"));
  const KnownLog known{.applied = applied,
                       .reached = reached.numbers() ? reached.numbers()->first : 0,
                       .vote = vote.numbers()};
  ORCH_TRY(finish_log(folder, known));
  ORCH_TRY(check_log(folder, known));
  auto disk = std::unique_ptr<RaftDisk>(
      new RaftDisk(std::move(folder), clock, pace, std::move(vote), std::move(reached)));
  raft_io& io = disk->seam_.io;
  io.version = 2;
  disk->seam_.disk = disk.get();
  if (raft_uv_init(&io, loop, disk->folder_.c_str(), transport) != 0) {
    return service_unavailable("open " + disk->folder_ + ": " + io.errmsg);
  }
  raft_uv_set_connect_retry_delay(&io, kConnectAgainMs);
  raft_uv_set_disk_retry(&io, kRoomAgainMs);
  // What is damaged must be told, not left out: others rely on what this server said it has.
  raft_uv_set_auto_recovery(&io, false);
  disk->put_between();
  return disk;
}

void RaftDisk::put_between() {
  inner_ = seam_.io;
  seam_.io.load = load;
  seam_.io.set_term = set_term;
  seam_.io.set_vote = set_vote;
  seam_.io.append = append;
  seam_.io.truncate = truncate;
  seam_.io.snapshot_put = put;
  tracer_ = {.impl = this, .version = 2, .emit = hear};
  raft_uv_set_tracer(&seam_.io, &tracer_);
}

void RaftDisk::on_failure(std::function<void(const std::string&)> failed) {
  on_failure_ = std::move(failed);
}

void RaftDisk::fail(const std::string& why) {
  if (std::exchange(failed_, true)) return;
  raft_uv_set_disk_retry(&seam_.io, kNeverMs);
  if (on_failure_) on_failure_(why);
}

// --- The term and the vote.

// libraft writes its own file before ours is, so it may be one step ahead, which nobody was told.
Result<void> RaftDisk::merge_vote(raft_term* term, raft_id* voted_for) const {
  if (!vote_.numbers()) return {};
  const auto [our_term, our_vote] = *vote_.numbers();
  const bool differs = *term == our_term ? our_vote != 0 && *voted_for != our_vote
                                         : *term > our_term && *voted_for != 0;
  if (our_term > *term || (our_term == *term && *voted_for == 0)) {
    *term = our_term;
    *voted_for = our_vote;
  } else if (differs) {
    return internal_error(folder_ + "/metadata1 or metadata2 is damaged: they differ from " +
                          folder_ + "/vote");
  }
  return {};
}

int RaftDisk::keep_vote(raft_term term, raft_id voted_for) {
  if (vote_.numbers() == SealedFile::Numbers(term, voted_for)) return 0;
  const Result<void> written = vote_.write({term, voted_for}, SealedFile::Sync::yes);
  if (written.ok()) return 0;
  log::error("store", written.status().message);
  return RAFT_IOERR;
}

int RaftDisk::load(raft_io* io, raft_term* term, raft_id* voted_for, raft_snapshot** snapshot,
                   raft_index* start_index, raft_entry* entries[], size_t* count) {
  RaftDisk* const disk = of(io);
  const int code = disk->inner_.load(io, term, voted_for, snapshot, start_index, entries, count);
  if (code != 0) return code;
  disk->next_ = *start_index + *count;
  if (disk->next_ > 1) disk->note_appended(disk->next_ - 1);
  if (const Result<void> merged = disk->merge_vote(term, voted_for); !merged.ok()) {
    std::snprintf(io->errmsg, sizeof io->errmsg, "%s", merged.status().message.c_str());
    return RAFT_CORRUPT;
  }
  return *term == 0 ? 0 : disk->keep_vote(*term, *voted_for);
}

int RaftDisk::kept(int code) {
  if (code != 0) fail(std::string(raft_strerror(code)) + ": the term or the vote");
  return code;
}

int RaftDisk::set_term(raft_io* io, raft_term term) {
  RaftDisk* const disk = of(io);
  if (disk->failed_) return RAFT_IOERR;
  const int code = disk->inner_.set_term(io, term);
  return disk->kept(code != 0 ? code : disk->keep_vote(term, 0));
}

int RaftDisk::set_vote(raft_io* io, raft_id server) {
  RaftDisk* const disk = of(io);
  if (disk->failed_) return RAFT_IOERR;
  const int code = disk->inner_.set_vote(io, server);
  const raft_term term = raft_current_term(static_cast<const raft*>(io->data));
  return disk->kept(code != 0 ? code : disk->keep_vote(term, server));
}

// --- Entries.

int RaftDisk::append(raft_io* io, raft_io_append* request, const raft_entry entries[],
                     unsigned count, raft_io_append_cb done) {
  RaftDisk* const disk = of(io);
  auto own = std::make_unique<Append>();
  Append* const it = own.get();
  disk->next_ += count;
  it->disk = disk;
  it->began = disk->clock_.monotonic();
  it->last = disk->next_ - 1;
  it->cut_from = std::exchange(disk->cut_from_, 0);
  it->theirs = request;
  it->done = done;
  it->request.data = it;
  disk->appends_.emplace(it, std::move(own));
  if (disk->failed_) return 0;
  const int code = disk->inner_.append(io, &it->request, entries, count, appended);
  if (code != 0) disk->fail(std::string(raft_strerror(code)) + ": " + io->errmsg);
  return 0;
}

void RaftDisk::appended(raft_io_append* request, int status) {
  auto* const it = static_cast<Append*>(request->data);
  RaftDisk* const disk = it->disk;
  if (disk->failed_) return;
  if (status != 0 && status != RAFT_CANCELED) return disk->fail(raft_strerror(status));
  disk->pace_.wrote(it->began, disk->clock_.monotonic());
  if (status == 0 && it->cut_from > 0 && has_finished_entry(disk->folder_, it->cut_from)) {
    return disk->fail("entries that another leader replaced could not be removed");
  }
  if (status == 0) disk->note_appended(it->last);
  if (disk->failed_) return;
  const std::unique_ptr<Append> own = std::move(disk->appends_.extract(it).mapped());
  own->done(own->theirs, status);
}

void RaftDisk::note_appended(raft_index last) {
  // Without a sync: what is lost with the power makes the next start see less, not more.
  const Result<void> noted = reached_.write({last, 0}, SealedFile::Sync::no);
  if (!noted.ok()) fail(noted.status().message);
}

// Before the entries are gone, for a start must not miss them.
Result<void> RaftDisk::lower_reached(raft_index index) {
  for (auto& [it, own] : appends_) it->last = std::min(it->last, index);
  if (!reached_.numbers() || reached_.numbers()->first <= index) return {};
  return reached_.write({index, 0}, SealedFile::Sync::yes);
}

// libraft calls it before each append.
int RaftDisk::truncate(raft_io* io, raft_index index) {
  RaftDisk* const disk = of(io);
  if (index >= disk->next_ || disk->failed_) return 0;
  if (const Result<void> lowered = disk->lower_reached(index - 1); !lowered.ok()) {
    disk->fail(lowered.status().message);
    return 0;
  }
  disk->next_ = disk->cut_from_ = index;
  return disk->inner_.truncate(io, index);
}

// --- Copies of the state.

int RaftDisk::put(raft_io* io, unsigned keep, raft_io_snapshot_put* request,
                  const raft_snapshot* snapshot, raft_io_snapshot_put_cb done) {
  RaftDisk* const disk = of(io);
  auto own = std::make_unique<Put>();
  Put* const it = own.get();
  it->disk = disk;
  it->stops_appends = keep == 0;
  it->theirs = request;
  it->done = done;
  it->request.data = it;
  disk->puts_.emplace(it, std::move(own));
  if (disk->failed_) return 0;
  if (keep == 0) {
    if (const Result<void> lowered = disk->lower_reached(snapshot->index); !lowered.ok()) {
      disk->fail(lowered.status().message);
      return 0;
    }
    disk->next_ = snapshot->index + 1;
  }
  const int code = disk->inner_.snapshot_put(io, keep, &it->request, snapshot, was_put);
  if (code != 0) disk->puts_.erase(it);
  return code;
}

// libraft would go on without the copy that another sent; and without our first one, where there is
// nothing that could be sent.
void RaftDisk::was_put(raft_io_snapshot_put* request, int status) {
  auto* const it = static_cast<Put*>(request->data);
  RaftDisk* const disk = it->disk;
  if (disk->failed_) return;
  if (status != 0 && status != RAFT_CANCELED) {
    return disk->fail("a copy of the state could not be written");
  }
  disk->copy_waits_ = false;
  const std::unique_ptr<Put> own = std::move(disk->puts_.extract(it).mapped());
  own->done(own->theirs, status);
}

// --- What libraft says about itself.

void RaftDisk::hear(raft_tracer* tracer, int type, const void* info) {
  if (type != RAFT_TRACER_DIAGNOSTIC) return;
  auto* const disk = static_cast<RaftDisk*>(tracer->impl);
  const std::string_view said = static_cast<const raft_tracer_info*>(info)->diagnostic.message;
  constexpr std::string_view kRetryFile = "retry creating segment ";
  if (said.starts_with("retry failed write")) {
    disk->fail(disk->seam_.io.errmsg);
  } else if (said.starts_with(kRetryFile)) {
    disk->room_failed(std::string(said.substr(kRetryFile.size())));
  } else if (said.starts_with("completed creation of ") && disk->no_room_) {
    disk->no_room_ = false;
    disk->pace_.got_room(disk->clock_.monotonic());
    log::info("store", "there is space again in " + disk->folder_);
  } else if (said.starts_with("retry snapshot write")) {
    disk->copy_waits_ = true;
  } else if (said.starts_with("truncate segment ") || said.starts_with("unlink segment ") ||
             said.starts_with("sync data directory")) {
    disk->unfinished_ = true;  // On another thread.
  }
}

// A file that is there could be made: it was its folder that could not be synced.
void RaftDisk::room_failed(const std::string& name) {
  if (file_exists(folder_ + "/" + name)) return fail("sync " + folder_);
  if (std::exchange(no_room_, true)) return;
  log::error("store", why_full() + ": tried again until it does");
}

bool RaftDisk::is_full() const {
  const auto stops = [](const auto& put) { return put.second->stops_appends; };
  return (no_room_ && io_capacity() < kLowRoomKilobytes) ||
         (copy_waits_ && std::ranges::any_of(puts_, stops));
}

std::string RaftDisk::why_full() const {
  std::error_code code;
  const auto space = std::filesystem::space(folder_, code);
  if (!code && space.available < kFileBytes) {
    return "no space left on disk for the log in " + folder_;
  }
  return "the disk takes no new files for the log in " + folder_;
}

void RaftDisk::turn() {
  if (unfinished_) fail("a file could not be finished");
}

}  // namespace orch::store
