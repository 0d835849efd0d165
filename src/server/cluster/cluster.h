// Cluster: this server's part in a cluster of several: who it is, how it reaches the others, how it
// lets new ones in and gets in itself. A single server is a cluster of one, whose store is its own
// until the first other server asks to join: then it becomes the first of a replicated log, while
// it serves. (A server whose state lies elsewhere, Options::engine of the store, has no Cluster.)
//
// cli/cluster.cpp makes it before the API server; that opens the store with replication(), serves
// what is below /orch/v1 by it (apiserver/cluster_routes.h), and calls enter() once it listens.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/task_pool.h"
#include "http/http.h"
#include "server/cluster/contacts.h"
#include "server/cluster/enrollment.h"
#include "server/cluster/identity.h"
#include "server/cluster/members.h"
#include "server/cluster/peers.h"
#include "store/store.h"

namespace orch::cluster {

inline constexpr std::string_view kServersPath = "/orch/v1/servers";
inline constexpr std::string_view kMembersPath = "/orch/v1/members";

// Waits until `fd` (-1: none) is readable or the time (-1: any) is over. True when the process was
// told to end.
using Wait = std::function<bool(int fd, int timeout_ms)>;

struct Options {
  std::string data_dir;
  std::string name;               // The node's.
  std::string address;            // "10.0.0.1:6443"
  std::string secret;             // Of servers, see welcome.h.
  std::string encryption_config;  // Its path.
  std::string version;            // Of orch, for messages.
  crypto::Identity ca;
  Enrollment enrollment;
  std::string ask_first;  // Where another server may be that no contact says: "10.0.0.9:6443".
  bool single = false;    // The enrollment counts, and is written, once another server joins.
  Wait wait;
  Clock* clock = &system_clock();
  Random* random = &system_random();
};

class Cluster {
 public:
  static Result<std::unique_ptr<Cluster>> open(Options options);
  ~Cluster() { stop(); }

  // What the store is opened with; null: as a single server's.
  const store::Replication* replication() const {
    return options_.single ? nullptr : &replication_;
  }
  // A DNS name that must stand in the certificate that this server serves HTTPS with.
  std::string serving_name() const { return cluster::serving_name(self_.id); }

  // Of all servers of the cluster that this one has heard of, itself too.
  std::vector<Contact> contacts() const { return contacts_->all(); }
  bool knows_others() const { return contacts().size() > 1; }

  // Returns when the store has caught up with the cluster and this server is a voter: at once for
  // one that is, else it asks the others for it, with patience. Needs the HTTPS server listening.
  // What no patience helps against: told to end (status code 0), removed or of a former cluster
  // (403), another version (400), a name that another server has (AlreadyExists), damage in the
  // store.
  Result<void> enter(store::Store& store);

  // An upgrade for kPeerPath. See Peers::accept.
  Result<void> accept_peer(const std::shared_ptr<http::Exchange>& exchange, store::Store& store);
  // Whether a request for kServersPath comes from somebody who may: 401 otherwise. Never waits.
  Result<void> check_newcomer(const http::Request& request) const;
  // A request for kServersPath: who shows the proof is welcomed (which makes a single server one of
  // several); who has become a server by that asks to be added, as a learner. These wait, for
  // seconds.
  Result<api::Value> serve_newcomer(const http::Request& request, store::Store& store);
  // The servers, after a look at each. Blocking, for seconds at most.
  std::vector<Server> inspected(const store::Store& store) const;
  // An administrator's request for kMembersPath.
  Result<api::Value> list_members(const store::Store& store) const;
  // {"action": "remove" | "promote", "server": "<id or name>"}
  Result<api::Value> change_member(const api::Value& order, store::Store& store);

  // After the store was closed. Idempotent.
  void stop();

 private:
  Cluster(Options options, ServerIdentity self);
  std::vector<Server> servers(const store::Store& store) const;
  State inspect(const Server& server) const;
  Result<api::Value> welcome(const api::Value& request, store::Store& store);
  Result<void> grow(store::Store& store);
  Result<void> note_begun();
  Result<api::Value> add(uint64_t server, const api::Value& request, store::Store& store);
  Result<void> replace(uint64_t lost, const Contact& newcomer, store::Store& store);
  Result<void> take_back(const Contact& contact, store::Store& store);

  Result<void> introduce_to(const Contact& contact);
  Result<void> introduce_to_any();
  void ask_first();
  enum class Try { first, again };
  Result<void> try_to_enter(store::Store& store, Try which);
  // Waits for what the store calls back about.
  using Started = std::function<void(std::function<void(Result<void>)>)>;
  Result<void> await(const Started& start) const;

  const Options options_;
  const ServerIdentity self_;
  std::unique_ptr<Contacts> contacts_;
  std::unique_ptr<Peers> peers_;
  store::Replication replication_;
  std::mutex growing_;  // Held while the log begins, and over
  bool begins_;         // whether the enrollment on disk says that it has yet to.
  std::atomic<bool> asked_first_{false};
  std::atomic<bool> returns_{false};  // As in Newcomer.
  TaskPool greetings_{1};
};

}  // namespace orch::cluster
