#include "server/apiserver/health.h"

#include "server/apiserver/test_server.h"
#include "store/store_fixture.h"

namespace orch::apiserver {
namespace {

TEST_CASE("health is told check by check, and checks can be asked for and left out") {
  TestServer server;
  CHECK(server.get("/livez").text == "ok");
  CHECK(server.get("/readyz?verbose").text ==
        "[+]ping ok\n[+]etcd ok\n[+]poststarthook/rbac/bootstrap-roles ok\n[+]shutdown ok\n"
        "readyz check passed\n");
  CHECK(server.get("/livez?verbose&exclude=etcd").text ==
        "[+]ping ok\n[+]etcd excluded: ok\n[+]poststarthook/rbac/bootstrap-roles ok\n"
        "livez check passed\n");
  CHECK(server.get("/readyz?verbose&exclude=nonsense").text.find("no matches for \"nonsense\"") !=
        std::string::npos);
  CHECK(server.get("/readyz/poststarthook/rbac/bootstrap-roles").text == "ok");
  CHECK(server.get("/healthz/etcd").text == "ok");
  CHECK(server.get("/livez/shutdown").code == 404);  // One that stops is alive.
  CHECK(server.get("/readyz/nonsense").code == 404);
  CHECK(server.call("POST", "/readyz").code != 200);
}

TEST_CASE("what fails is named, why is not told to strangers, and without it all is well") {
  TestServer server;
  store::Options options;
  options.directory = server.folder() + "/other";
  auto store = store::Store::open(options, [](auto, auto) { return store::Tags{}; });
  REQUIRE(store.ok());
  Health health{**store};
  const auto ask = [&](const std::string& path) {
    const auto target = route(api::Schema::builtin(), "GET", path);
    REQUIRE(target.ok());
    return *serve_health(health, *target);
  };
  auto answer = ask("/readyz");
  CHECK(answer.status == 500);
  CHECK(answer.body.flatten() ==
        "[+]ping ok\n[+]etcd ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\n"
        "[+]shutdown ok\nreadyz check failed\n");
  health.started = true;
  CHECK(ask("/readyz").status == 200);
  health.stopping = true;
  CHECK(ask("/readyz").status == 500);
  CHECK(ask("/readyz/shutdown").status == 500);
  CHECK(ask("/readyz?exclude=shutdown").status == 200);
  CHECK(ask("/livez").status == 200);
}

TEST_CASE("one of several servers is not ready while it knows no leader, and lives") {
  store::TestFolder folder;
  store::Options options;
  options.directory = folder.path();
  const auto store = store::StoreInside::open(options, store::tag_by_key);
  Health health{*store, true};
  health.started = true;
  const auto ask = [&](const std::string& path) {
    return serve_health(health, *route(api::Schema::builtin(), "GET", path))->status;
  };
  store::StoreInside::log(*store).follow(2, 7);
  CHECK(ask("/readyz") == 200);
  store::StoreInside::log(*store).follow(0, 7);
  CHECK(ask("/readyz") == 500);
  CHECK(ask("/livez") == 200);
  store::StoreInside::log(*store).lead(8);
  CHECK(ask("/readyz") == 200);
}

}  // namespace
}  // namespace orch::apiserver
