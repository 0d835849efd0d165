// joining: the newcomer's side of welcome.h. Blocking, for seconds at most.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/pki.h"
#include "server/cluster/welcome.h"

namespace orch::cluster {

struct JoinWish {
  std::string url;        // "https://10.0.0.1:6443"
  std::string ca_sha256;  // By which the cluster is known.
  std::string secret;     // The servers'.
  std::string name;       // That it wants to be known by.
  std::string version;    // Of orch, for messages.
};

// 401 for another secret, 409 for a name that is taken or a server that is a single one, 400 for
// another protocol, 502 for a server that isn't the CA's, 503 or 504 when none answers.
Result<Welcome> ask_to_join(const JoinWish& wish, Random& random);

// Has `self`, which has become a server of the cluster by its welcome, added as a learner by the
// first of `contacts` that can. Comes back when that is done.
struct Newcomer {
  uint64_t id = 0;
  crypto::Identity peer;
  std::string ca;       // PEM.
  std::string cluster;  // Its number.
};
Result<void> ask_to_be_added(const Newcomer& self, std::span<const Contact> contacts);

}  // namespace orch::cluster
