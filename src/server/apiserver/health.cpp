#include "server/apiserver/health.h"

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "server/apiserver/respond.h"

namespace orch::apiserver {
namespace {

struct Check {
  std::string name;
  Result<void> outcome;
};

// The store stands where Kubernetes has etcd. A full disk, a datastore that is out of reach, or the
// loss of most of the other servers makes the server not ready, for it takes no writes; it lives
// on, for a start anew would not help. After a disk that failed it does.
Result<void> store_check(const Health& health, std::string_view root) {
  const store::Health store = health.store.health();
  if (store == store::Health::failed) {
    return service_unavailable("the disk failed: restart the server");
  }
  if (store == store::Health::full && root != "livez") {
    return service_unavailable("no space left on disk: only reads are served");
  }
  if (store == store::Health::away && root != "livez") {
    return service_unavailable("the datastore can't be reached");
  }
  const bool several = health.several && !health.store.alone();
  if (several && health.store.leadership().leader == 0 && root != "livez") {
    return service_unavailable("no server leads the cluster, or this one takes no part in it");
  }
  return {};
}

std::vector<Check> checks(const Health& health, std::string_view root) {
  std::vector<Check> all;
  all.push_back({"ping", {}});
  all.push_back({"etcd", store_check(health, root)});
  Result<void> bootstrapped;
  if (!health.started) bootstrapped = service_unavailable("not finished");
  all.push_back({"poststarthook/rbac/bootstrap-roles", std::move(bootstrapped)});
  if (root != "readyz") return all;
  Result<void> going_on;
  if (health.stopping) going_on = service_unavailable("process is shutting down");
  all.push_back({"shutdown", std::move(going_on)});
  return all;
}

// Reasons are the administrator's business: they go to the log.
http::Response failed(std::string text) {
  auto response = text_response(500, std::move(text));
  response.headers.set("X-Content-Type-Options", "nosniff");
  return response;
}

http::Response answer_all(const std::vector<Check>& all, std::string_view root,
                          const Query& query) {
  std::vector<std::string> excluded;
  for (const std::string_view name : query.all("exclude")) excluded.emplace_back(name);
  std::string text;
  bool passed = true;
  for (const Check& check : all) {
    const auto named = std::ranges::find(excluded, check.name);
    if (named != excluded.end()) {
      excluded.erase(named);
      text += "[+]" + check.name + " excluded: ok\n";
    } else if (check.outcome) {
      text += "[+]" + check.name + " ok\n";
    } else {
      log::warning("apiserver", std::string(root) + " check " + check.name +
                                    " failed: " + check.outcome.status().message);
      text += "[-]" + check.name + " failed: reason withheld\n";
      passed = false;
    }
  }
  if (!excluded.empty()) {
    text += "warn: some health checks cannot be excluded: no matches for \"" + excluded.front() +
            "\"\n";
  }
  if (!passed) return failed(text + std::string(root) + " check failed\n");
  if (!query.has("verbose")) return text_response(200, "ok");
  return text_response(200, text + std::string(root) + " check passed\n");
}

}  // namespace

bool is_health_path(std::string_view path) {
  for (const std::string_view root : {"/livez", "/readyz", "/healthz"}) {
    if (path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/')) {
      return true;
    }
  }
  return false;
}

Result<http::Response> serve_health(const Health& health, const Target& target) {
  const std::string_view path = std::string_view(target.path).substr(1);
  const std::string_view root = path.substr(0, path.find('/'));
  const std::vector<Check> all = checks(health, root);
  if (root.size() + 1 >= path.size()) return answer_all(all, root, target.query);
  const auto one = std::ranges::find(all, path.substr(root.size() + 1), &Check::name);
  if (one == all.end()) {
    Status status = not_found("404 page not found");
    status.reason.clear();
    return status;
  }
  if (one->outcome) return text_response(200, "ok");
  return failed("internal server error: " + one->name + " failed: reason withheld\n");
}

}  // namespace orch::apiserver
