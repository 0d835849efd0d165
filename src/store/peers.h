// What replicas say to each other beside libraft's own messages. Any message may be lost, repeated,
// or overtaken by another: whoever waits for an answer asks again.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "store/packing.h"

namespace orch::store {

// A server as people see it: 16 hex digits, as `orch member list` has it too.
inline std::string server_text(uint64_t server) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(server));
  return std::string("server ") + digits;
}

class Peers {
 public:
  virtual ~Peers() = default;
  virtual void send(uint64_t server, std::string message) = 0;  // Never waits.
  // Asked before each of libraft's messages: false when it would only wait for a server that can't
  // be reached, behind others.
  virtual bool takes(uint64_t /*server*/) { return true; }
};

// The first number of a message. (tests/sim names two of them.)
enum class PeerMessage : uint64_t {
  batch = 1,  // An entry: propose it.
  ask,        // token: what is the read index?
  index,      // token, index: the answer.
  round,      // term, round: does the term still stand?
  yes,        // term, round: the answer.
  change,     // token, kind, server, address, replaced server, term, configuration: a MemberChange
              // to carry out where these last two are so still.
  changed,    // token, code, text: the answer; code 0 says that it has taken effect.
  removed,    // index: of a configuration that was agreed on and that you are not in.
};

inline std::string pack_message(PeerMessage kind, uint64_t first, uint64_t second) {
  std::string out;
  pack_number(static_cast<uint64_t>(kind), &out);
  pack_number(first, &out);
  pack_number(second, &out);
  return out;
}

}  // namespace orch::store
