// ServerList: who is listed behind the Service default/kubernetes: its Endpoints and EndpointSlice
// name every server that serves. The leader alone keeps the list: it looks at each server every
// kLookEvery, and writes when somebody came or went, so that a cluster at rest writes nothing. (A
// lease of each server's, as kube-apiserver renews one every 10 s, would be 8,640 writes a day for
// each of them.) A single server has none of this: it lists itself when it starts.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/net_address.h"
#include "base/result.h"
#include "client/api.h"
#include "server/apiserver/leading.h"
#include "server/cluster/cluster.h"

namespace orch::apiserver {

inline constexpr std::chrono::seconds kLookEvery{10};
// A server that answers no more is listed until so many looks in a row have failed: it is gone from
// the list after 20 s, and after a crash of the leader some 10 s later.
inline constexpr int kMaxMissedLooks = 2;

// Where a server is reached, and whether it said that it is ready.
struct SeenServer {
  Ipv4 address;
  uint16_t port = 6443;
  bool ready = false;
  auto operator<=>(const SeenServer&) const = default;
};

// Who is to be listed (PURE). `missed`: how many looks at an address have failed so far, kept from
// one call to the next; `listed`: the addresses that stand in the list now.
std::vector<SeenServer> plan_list(std::vector<SeenServer> seen, const std::vector<Ipv4>& listed,
                                  std::map<Ipv4, int>* missed);

// Writes the list, if it is another one or gone. Blocking.
Result<void> publish_servers(client::Api& api, const std::vector<SeenServer>& servers);
// What follows of one look at the others; `self` serves. `missed` as in plan_list(). Blocking.
Result<void> keep_list(client::Api& api, const SeenServer& self, std::vector<SeenServer> seen,
                       std::map<Ipv4, int>* missed);
// Who is listed now.
Result<std::vector<Ipv4>> listed_servers(client::Api& api);

// Looks at all servers of the cluster, this one too. Blocking, for a few seconds at most.
std::vector<SeenServer> look_at_servers(const cluster::Cluster& cluster, const store::Store& store);

class ServerList : public Leading::Work {
 public:
  using Look = std::function<std::vector<SeenServer>()>;

  ServerList(std::unique_ptr<client::Api> api, SeenServer self, Look look);
  ~ServerList() override;

 private:
  void run();

  const std::unique_ptr<client::Api> api_;
  const SeenServer self_;
  const Look look_;
  std::mutex mutex_;
  std::condition_variable ending_;
  bool ended_ = false;
  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace orch::apiserver
