// repair: a server of several whose store is damaged (store/damage.h) starts anew, as another one,
// and gets the state from the others.
//
// It must not go on as who it was: it may have confirmed entries and given votes that its disk has
// no more, and would deny the one and give the other twice. So it makes a new key, has a new id by
// that (identity.h), and asks the others to let that one learn in the old one's place. Steps, each
// of which may be interrupted:
//
//   1. begin_repair(): from here on no start opens the store. <data-dir>/server/member/repair
//   2. The others agree, under the rule of `orch member remove`. Until then nothing is touched.
//   3. The store is moved aside, in place of one of an earlier repair.                  .../damaged
//   4. The new key takes the old one's place; the next thing is a start like any newcomer's.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/pki.h"
#include "server/cluster/contacts.h"

namespace orch::cluster {

// Keeps the first reason, durably.
Result<void> begin_repair(const std::string& data_dir, const std::string& reason);
// Why a repair was begun that is not done yet.
std::optional<std::string> repair_begun(const std::string& data_dir);
// Where the damaged store is kept.
std::string damaged_dir(const std::string& data_dir);

struct Repair {
  std::string data_dir;
  std::string name, address;  // As in cluster.h's Options, as are the following.
  crypto::Identity ca;
  std::string cluster;
  std::string version;
  std::function<bool(int fd, int timeout_ms)> wait;
  int cancel_fd = -1;  // Readable once the process was told to end.
  Clock* clock = &system_clock();
};

// Steps 2 to 4. Asks with patience, for as long as it takes. Status code 0: told to end; 400, 403:
// another version; of a former cluster, or removed by an administrator.
Result<void> run_repair(const Repair& repair);

}  // namespace orch::cluster
