#include "server/apiserver/cluster_routes.h"

#include "server/apiserver/join.h"
#include "server/apiserver/respond.h"

namespace orch::apiserver {
namespace {

Status kept_elsewhere() {
  return conflict(
      "this server keeps its state in a datastore: start other servers with the same "
      "--datastore-endpoint instead of letting them join");
}

}  // namespace

User ClusterRoutes::server_user(const http::Request& request) {
  User user;
  if (!cluster::server_of(request.peer)) return user;
  user.name = request.peer.common_name;
  user.groups = request.peer.organizations;
  return user;
}

Result<void> ClusterRoutes::serve_servers(const std::shared_ptr<http::Exchange>& exchange,
                                          std::string_view path) {
  if (!cluster_) return kept_elsewhere();
  if (path == cluster::kPeerPath) return cluster_->accept_peer(exchange, store_);
  ORCH_TRY(cluster_->check_newcomer(exchange->request()));
  return answer(exchange, [this, exchange]() -> Result<api::Value> {
    ORCH_TRY(check_node_name(exchange->request()));
    return cluster_->serve_newcomer(exchange->request(), store_);
  });
}

// A server is a node too, and so can't have the name of an agent's.
Result<void> ClusterRoutes::check_node_name(const http::Request& request) const {
  const std::string name = ORCH_TRY(api::parse_json(request.body))["name"].as_string();
  if (name.empty() || !store_.get(node_password_key(name))) return {};
  return already_exists("the name \"" + name +
                        "\" belongs to a node that is no server: choose another with "
                        "--node-name, or kubectl delete node " +
                        name + " where that one is gone for good");
}

Result<void> ClusterRoutes::serve_members(const std::shared_ptr<http::Exchange>& exchange,
                                          const User& user) {
  if (!user.in_group(kMastersGroup)) {
    return forbidden("the cluster's servers are a matter of system:masters alone");
  }
  if (!cluster_) return kept_elsewhere();
  const http::Request& request = exchange->request();
  if (request.method == "GET") {
    return answer(exchange, [this] { return cluster_->list_members(store_); });
  }
  if (request.method != "POST") return method_not_allowed("members: GET and POST");
  return answer(exchange,
                [this, order = ORCH_TRY(api::parse_json(request.body))]() -> Result<api::Value> {
                  return cluster_->change_member(order, store_);
                });
}

Result<void> ClusterRoutes::answer(const std::shared_ptr<http::Exchange>& exchange,
                                   std::function<Result<api::Value>()> work) {
  const bool taken = desk_.run([exchange, work = std::move(work)] {
    const auto done = work();
    exchange->send(done ? value_response(200, *done) : status_response(done.status()));
  });
  if (!taken) return service_unavailable("the server is shutting down or overloaded");
  return {};
}

}  // namespace orch::apiserver
