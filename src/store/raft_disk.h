// RaftDisk: a server's log on disk as libraft keeps it (`raft_uv`), and what libraft 0.22.1 leaves
// to whoever uses it. Found by reading it and by failing each of its disk operations
// (tests/replica/replica_faults.cpp):
//
// - A write that failed is tried again with a timer that points elsewhere, which crashes. One that
//   fails at once is forgotten, but waited for when it closes. So no failure gets there or comes
//   back: libraft hears that the write is under way, and the owner that the disk failed.
// - Files that could not be finished, cut off or put in place it notes nowhere. What it says about
//   that while it runs (its tracer) is listened to.
// - A file that it could make but whose folder it could not sync, it tries to make again for ever.
// - Its term and vote have no checksum, so they are kept a second time in the file `vote`.
// - It drops entries that it can't read at the end of the file that it was writing. The last one
//   that is known to be on disk is noted in the file `reached`, without a sync.
// - It makes room for entries in advance. Where that fails, it tries again, twice a second.
//
// On the loop's thread.
#pragma once

#include <uv.h>

#include "store/raft_library.h"
extern "C" {
#include <raft/uv.h>
}

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "store/disk_pace.h"
#include "store/sealed_file.h"

namespace orch::store {

class RaftDisk {
 public:
  // Fails when the files are damaged, naming one. `applied`: as in KnownLog. All must outlive
  // it; the loop must have ended.
  static Result<std::unique_ptr<RaftDisk>> open(uv_loop_t* loop, std::string folder,
                                                raft_uv_transport* transport, Clock& clock,
                                                uint64_t applied);
  ~RaftDisk();
  RaftDisk(const RaftDisk&) = delete;
  RaftDisk& operator=(const RaftDisk&) = delete;

  // For a Replica. libraft's closing of it may never end when the disk has failed.
  raft_io& io() { return seam_.io; }
  // Hears once, with the reason, that what is on disk isn't known any more.
  void on_failure(std::function<void(const std::string& why)> failed);
  bool failed() const { return failed_; }
  // After each round of the loop.
  void turn();
  // Nothing can be appended before there is room: the last try to make some failed.
  bool is_full() const;
  std::string why_full() const;
  // No try was made yet: an entry that is appended leads to one.
  bool has_no_room_yet() const { return !no_room_ && io_capacity() == 0; }
  unsigned election_ms() const { return pace_.election_ms(); }

 private:
  struct Seam {
    raft_io io{};  // First: all that libraft's callbacks give us.
    RaftDisk* disk = nullptr;
  };
  struct Append;
  struct Put;

  RaftDisk(std::string folder, Clock& clock, DiskPace pace, SealedFile vote, SealedFile reached);
  static RaftDisk* of(raft_io* io) { return reinterpret_cast<Seam*>(io)->disk; }
  void put_between();
  static int load(raft_io* io, raft_term* term, raft_id* voted_for, raft_snapshot** snapshot,
                  raft_index* start_index, raft_entry* entries[], size_t* count);
  static int set_term(raft_io* io, raft_term term);
  static int set_vote(raft_io* io, raft_id server);
  static int append(raft_io* io, raft_io_append* request, const raft_entry entries[],
                    unsigned count, raft_io_append_cb done);
  static int truncate(raft_io* io, raft_index index);
  static int put(raft_io* io, unsigned keep, raft_io_snapshot_put* request,
                 const raft_snapshot* snapshot, raft_io_snapshot_put_cb done);
  static void appended(raft_io_append* request, int status);
  static void was_put(raft_io_snapshot_put* request, int status);
  static void hear(raft_tracer* tracer, int type, const void* info);

  unsigned io_capacity() const { return seam_.io.capacity; }
  Result<void> merge_vote(raft_term* term, raft_id* voted_for) const;
  int keep_vote(raft_term term, raft_id voted_for);
  int kept(int code);
  Result<void> lower_reached(raft_index index);
  void note_appended(raft_index last);
  void room_failed(const std::string& name);
  void fail(const std::string& why);

  const std::string folder_;
  Clock& clock_;
  DiskPace pace_;
  SealedFile vote_, reached_;
  Seam seam_;
  raft_io inner_{};  // What was there before.
  raft_tracer tracer_{};
  raft_index next_ = 1;      // Of the entry that is appended next.
  raft_index cut_from_ = 0;  // Entries from this on were removed, but for those of the next append.
  bool no_room_ = false, copy_waits_ = false, failed_ = false;
  std::atomic<bool> unfinished_{false};  // A file was not; said on another thread.
  std::function<void(const std::string&)> on_failure_;
  // Those under way: libraft may hold them for ever.
  std::unordered_map<Append*, std::unique_ptr<Append>> appends_;
  std::unordered_map<Put*, std::unique_ptr<Put>> puts_;
};

}  // namespace orch::store
