// A server's way into a cluster, as far as one server alone can go it.
#include <poll.h>
#include <stdlib.h>

#include <catch2/catch_test_macros.hpp>

#include "base/files.h"
#include "http/server.h"
#include "server/cluster/cluster.h"
#include "server/cluster/welcome.h"

namespace orch::cluster {
namespace {

constexpr uint64_t kOther = 7;
constexpr const char* kCluster = "00000000000000cd";
constexpr const char* kMessage = "this server's data is of a former cluster";

const crypto::Identity& test_ca() {
  static const crypto::Identity made = crypto::make_ca("orch-ca", 10, system_clock()).value();
  return made;
}

// Another server, which refuses everybody.
std::unique_ptr<http::Server> start_other() {
  crypto::CertificateSpec spec;
  spec.server_auth = true;
  spec.dns_names = {serving_name(kOther)};
  const auto serving = crypto::issue_certificate(test_ca(), spec, system_clock()).value();
  http::ServerOptions options;
  options.bind_address = "127.0.0.1";
  options.tls = {serving.certificate, serving.private_key, test_ca().certificate};
  return http::Server::start(
             options,
             [](const std::shared_ptr<http::Exchange>& exchange) {
               http::Response refusal;
               refusal.status = 403;
               refusal.body.append(api::to_json(api::Value::object(
                   {{"kind", "Status"}, {"reason", "Forbidden"}, {"message", kMessage}})));
               exchange->send(std::move(refusal));
             })
      .value();
}

class Newcomer {
 public:
  // `begins`: it is the first one of the cluster, and lets others in.
  explicit Newcomer(Wait wait, bool begins = false) {
    REQUIRE(::mkdtemp(folder_) != nullptr);
    Options options;
    options.data_dir = folder_;
    options.name = "newcomer";
    options.address = "127.0.0.1:1";
    options.ca = test_ca();
    options.enrollment = {kCluster, begins, {}};
    options.wait = std::move(wait);
    REQUIRE(make_dirs(member_dir(folder_), 0700));
    const auto contacts = Contacts::open(contacts_path(folder_)).value();
    REQUIRE(contacts->learn(
        std::vector<Contact>{{kOther, "other", "127.0.0.1:" + std::to_string(other_->port()), 1}}));
    cluster_ = Cluster::open(std::move(options)).value();
    store::Options kept;
    kept.directory = std::string(folder_) + "/db";
    kept.replication = cluster_->replication();
    store_ = store::Store::open(kept, [](auto, auto) { return store::Tags(); }).value();
  }
  ~Newcomer() {
    store_->close();
    cluster_->stop();
    other_->stop(0);
    CHECK(remove_tree(folder_));
  }
  Result<void> enter() { return cluster_->enter(*store_); }
  // As the one who is asked.
  Result<api::Value> serve(std::string_view name) {
    http::Request request;
    request.method = "POST";
    request.headers.set(kProofHeader, proof_of(""));
    request.body.append(api::to_json(api::Value::object({{"name", name},
                                                         {"nonce", std::string(32, 'a')},
                                                         {"protocol", kProtocol},
                                                         {"version", "1"}})));
    return cluster_->serve_newcomer(request, *store_);
  }
  // The same, of another server that has become one.
  Result<api::Value> serve(uint64_t server, bool returns) {
    http::Request request;
    request.method = "POST";
    request.peer.has_certificate = true;
    request.peer.common_name = std::string(kServerNamePrefix) + id_text(server);
    request.peer.organizations = {std::string(kServersGroup)};
    const std::vector<Contact> told{{server, "server-" + id_text(server), "127.0.0.1:2", 1}};
    request.body.append(api::to_json(api::Value::object({{"cluster", kCluster},
                                                         {"protocol", kProtocol},
                                                         {"version", "1"},
                                                         {"contacts", render_contacts(told)},
                                                         {"returns", returns}})));
    return cluster_->serve_newcomer(request, *store_);
  }

 private:
  char folder_[32] = "/tmp/orch-enter.XXXXXX";
  const std::unique_ptr<http::Server> other_ = start_other();
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<store::Store> store_;
};

}  // namespace

TEST_CASE("a newcomer of a former cluster is told so, and does not wait for ever") {
  // Told to end when it would ask again.
  Newcomer newcomer([](int fd, int timeout_ms) {
    pollfd waited{fd, POLLIN, 0};
    return fd < 0 || ::poll(&waited, 1, timeout_ms) < 0;
  });
  const auto entered = newcomer.enter();
  CHECK(entered.status().code == 403);
  CHECK(entered.status().message.find(kMessage) != std::string::npos);
}

TEST_CASE("a wait that was interrupted is no answer") {
  int waits = 0;
  Newcomer newcomer([&](int fd, int timeout_ms) {
    if (++waits == 1) return false;
    pollfd waited{fd, POLLIN, 0};
    return fd < 0 || ::poll(&waited, 1, timeout_ms) < 0;
  });
  CHECK(newcomer.enter().status().code == 403);
  CHECK(waits == 2);
}

// Only the leader can tell the two apart: a newcomer was once taken for a server that was removed,
// by one that had not heard of it yet.
TEST_CASE("who has the log and is no member was removed, who has none is a newcomer") {
  Newcomer first(
      [](int fd, int timeout_ms) {
        pollfd waited{fd, POLLIN, 0};
        return fd >= 0 && ::poll(&waited, 1, timeout_ms) < 0;
      },
      true);
  REQUIRE(first.enter());
  const auto removed = first.serve(9, true);
  CHECK(removed.status().code == 403);
  CHECK(removed.status().message.find("was removed from the cluster") != std::string::npos);
  REQUIRE(first.serve(9, false));
  CHECK(first.serve(9, true));
}

TEST_CASE("a name that no server would have is not written to the log") {
  Newcomer newcomer([](int, int) { return true; });
  for (const std::string& name : {std::string(), std::string("a\nb"), std::string(300, 'a')}) {
    const auto served = newcomer.serve(name);
    CHECK(served.status().code == 400);
    CHECK(served.status().message == "name: malformed");
  }
}

}  // namespace orch::cluster
