// joining: the newcomer's side of welcome.h. Blocking, for seconds at most.
#pragma once

#include <span>
#include <string>
#include <vector>

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

// Tells the server at `to` who this one is and whom it knows; it has become a server of the cluster
// by its welcome. Where it is no member yet, it is added as a learner, in the place of whom it
// replaces, and this comes back when that is done. Gives whom the other one knows.
struct Newcomer {
  uint64_t id = 0;
  crypto::Identity peer;
  std::string ca;         // PEM.
  std::string cluster;    // Its number.
  uint64_t replaces = 0;  // Whom it was before its store was damaged (repair.h).
  std::string version;    // Of orch, for messages.
  bool returns = false;   // It has the cluster's log: if it is no member (403), it was removed.
};
Result<std::vector<Contact>> introduce(const Newcomer& self, std::span<const Contact> contacts,
                                       const Contact& to, int cancel_fd);

// What asking again does not help against: told to end, another version, removed or of a former
// cluster, a name that another server has.
bool is_final(const Status& why);

}  // namespace orch::cluster
