// The command line, the environment and the file, and who wins.
#include "cli/command_line.h"

#include <stdlib.h>

#include <catch2/catch_test_macros.hpp>

#include "base/files.h"
#include "cli/process.h"

namespace orch::cli {
namespace {

Parsed parse(std::vector<std::string> words) {
  words.insert(words.begin(), "orch");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

// A configuration file in a folder of its own.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) {
    REQUIRE(::mkdtemp(dir_) != nullptr);
    REQUIRE(write_file_atomic(path(), text));
  }
  ~ConfigFile() { CHECK(remove_tree(dir_)); }
  std::string path() const { return std::string(dir_) + "/config.yaml"; }
  void add_drop_in(const std::string& name, const std::string& text) const {
    REQUIRE(make_dirs(path() + ".d"));
    REQUIRE(write_file_atomic(path() + ".d/" + name, text));
  }

 private:
  char dir_[32] = "/tmp/orch-cli.XXXXXX";
};

TEST_CASE("verbs and their defaults") {
  ConfigFile empty("");
  const Parsed server = parse({"server", "--config", empty.path()});
  REQUIRE(server.command);
  CHECK(server.command->verb == Command::Verb::server);
  CHECK(server.command->server.https_listen_port == 6443);
  CHECK(server.command->server.cluster_cidr == "10.42.0.0/16");
  CHECK(server.command->server.node.data_dir == "/var/lib/orch");
  CHECK(parse({"version"}).command->verb == Command::Verb::version);
  CHECK(parse({"image", "import", "a.tar"}).command->image.archives.size() == 1);
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{},
                                             {"serve"},
                                             {"server", "--no-such-flag"},
                                             {"image"},
                                             {"image", "import"},
                                             {"server", "--https-listen-port", "x"}})
    CHECK(parse(bad).exit_code == 2);
  CHECK(parse({"--help"}).exit_code == 0);
}

TEST_CASE("servers begin, join and are looked after") {
  ConfigFile empty("");
  const Parsed first = parse({"server", "--config", empty.path(), "--cluster-init"});
  REQUIRE(first.command);
  CHECK(first.command->server.cluster_init);
  ConfigFile joined("server: https://10.0.0.1:6443\ntoken: K10x\n");
  const Parsed second = parse({"server", "--config", joined.path()});
  REQUIRE(second.command);
  CHECK(second.command->server.server == "https://10.0.0.1:6443");
  CHECK_FALSE(second.command->server.cluster_init);
  CHECK(parse({"member", "list"}).command->verb == Command::Verb::member_list);
  const Parsed removal = parse({"member", "remove", "two", "--server", "https://10.0.0.3:6443"});
  REQUIRE(removal.command);
  CHECK(removal.command->verb == Command::Verb::member_remove);
  CHECK(removal.command->member.member == "two");
  CHECK(removal.command->member.server == "https://10.0.0.3:6443");
  CHECK(parse({"member", "promote", "two"}).command->verb == Command::Verb::member_promote);
  CHECK(parse({"member"}).exit_code == 2);
  CHECK(parse({"member", "remove"}).exit_code == 2);
}

TEST_CASE("the command line wins over the environment, that over the file") {
  ConfigFile file(
      "cluster-domain: file.local\nservice-cidr: 10.1.0.0/16\ndata-dir: /from/file\n"
      "tls-san: [a, b]\ndisable-agent: true\ndisable-scheduler: true\nhttps-listen-port: 7443\n");
  ::setenv("ORCH_SERVICE_CIDR", "10.2.0.0/16", 1);
  ::setenv("ORCH_DATA_DIR", "/from/env", 1);
  const Parsed parsed = parse({"server", "--config", file.path(), "--data-dir", "/from/line"});
  ::unsetenv("ORCH_SERVICE_CIDR");
  ::unsetenv("ORCH_DATA_DIR");
  REQUIRE(parsed.command);
  const ServerOptions& server = parsed.command->server;
  CHECK(server.cluster_domain == "file.local");
  CHECK(server.service_cidr == "10.2.0.0/16");
  CHECK(server.node.data_dir == "/from/line");
  CHECK(server.tls_sans == std::vector<std::string>{"a", "b"});
  CHECK(server.disable_agent);
  CHECK(server.disable_scheduler);
  CHECK_FALSE(server.disable_controller_manager);
  CHECK(server.https_listen_port == 7443);
}

TEST_CASE("drop-ins come after the file, the last one wins") {
  ConfigFile file("cluster-domain: one\nnode-name: n\n");
  file.add_drop_in("10-a.yaml", "cluster-domain: two\n");
  file.add_drop_in("20-b.yaml", "cluster-domain: three\n");
  const Parsed parsed = parse({"server", "--config", file.path()});
  REQUIRE(parsed.command);
  CHECK(parsed.command->server.cluster_domain == "three");
  CHECK(parsed.command->server.node.node_name == "n");
}

TEST_CASE("a configuration file that is wrong is refused") {
  for (const char* bad : {"data-dri: /x\n", "- a\n", "a: b: c\n", "tls-san: {a: b}\n",
                          "https-listen-port: many\n", "config: other\n"}) {
    INFO(bad);
    ConfigFile file(bad);
    CHECK(parse({"server", "--config", file.path()}).exit_code == 2);
  }
  CHECK(parse({"server", "--config", "/no/such/file.yaml"}).exit_code == 2);
}

TEST_CASE("flags are checked in words that name them") {
  CHECK(parse_port_range("30000-32767")->last == 32767);
  for (const char* bad : {"", "1", "5-4", "0-1", "1-70000", "a-b"})
    CHECK_FALSE(parse_port_range(bad));
  CHECK(cidr_flag("--service-cidr", "10.43.0.0").status().message.find("--service-cidr") == 0);
  NodeOptions node;
  node.node_labels = {"a=b", "c="};
  CHECK(node_labels(node)->at(1).second.empty());
  node.node_labels = {"=b"};
  CHECK_FALSE(node_labels(node));
}

}  // namespace
}  // namespace orch::cli
