// Witness: stands between libraft and one life of a replica, and sees each entry at the moment in
// which it is applied. Watchers are told later and not of everything (a restored state ends them;
// a crash comes first), so what they say is no record of what happened; this is. It works out by
// rules of its own what an entry must do, and complains when the replica did something else.
#pragma once

#include <functional>
#include <string>

#include "history.h"
#include "store/entry.h"
#include "store/machine.h"
#include "store/raft_library.h"

namespace orch::sim {

class Witness {
 public:
  using Applied = std::function<void(int64_t revision, const Fact& fact)>;
  using Restored = std::function<void(int64_t from, int64_t to)>;
  using Complain = std::function<void(std::string what)>;

  // `io` is a replica's, which was made and has not started yet; all must outlive it.
  Witness(raft_io& io, const store::Machine& machine, Applied applied, Restored restored,
          Complain complain);
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

 private:
  static Witness* of(raft_fsm* fsm) { return static_cast<Witness*>(fsm->data); }
  static int apply(raft_fsm* fsm, const raft_buffer* buffer, void** result);
  static int make_copy(raft_fsm* fsm, raft_buffer* buffers[], unsigned* count);
  static int drop_copy(raft_fsm* fsm, raft_buffer* buffers[], unsigned* count);
  static int take_copy(raft_fsm* fsm, raft_buffer* buffer);
  std::vector<Fact> expect(const store::Entry& entry) const;

  const store::Machine& machine_;
  const Applied applied_;
  const Restored restored_;
  const Complain complain_;
  raft_fsm* replica_ = nullptr;
  raft_fsm fsm_{};
};

}  // namespace orch::sim
