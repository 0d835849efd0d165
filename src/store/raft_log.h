// The replicated maker of Log: libraft with its log in `<directory>/raft`, a Replica on top, and
// the streams to the other servers, all on one thread, in one libuv loop.
//
// After each round of the loop the replica has its turn. Whatever other threads want
// (writes, reads, streams that were opened) waits in a queue until then.
#pragma once

#include <memory>
#include <string>

#include "store/log.h"
#include "store/machine.h"

namespace orch::store {

// What the table says about the log.
struct RaftStart {
  std::string note;    // Table::Loaded's.
  bool renew = false;  // As in Replica::Options.
};

// Fails when the log can't be read or doesn't fit the state. The machine, whose table must be
// a replica's (Table::Truth::log), must outlive the log; so must what the options point to.
Result<std::unique_ptr<Log>> make_raft_log(Machine& machine, const Options& options,
                                           Store::Tagger tagger, RaftStart start);

}  // namespace orch::store
