#include "server/cluster/members.h"

#include <algorithm>
#include <tuple>

#include "server/cluster/identity.h"

namespace orch::cluster {

using api::Value;

std::string_view state_text(State state) {
  return state == State::ready ? "Ready" : state == State::not_ready ? "NotReady" : "Unreachable";
}

std::vector<Server> list_servers(const std::vector<store::Member>& members,
                                 const std::vector<Contact>& contacts, uint64_t leader) {
  std::vector<Server> servers;
  for (const store::Member& member : members) {
    Server server{member.server, "", member.address, member.voter, member.server == leader};
    const auto contact = std::ranges::find(contacts, member.server, &Contact::server);
    if (contact != contacts.end()) {
      server.name = contact->name;
      server.address = contact->address;
    }
    servers.push_back(std::move(server));
  }
  std::ranges::sort(servers, [](const Server& a, const Server& b) {
    return std::tie(a.name, a.id) < std::tie(b.name, b.id);
  });
  return servers;
}

Value members_value(const std::vector<Server>& servers) {
  Value list = Value::array();
  for (const Server& server : servers) {
    list.push_back(Value::object({{"id", id_text(server.id)},
                                  {"name", server.name},
                                  {"address", server.address},
                                  {"role", server.voter ? "voter" : "learner"},
                                  {"leader", server.leads},
                                  {"status", state_text(server.state)}}));
  }
  return Value::object({{"members", std::move(list)}});
}

Result<Server> find_server(const std::vector<Server>& servers, std::string_view what) {
  const auto meant = [&](const Server& server) {
    return server.name == what || id_text(server.id) == what;
  };
  const auto found = std::ranges::find_if(servers, meant);
  const std::string text = "\"" + std::string(what) + "\"";
  if (what.empty() || found == servers.end()) {
    return not_found("no server of the cluster has the name or id " + text);
  }
  if (std::find_if(std::next(found), servers.end(), meant) != servers.end()) {
    return conflict("more than one server has the name " + text + ": give the id");
  }
  return *found;
}

Result<void> check_removal(const std::vector<Server>& servers, uint64_t id) {
  const auto removed = std::ranges::find(servers, id, &Server::id);
  if (removed == servers.end() || !removed->voter) return {};
  size_t voters = 0, answering = 0;
  for (const Server& server : servers) {
    if (!server.voter || server.id == id) continue;
    ++voters;
    answering += server.state != State::unreachable ? 1 : 0;
  }
  if (voters == 0) {
    return conflict(removed->name +
                    " is the last voter: a cluster without any would be none. To give up the "
                    "cluster, stop its servers");
  }
  const size_t needed = voters / 2 + 1;
  if (answering >= needed) return {};
  return conflict("without " + removed->name + " there would be " + std::to_string(voters) +
                  " voters, of which " + std::to_string(answering) + " answer and " +
                  std::to_string(needed) +
                  " are needed for any write: bring servers back, or remove those first that "
                  "don't answer");
}

Result<void> check_name(const std::vector<Server>& servers, uint64_t id, std::string_view name) {
  for (const Server& server : servers) {
    if (server.name != name || server.id == id) continue;
    return already_exists("the name \"" + std::string(name) + "\" belongs to server " +
                          id_text(server.id) + " at " + server.address +
                          ": choose another with --node-name, or, where that one is gone for good, "
                          "`orch member remove " +
                          id_text(server.id) + "` first");
  }
  return {};
}

}  // namespace orch::cluster
