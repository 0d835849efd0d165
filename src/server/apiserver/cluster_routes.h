// cluster_routes: what is below /orch/v1 for a cluster of several servers (server/cluster): other
// servers' streams, newcomers, and the members that an administrator sees. Where the state is kept
// elsewhere all of it answers how to have several servers there.
//
// Whatever waits has threads of its own: those for slow requests may all wait for a leader, whom
// only these can bring.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "api/json.h"
#include "base/result.h"
#include "base/task_pool.h"
#include "http/http.h"
#include "server/apiserver/user.h"
#include "server/cluster/cluster.h"

namespace orch::apiserver {

class ClusterRoutes {
 public:
  ClusterRoutes(cluster::Cluster* cluster, store::Store& store)
      : cluster_(cluster), store_(store) {}

  // Paths that servers come to, as servers and not as users: they prove themselves otherwise.
  static bool is_for_servers(std::string_view path) {
    return path == cluster::kPeerPath || path == cluster::kServersPath;
  }
  // Another server's name and group by its certificate; a newcomer has none.
  static User server_user(const http::Request& request);

  // Both answer the exchange, now or later; a Status means that it was not answered yet.
  Result<void> serve_servers(const std::shared_ptr<http::Exchange>& exchange,
                             std::string_view path);
  // For kMembersPath, once the user has been let in.
  Result<void> serve_members(const std::shared_ptr<http::Exchange>& exchange, const User& user);

  void stop() { desk_.stop(); }

 private:
  Result<void> check_node_name(const http::Request& request) const;
  // Answers later with what `work` gives.
  Result<void> answer(const std::shared_ptr<http::Exchange>& exchange,
                      std::function<Result<api::Value>()> work);

  cluster::Cluster* const cluster_;
  store::Store& store_;
  TaskPool desk_{4};
};

}  // namespace orch::apiserver
