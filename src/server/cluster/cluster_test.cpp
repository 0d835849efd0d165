// What a cluster's servers say of themselves and to each other, without any server: ids and
// certificates, contacts, the welcome, what may be removed.
#include <stdlib.h>
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>

#include "base/files.h"
#include "server/cluster/contacts.h"
#include "server/cluster/enrollment.h"
#include "server/cluster/identity.h"
#include "server/cluster/members.h"
#include "server/cluster/welcome.h"

namespace orch::cluster {
namespace {

class Folder {
 public:
  Folder() { REQUIRE(::mkdtemp(path_) != nullptr); }
  ~Folder() { CHECK(remove_tree(path_)); }
  std::string path() const { return path_; }

 private:
  char path_[32] = "/tmp/orch-cluster.XXXXXX";
};

const crypto::Identity& test_ca() {
  static const crypto::Identity made = crypto::make_ca("orch-ca", 10, system_clock()).value();
  return made;
}

http::Peer peer_of(const std::string& certificate) {
  const auto info = crypto::certificate_info(certificate).value();
  return {"10.0.0.1:4000", true, info.common_name, info.organizations};
}

TEST_CASE("identity: ids are 16 hex digits and never 0") {
  CHECK(id_text(0xab) == "00000000000000ab");
  CHECK(parse_id("00000000000000ab") == 0xab);
  for (const char* bad : {"", "ab", "00000000000000AB", "0000000000000000", "00000000000000abc",
                          "00000000000000g0"}) {
    CHECK_FALSE(parse_id(bad));
  }
}

TEST_CASE("identity: a server keeps its key and id, and renews its certificate in time") {
  Folder folder;
  FakeClock clock(system_clock().now());
  const auto first = open_identity(folder.path(), test_ca(), clock).value();
  CHECK(server_of(peer_of(first.peer.certificate)) == first.id);
  CHECK(open_identity(folder.path(), test_ca(), clock)->peer.certificate == first.peer.certificate);
  clock.advance(std::chrono::hours(24 * 300));
  const auto renewed = open_identity(folder.path(), test_ca(), clock).value();
  CHECK(renewed.id == first.id);
  CHECK(renewed.peer.private_key == first.peer.private_key);
  CHECK(renewed.peer.certificate != first.peer.certificate);
  for (const char* name : {"/peer.key", "/peer.crt"}) {
    struct stat info {};
    REQUIRE(::stat((folder.path() + name).c_str(), &info) == 0);
    CHECK((info.st_mode & 077) == 0);
  }
}

TEST_CASE("identity: nobody but a server is one") {
  const std::string name = "orch:server:00000000000000ab";
  CHECK(server_of({"", true, name, {"orch:servers"}}) == 0xab);
  CHECK_FALSE(server_of({"", false, name, {"orch:servers"}}));
  CHECK_FALSE(server_of({"", true, name, {"system:masters"}}));
  CHECK_FALSE(server_of({"", true, name, {"orch:servers", "system:nodes"}}));
  CHECK_FALSE(server_of({"", true, name, {}}));
  CHECK_FALSE(server_of({"", true, "system:node:a", {"orch:servers"}}));
  CHECK_FALSE(server_of({"", true, "orch:server:ab", {"orch:servers"}}));
}

TEST_CASE("contacts: what a server says last of itself counts, wherever it comes from") {
  Folder folder;
  const std::string path = folder.path() + "/contacts.json";
  const auto contacts = Contacts::open(path).value();
  REQUIRE(contacts->announce(1, "a", "10.0.0.1:6443"));
  REQUIRE(contacts->announce(1, "a", "10.0.0.1:6443"));
  CHECK(contacts->find(1)->edition == 1);
  REQUIRE(contacts->announce(1, "a", "10.0.0.9:6443"));
  CHECK(contacts->find(1)->edition == 2);
  // Of itself it knows best.
  REQUIRE(contacts->learn(std::vector<Contact>{{1, "a", "10.0.0.1:6443", 7}}));
  CHECK(contacts->find(1)->address == "10.0.0.9:6443");

  REQUIRE(contacts->learn(std::vector<Contact>{{2, "b", "10.0.0.2:6443", 3}}));
  REQUIRE(contacts->learn(std::vector<Contact>{{2, "b", "10.0.0.3:6443", 2}}));
  CHECK(contacts->find(2)->address == "10.0.0.2:6443");
  REQUIRE(contacts->learn(std::vector<Contact>{{2, "b", "10.0.0.4:6443", 4}}));
  CHECK(contacts->find(2)->address == "10.0.0.4:6443");

  CHECK(Contacts::open(path).value()->all() == contacts->all());
  REQUIRE(contacts->keep_only(std::vector<uint64_t>{}));
  CHECK(contacts->all() == std::vector<Contact>{{1, "a", "10.0.0.9:6443", 2}});
}

TEST_CASE("contacts: only what a server would have written is read") {
  const std::vector<Contact> good = {{1, "a", "10.0.0.1:6443", 1}, {2, "b", "h:1", 9}};
  CHECK(parse_contacts(render_contacts(good)).value() == good);
  const std::string id = "00000000000000ab";
  for (const std::string& bad : {
           std::string("["),
           std::string(R"([{"id":"1","name":"a","address":"h:1","edition":1}])"),
           R"([{"id":")" + id + R"(","name":"","address":"h:1","edition":1}])",
           R"([{"id":")" + id + R"(","name":"a b","address":"h:1","edition":1}])",
           R"([{"id":")" + id + R"(","name":"a","address":"h:1\r\nX: y","edition":1}])",
           R"([{"id":")" + id + R"(","name":"a","address":"h:1","edition":-1}])",
       }) {
    CHECK_FALSE(parse_contacts(bad));
  }
  CHECK_FALSE(parse_contacts(render_contacts(std::vector<Contact>(65, good[0]))));
}

TEST_CASE("enrollment: is there after a start, and not where there was none") {
  Folder folder;
  CHECK(read_enrollment(folder.path()).value() == std::nullopt);
  const Enrollment made{new_cluster_number(system_random()), true, {"10.1.0.0/16"}};
  REQUIRE(write_enrollment(folder.path(), made));
  CHECK(read_enrollment(folder.path()).value() == made);
  REQUIRE(write_file_atomic(member_dir(folder.path()) + "/enrollment.json", "{}"));
  CHECK_FALSE(read_enrollment(folder.path()));
}

Welcome test_welcome() {
  return {"00000000000000cd", 7, {}, {{7, "a", "h:1", 1}}, {{"tls/ca.crt", "C"}, {"token", "t"}}};
}

TEST_CASE("welcome: opens with the secret and the nonce that it was made for alone") {
  const std::string sealed = seal_welcome(test_welcome(), "secret", "nonce", system_random());
  CHECK(open_welcome(sealed, "secret", "nonce").value() == test_welcome());
  CHECK_FALSE(open_welcome(sealed, "Secret", "nonce"));
  CHECK_FALSE(open_welcome(sealed, "secret", "another"));
  std::string altered = sealed;
  altered[40] = altered[40] == 'A' ? 'B' : 'A';
  CHECK_FALSE(open_welcome(altered, "secret", "nonce"));
  // What a nodes' token shows is another proof.
  CHECK(proof_of("secret") != proof_of("another"));
}

TEST_CASE("welcome: what servers share through a datastore opens with their secret alone") {
  const Shared shared{{.cluster_domain = "c.example"}, {{"tls/ca.crt", "C"}, {"token", "t"}}};
  const std::string sealed = seal_shared(shared, "secret", system_random());
  CHECK(open_shared(sealed, "secret").value() == shared);
  CHECK(open_shared(sealed, "Secret").status().code == 403);
  CHECK(open_shared("", "secret").status().code == 403);
  // A welcome is bound to the number of who asked.
  CHECK_FALSE(open_welcome(sealed, "secret", "nonce"));
}

TEST_CASE("welcome: a file outside of what is shared is refused") {
  Welcome welcome = test_welcome();
  welcome.files.push_back({"../../etc/passwd", "x"});
  CHECK_FALSE(open_welcome(seal_welcome(welcome, "s", "n", system_random()), "s", "n"));
}

TEST_CASE("welcome: what one data directory shares another one has, and is enrolled") {
  Folder from, to;
  const char* const names[] = {"tls/ca.crt",
                               "tls/ca.key",
                               "tls/service-account.key",
                               "tls/service-account.pub",
                               "tls/admin.token",
                               "token",
                               "server-token",
                               "encryption-config.json"};
  REQUIRE(make_dirs(from.path() + "/server/tls"));
  const std::string config = from.path() + "/server/encryption-config.json";
  CHECK_FALSE(read_shared(from.path(), config));
  for (const char* name : names) {
    REQUIRE(write_file_atomic(from.path() + "/server/" + name, std::string("of ") + name));
  }
  Welcome welcome = test_welcome();
  welcome.files = read_shared(from.path(), config).value();
  // A key that was there already would be another id's than its new certificate.
  REQUIRE(make_dirs(to.path() + "/server/tls"));
  REQUIRE(write_file_atomic(to.path() + "/server/tls/peer.crt", "old"));
  REQUIRE(settle_in(to.path(), welcome));
  for (const char* name : names) {
    CHECK(read_file(to.path() + "/server/" + name).value() == std::string("of ") + name);
  }
  CHECK_FALSE(file_exists(to.path() + "/server/tls/peer.crt"));
  CHECK(read_enrollment(to.path()).value() == Enrollment{welcome.cluster, false, welcome.facts});
  CHECK(Contacts::open(contacts_path(to.path())).value()->find(7)->address == "h:1");
}

std::vector<Server> three(State a, State b, State c) {
  return {{1, "a", "h:1", true, true, a},
          {2, "b", "h:2", true, false, b},
          {3, "c", "h:3", true, false, c}};
}

TEST_CASE("members: servers are called what they call themselves") {
  const std::vector<store::Member> members = {{2, "old:1", false}, {1, "h:1", true}};
  const auto servers = list_servers(members, {{2, "a", "new:1", 3}, {9, "x", "y", 1}}, 1);
  REQUIRE(servers.size() == 2);
  CHECK(servers[0].id == 1);
  CHECK(servers[0].leads);
  CHECK(servers[1].address == "new:1");
  CHECK(api::to_json(members_value(servers)) ==
        R"({"members":[{"id":"0000000000000001","name":"","address":"h:1","role":"voter",)"
        R"("leader":true,"status":"Unreachable"},{"id":"0000000000000002","name":"a",)"
        R"("address":"new:1","role":"learner","leader":false,"status":"Unreachable"}]})");
}

TEST_CASE("members: a server is found by its name or its id") {
  auto servers = three(State::ready, State::ready, State::ready);
  CHECK(find_server(servers, "b")->id == 2);
  CHECK(find_server(servers, "0000000000000003")->name == "c");
  CHECK(find_server(servers, "d").status().not_found());
  CHECK(find_server(servers, "").status().not_found());
  servers[2].name = "b";
  CHECK(find_server(servers, "b").status().conflict());
}

TEST_CASE("members: no removal that leaves too few that answer") {
  const auto up = State::ready, tired = State::not_ready, down = State::unreachable;
  CHECK(check_removal(three(up, up, up), 1));
  CHECK(check_removal(three(up, tired, down), 3));
  CHECK(check_removal(three(up, up, down), 1).status().conflict());
  CHECK(check_removal(three(up, down, down), 3).status().conflict());
  auto two = three(up, up, up);
  two[2].voter = false;
  CHECK(check_removal(two, 3));  // A learner counts for nothing.
  CHECK(check_removal(two, 1));
  two[1].state = down;
  CHECK_FALSE(check_removal(two, 1));
  two[1].voter = false;
  CHECK(check_removal(two, 1).status().message.find("last voter") != std::string::npos);
}

TEST_CASE("members: a name is one server's") {
  const auto servers = three(State::ready, State::ready, State::ready);
  CHECK(check_name(servers, 0, "d"));
  CHECK(check_name(servers, 2, "b"));
  CHECK(check_name(servers, 0, "b").status().already_exists());
}

}  // namespace
}  // namespace orch::cluster
