// members: which servers the cluster has, how each does, and what may be done to them. PURE but for
// what fills `Server::state`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/result.h"
#include "server/cluster/contacts.h"
#include "store/replication.h"

namespace orch::cluster {

// Of a server, as another one finds it.
enum class State : uint8_t { ready, not_ready, unreachable };
std::string_view state_text(State state);  // "Ready", "NotReady", "Unreachable"

struct Server {
  uint64_t id = 0;
  std::string name, address;
  bool voter = false;
  bool leads = false;
  State state = State::unreachable;
};

// The log's members under the names and addresses that their contacts say.
std::vector<Server> list_servers(const std::vector<store::Member>& members,
                                 const std::vector<Contact>& contacts, uint64_t leader);

// {"members": [{"id", "name", "address", "role": "voter", "leader": true, "status": "Ready"}]}
api::Value members_value(const std::vector<Server>& servers);

// The server that an administrator means by an id or a name. 404; 409 for a name of two.
Result<Server> find_server(const std::vector<Server>& servers, std::string_view what);

// 409 when without `id` no majority of the voters that are left would answer, or none is left.
Result<void> check_removal(const std::vector<Server>& servers, uint64_t id);
// AlreadyExists when a member other than `id` has that name already.
Result<void> check_name(const std::vector<Server>& servers, uint64_t id, std::string_view name);

}  // namespace orch::cluster
