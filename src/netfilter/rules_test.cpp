// Golden tests: each file of tests/golden/netfilter is a description of services, a line "----",
// and the rules that they must become. ORCH_REWRITE_GOLDEN=1 writes the second half anew.
#include "netfilter/rules.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/files.h"
#include "base/strings.h"

namespace orch::netfilter {
namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "tests" / "golden" /
    "netfilter";

NodeNet test_node() {
  NodeNet node;
  node.pod_cidr = *parse_cidr("10.42.0.0/24");
  node.cluster_cidr = *parse_cidr("10.42.0.0/16");
  node.service_cidr = *parse_cidr("10.43.0.0/16");
  return node;
}

// "10.42.0.5:8080" with "*" behind it when it is on this node.
Endpoint parse_endpoint(std::string_view text) {
  Endpoint endpoint;
  if (text.ends_with('*')) {
    endpoint.local = true;
    text.remove_suffix(1);
  }
  const size_t colon = text.find(':');
  endpoint.ip = parse_ipv4(text.substr(0, colon)).value();
  endpoint.port = static_cast<uint16_t>(parse_int(text.substr(colon + 1)).value());
  return endpoint;
}

// service default/web:http tcp 10.43.0.10:80 node-port=30080 affinity=10800 external=192.0.2.1
//   internal-local external-local -> 10.42.0.5:8080* 10.42.1.5:8080      (all on one line)
Service parse_service(std::string_view line) {
  const auto words = split(line, ' ');
  REQUIRE(words.size() >= 4);
  Service service;
  service.name = words[1];
  service.protocol = words[2] == "udp" ? Protocol::udp : Protocol::tcp;
  const Endpoint door = parse_endpoint(words[3]);
  service.cluster_ip = door.ip;
  service.port = door.port;
  bool endpoints = false;
  for (size_t i = 4; i < words.size(); ++i) {
    const std::string_view word = words[i];
    const std::string_view value = word.substr(word.find('=') + 1);
    if (endpoints) {
      service.endpoints.push_back(parse_endpoint(word));
    } else if (word == "->") {
      endpoints = true;
    } else if (word.starts_with("node-port=")) {
      service.node_port = static_cast<uint16_t>(parse_int(value).value());
    } else if (word.starts_with("affinity=")) {
      service.session_affinity_s = static_cast<uint32_t>(parse_int(value).value());
    } else if (word.starts_with("external=")) {
      service.external_ips.push_back(parse_ipv4(value).value());
    } else if (word == "internal-local") {
      service.internal_traffic_local = true;
    } else if (word == "external-local") {
      service.external_traffic_local = true;
    } else {
      FAIL("unknown word: " << word);
    }
  }
  return service;
}

// host-port default/web tcp 192.0.2.1:8080 10.42.0.5:80      (the first address 0.0.0.0: any)
HostPort parse_host_port(std::string_view line) {
  const auto words = split(line, ' ');
  REQUIRE(words.size() == 5);
  const Endpoint door = parse_endpoint(words[3]), pod = parse_endpoint(words[4]);
  return {std::string(words[1]),
          words[2] == "udp" ? Protocol::udp : Protocol::tcp,
          door.ip,
          door.port,
          pod.ip,
          pod.port};
}

ServiceTable parse_services(std::string_view text) {
  ServiceTable table;
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with("service ")) table.services.push_back(parse_service(line));
    if (line.starts_with("host-port ")) table.host_ports.push_back(parse_host_port(line));
  }
  return table;
}

std::string render(const Tables& tables) {
  return render_table(tables.nat) + render_table(tables.filter);
}

size_t count_rules(const Table& table) {
  size_t count = 0;
  for (const Chain& chain : table.chains) count += chain.rules.size();
  return count;
}

TEST_CASE("rules: golden tables") {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden)) {
    if (entry.path().extension() != ".txt") continue;
    ++files;
    const std::string path = entry.path().string();
    CAPTURE(path);
    const std::string content = read_file(path).value();
    const std::string mark = "----\n";
    const size_t at = content.find(mark);
    const std::string input = content.substr(0, at);
    const std::string actual = render(rules(parse_services(input), test_node()));
    if (std::getenv("ORCH_REWRITE_GOLDEN")) {
      REQUIRE(write_file_atomic(path, input + mark + actual, 0644));
      continue;
    }
    REQUIRE(at != std::string::npos);
    CHECK(content.substr(at + mark.size()) == actual);
  }
  CHECK(files >= 5);
}

ServiceTable many_services(int count) {
  ServiceTable table;
  for (int i = 0; i < count; ++i) {
    Service service;
    service.name = "ns/svc-" + std::to_string(i) + ":http";
    service.cluster_ip = test_node().service_cidr.at(static_cast<uint32_t>(1 + i * 6));
    service.port = 80;
    if (i % 4 == 0) service.node_port = static_cast<uint16_t>(30000 + i / 4);
    for (uint32_t e = 1; e <= 3; ++e)
      service.endpoints.push_back({parse_cidr("10.42.1.0/24")->at(e), 8080, false});
    table.services.push_back(service);
  }
  return table;
}

TEST_CASE("rules: the order of the input does not matter, and names are stable") {
  ServiceTable table = many_services(50);
  const Tables first = rules(table, test_node());
  std::reverse(table.services.begin(), table.services.end());
  for (Service& service : table.services)
    std::reverse(service.endpoints.begin(), service.endpoints.end());
  CHECK(rules(table, test_node()) == first);
  CHECK(std::is_sorted(first.nat.chains.begin(), first.nat.chains.end(),
                       [](const Chain& a, const Chain& b) { return a.name < b.name; }));

  // One service less leaves all other services' chains as they were.
  table.services.erase(table.services.begin());
  size_t gone = 0;
  const Tables second = rules(table, test_node());
  for (const Chain& chain : first.nat.chains) {
    if (!chain.name.starts_with("ORCH-SVC-")) continue;
    gone += std::find(second.nat.chains.begin(), second.nat.chains.end(), chain) ==
            second.nat.chains.end();
  }
  CHECK(gone == 1);
}

// The most rules that a new connection can be compared with, from `name` down.
size_t longest_walk(const Table& table, const std::string& name) {
  const auto chain = std::find_if(table.chains.begin(), table.chains.end(),
                                  [&](const Chain& c) { return c.name == name; });
  REQUIRE(chain != table.chains.end());
  size_t deepest = 0;
  for (const Rule& rule : chain->rules) {
    const auto* jump = std::get_if<Jump>(&rule.target);
    if (jump && !jump->chain.starts_with("ORCH-SVC-") && !jump->chain.starts_with("ORCH-EXT-"))
      deepest = std::max(deepest, longest_walk(table, jump->chain));
  }
  return chain->rules.size() + deepest;
}

TEST_CASE("rules: a connection meets few rules, however many services there are") {
  const Tables tables = rules(many_services(10'000), test_node());
  CHECK(count_rules(tables.nat) > 30'000);
  CHECK(longest_walk(tables.nat, "ORCH-CLUSTERIP") < 40);
  CHECK(longest_walk(tables.nat, "ORCH-NODEPORTS") < 40);
}

TEST_CASE("rules: every jump has its chain, every chain is jumped to") {
  ServiceTable table = many_services(300);
  for (size_t i = 0; i < table.services.size(); ++i) {
    Service& service = table.services[i];
    service.internal_traffic_local = i % 2 == 0;
    service.external_traffic_local = i % 3 == 0;
    service.session_affinity_s = i % 5 == 0 ? 60 : 0;
    for (Endpoint& endpoint : service.endpoints) endpoint.local = (i + endpoint.ip.value) % 7 == 0;
    if (i % 11 == 0) service.endpoints.clear();
    if (i % 13 == 0) service.external_ips = {Ipv4{0xc0000200 + static_cast<uint32_t>(i)}};
  }
  const Tables tables = rules(table, test_node());
  for (const Table* one : {&tables.nat, &tables.filter}) {
    std::set<std::string> chains, jumps;
    for (const Chain& chain : one->chains) {
      chains.insert(chain.name);
      CHECK(chain.name.size() <= 28);
    }
    for (const auto* group : {&one->jumps, &one->chains}) {
      for (const Chain& chain : *group) {
        for (const Rule& rule : chain.rules) {
          if (const auto* jump = std::get_if<Jump>(&rule.target)) jumps.insert(jump->chain);
        }
      }
    }
    CHECK(chains == jumps);
  }
}

TEST_CASE("rules: the choice is even") {
  // Chances along the chain: 1/n, then 1/(n-1) of what is left, ...
  for (size_t endpoints = 1; endpoints <= 9; ++endpoints) {
    Service service{.name = "a/b:c", .cluster_ip = *parse_ipv4("10.43.0.1"), .port = 80};
    for (uint32_t e = 0; e < endpoints; ++e)
      service.endpoints.push_back({Ipv4{0x0a2a0101 + e}, 80, false});
    const Tables tables = rules({{service}}, test_node());
    for (const Chain& chain : tables.nat.chains) {
      if (!chain.name.starts_with("ORCH-SVC-")) continue;
      REQUIRE(chain.rules.size() == endpoints);
      double left = 1;
      for (const Rule& rule : chain.rules) {
        const uint32_t p = rule.match.probability;
        const double share = left * (p == 0 ? 1.0 : p / 2147483648.0);
        CHECK(share > 1.0 / static_cast<double>(endpoints) - 1e-8);
        CHECK(share < 1.0 / static_cast<double>(endpoints) + 1e-8);
        left -= share;
      }
    }
  }
}

}  // namespace
}  // namespace orch::netfilter
