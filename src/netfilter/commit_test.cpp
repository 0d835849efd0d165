// The real thing: a node, its pods and a stranger as network namespaces of this test, the rules in
// the kernel, real connections. iptables-legacy-save must print what render_table says.
#include "netfilter/commit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "base/fd.h"
#include "base/files.h"
#include "base/strings.h"
#include "netfilter/conntrack.h"

namespace orch::netfilter {
namespace {

Ipv4 ip(const char* text) { return parse_ipv4(text).value(); }

// Runs a command of the test's own in the calling thread's network namespace; its output.
std::string shell(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  REQUIRE(pipe);
  std::string out;
  char buffer[4096];
  while (const size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
  const int status = ::pclose(pipe);
  CAPTURE(command, out);
  REQUIRE(status == 0);
  return out;
}

bool has_tools() {
  return ::geteuid() == 0 && std::system(
                                 "command -v ip iptables-legacy iptables-legacy-save "
                                 "nsenter >/dev/null 2>&1") == 0;
}

class Netns {
 public:
  Netns() {
    std::thread([this] {
      ORCH_CHECK(::unshare(CLONE_NEWNET) == 0);
      fd_ = UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }).join();
  }
  std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_.get());
  }
  void enter() const { ORCH_CHECK(::setns(fd_.get(), CLONE_NEWNET) == 0); }
  void run(const std::function<void()>& work) const {
    std::thread([&] {
      enter();
      work();
    }).join();
  }

 private:
  UniqueFd fd_;
};

sockaddr_in to_sockaddr(Ipv4 address, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(address.value);
  return out;
}

UniqueFd make_socket(const Netns& netns, int type) {
  UniqueFd fd;
  netns.run([&] { fd = UniqueFd(::socket(AF_INET, type | SOCK_CLOEXEC, 0)); });
  ORCH_CHECK(fd.valid());
  const timeval patience{3, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return fd;
}

// Servers in several namespaces; each says "<name> <client's address>" over TCP and UDP on 8080.
class Servers {
 public:
  Servers() { ORCH_CHECK(::pipe2(stop_, O_CLOEXEC) == 0); }
  ~Servers() {
    ::close(stop_[1]);
    if (thread_.joinable()) thread_.join();
    ::close(stop_[0]);
  }
  void add(const std::string& name, const Netns& netns) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      UniqueFd fd = make_socket(netns, type);
      const sockaddr_in any = to_sockaddr({}, 8080);
      ORCH_CHECK(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
      if (type == SOCK_STREAM) ORCH_CHECK(::listen(fd.get(), 128) == 0);
      sockets_.push_back({std::move(fd), type, name});
    }
  }
  void start() {
    thread_ = std::thread([this] { serve(); });
  }

 private:
  struct Socket {
    UniqueFd fd;
    int type;
    std::string name;
  };

  void serve() {
    std::vector<pollfd> fds = {{stop_[0], POLLIN, 0}};
    for (const Socket& socket : sockets_) fds.push_back({socket.fd.get(), POLLIN, 0});
    for (;;) {
      ::poll(fds.data(), fds.size(), -1);
      if (fds[0].revents) return;
      for (size_t i = 0; i < sockets_.size(); ++i) {
        if (fds[i + 1].revents) answer(sockets_[i]);
      }
    }
  }
  static void answer(const Socket& socket) {
    sockaddr_in from{};
    socklen_t length = sizeof from;
    auto* generic = reinterpret_cast<sockaddr*>(&from);
    const auto words = [&] { return socket.name + " " + Ipv4{ntohl(from.sin_addr.s_addr)}.text(); };
    if (socket.type == SOCK_STREAM) {
      const UniqueFd client(::accept4(socket.fd.get(), generic, &length, SOCK_CLOEXEC));
      const std::string text = words();
      ::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
      return;
    }
    char buffer[64];
    if (::recvfrom(socket.fd.get(), buffer, sizeof buffer, 0, generic, &length) < 0) return;
    const std::string text = words();
    ::sendto(socket.fd.get(), text.data(), text.size(), 0, generic, length);
  }

  int stop_[2];
  std::vector<Socket> sockets_;
  std::thread thread_;
};

// What `fd` hears after connecting (and, over UDP, sending a byte); "refused" or "silence".
std::string hear(int fd, int type, Ipv4 address, uint16_t port) {
  const sockaddr_in to = to_sockaddr(address, port);
  // A UDP sender on the node itself hears EPERM from its own output chain.
  const auto failure = [] {
    return errno == ECONNREFUSED || errno == EPERM ? "refused" : "silence";
  };
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return failure();
  if (type == SOCK_DGRAM && ::send(fd, "?", 1, 0) != 1) return failure();
  char buffer[64];
  const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
  return got < 0 ? failure() : std::string(buffer, static_cast<size_t>(got));
}

std::string ask(const Netns& from, int type, const char* address, uint16_t port) {
  const UniqueFd fd = make_socket(from, type);
  return hear(fd.get(), type, ip(address), port);
}

// Node 10.42.0.1 with pods a .5, b .6, c .7 and d .9 on its bridge; a stranger 192.0.2.2 outside.
class World {
 public:
  World() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    node.enter();
    shell(
        "ip link set lo up && ip link add orch0 type bridge && ip link set orch0 up && "
        "ip addr add 10.42.0.1/24 dev orch0 && ip route add 10.43.0.0/16 dev orch0 src 10.42.0.1 "
        "&& echo 1 > /proc/sys/net/ipv4/ip_forward && "
        "for i in all orch0; do echo 0 > /proc/sys/net/ipv4/conf/$i/send_redirects; done");
    if (file_exists("/proc/sys/net/bridge/bridge-nf-call-iptables"))
      shell("echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    connect(a, "a", "10.42.0.5");
    connect(b, "b", "10.42.0.6");
    connect(c, "c", "10.42.0.7");
    connect(d, "d", "10.42.0.9");
    shell("ip link add out type veth peer name eth0 netns " + stranger.path() +
          " && ip link set out up && ip addr add 192.0.2.1/24 dev out");
    inside(stranger,
           "ip link set lo up && ip link set eth0 up && ip addr add 192.0.2.2/24 dev eth0");
    servers_.add("a", a);
    servers_.add("b", b);
    servers_.add("c", c);
    servers_.add("stranger", stranger);
    servers_.start();
  }
  ~World() { ORCH_CHECK(::setns(before_.get(), CLONE_NEWNET) == 0); }

  const Netns node, a, b, c, d, stranger;
  const std::string lock =
      std::filesystem::temp_directory_path() / ("orch-test-lock." + std::to_string(::getpid()));

  CommitReport commit(const ServiceTable& table) const {
    const auto report = commit_tables(rules(table, net()), lock);
    std::filesystem::remove(lock);
    if (!report) FAIL(report.status().message);
    return *report;
  }
  static NodeNet net() {
    NodeNet net;
    net.pod_cidr = *parse_cidr("10.42.0.0/24");
    net.cluster_cidr = *parse_cidr("10.42.0.0/16");
    net.service_cidr = *parse_cidr("10.43.0.0/16");
    return net;
  }

 private:
  static void inside(const Netns& netns, const std::string& command) {
    shell("nsenter --net=" + netns.path() + " sh -c '" + command + "'");
  }
  void connect(const Netns& pod, const std::string& name, const std::string& address) {
    const std::string port = "veth-" + name;
    shell("ip link add " + port + " type veth peer name eth0 netns " + pod.path() +
          " && ip link set " + port + " master orch0 up && bridge link set dev " + port +
          " hairpin on");
    inside(pod, "ip link set lo up && ip link set eth0 up && ip addr add " + address +
                    "/24 dev eth0 && ip route add default via 10.42.0.1");
  }

  UniqueFd before_;
  Servers servers_;
};

Service make_service(const char* name, const char* address, Protocol protocol = Protocol::tcp) {
  Service service;
  service.name = name;
  service.protocol = protocol;
  service.cluster_ip = ip(address);
  service.port = 80;
  return service;
}

Endpoint endpoint(const char* address, bool local = true) { return {ip(address), 8080, local}; }

// The lines of iptables-legacy-save that are about chains of ours or rules, without built-ins.
std::vector<std::string> saved(const std::string& table) {
  std::vector<std::string> out;
  const std::string text = shell("iptables-legacy-save -t " + table);
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with(":ORCH-")) {
      out.push_back(std::string(line.substr(0, line.find('['))) + "[0:0]");  // Counters aside.
    } else if (line.starts_with("-A ")) {
      out.emplace_back(line);
    }
  }
  return out;
}

std::vector<std::string> expected(const Table& table) {
  std::vector<std::string> out;
  const std::string text = render_table(table);
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with(":") || line.starts_with("-A ")) out.emplace_back(line);
  }
  return out;
}

ServiceTable varied_services() {
  ServiceTable table;
  for (int i = 0; i < 30; ++i) {
    Service service = make_service("ns/svc:p", "10.43.0.1", i % 3 ? Protocol::tcp : Protocol::udp);
    service.name = "ns/svc-" + std::to_string(i) + ":p";
    service.cluster_ip = ip("10.43.1.0");
    service.cluster_ip.value += static_cast<uint32_t>(i * 9);
    if (i % 2) service.node_port = static_cast<uint16_t>(30000 + i);
    if (i % 5 == 0) service.external_ips = {Ipv4{0xc6336400 + static_cast<uint32_t>(i)}};
    if (i % 7 == 0) service.session_affinity_s = 600;
    service.internal_traffic_local = i % 11 == 0;
    service.external_traffic_local = i % 4 == 1;
    for (int e = 0; e < i % 6; ++e)
      service.endpoints.push_back(
          {Ipv4{0x0a2a0000 + static_cast<uint32_t>(i * 8 + e)}, 8080, e == 1});
    table.services.push_back(service);
  }
  return table;
}

TEST_CASE("commit: the kernel holds exactly what the rules say, and what others wrote") {
  if (!has_tools()) SKIP("needs root, ip, nsenter and iptables-legacy");
  const World world;
  shell(
      "iptables-legacy -t nat -N FOREIGN && iptables-legacy -t nat -A PREROUTING -p tcp --dport 9 "
      "-j FOREIGN && iptables-legacy -A FORWARD -s 203.0.113.0/24 -j DROP");
  const auto foreign_nat = saved("nat"), foreign_filter = saved("filter");

  const Tables tables = rules(varied_services(), World::net());
  const CommitReport first = world.commit(varied_services());
  CHECK((first.nat_changed && first.filter_changed));
  const auto without_foreign = [](std::vector<std::string> lines,
                                  const std::vector<std::string>& foreign) {
    for (const std::string& line : foreign) {
      const auto found = std::find(lines.begin(), lines.end(), line);
      REQUIRE(found != lines.end());
      lines.erase(found);
    }
    return lines;
  };
  CHECK(without_foreign(saved("nat"), foreign_nat) == expected(tables.nat));
  CHECK(without_foreign(saved("filter"), foreign_filter) == expected(tables.filter));

  SECTION("the same again changes nothing") {
    const CommitReport again = world.commit(varied_services());
    CHECK_FALSE(again.nat_changed);
    CHECK_FALSE(again.filter_changed);
  }
  SECTION("one endpoint more changes one table") {
    ServiceTable table = varied_services();
    table.services[10].endpoints.push_back(endpoint("10.42.0.77"));
    const CommitReport more = world.commit(table);
    CHECK(more.nat_changed);
    CHECK_FALSE(more.filter_changed);
    CHECK(without_foreign(saved("nat"), foreign_nat) == expected(rules(table, World::net()).nat));
  }
  SECTION("services that go take their chains along") {
    world.commit({});
    CHECK(without_foreign(saved("nat"), foreign_nat) == expected(rules({}, World::net()).nat));
  }
  SECTION("what somebody broke is mended") {
    shell(
        "iptables-legacy -t nat -F PREROUTING && iptables-legacy -t nat -F ORCH-CLUSTERIP && "
        "iptables-legacy -t nat -A PREROUTING -p tcp --dport 9 -j FOREIGN && "
        "iptables-legacy -A INPUT -j ORCH-FORWARD");
    const CommitReport mended = world.commit(varied_services());
    CHECK((mended.nat_changed && mended.filter_changed));
    CHECK(without_foreign(saved("nat"), foreign_nat) == expected(tables.nat));
    CHECK(without_foreign(saved("filter"), foreign_filter) == expected(tables.filter));
  }
  SECTION("removing leaves the others' alone, twice") {
    for (int i = 0; i < 2; ++i) REQUIRE(remove_all(world.lock).ok());
    CHECK(saved("nat") == foreign_nat);
    CHECK(saved("filter") == foreign_filter);
  }
  std::filesystem::remove(world.lock);
}

TEST_CASE("commit: the lock that can't be taken is said by name") {
  const auto refused = commit_tables(rules({}, World::net()), "/nonexistent/xtables.lock");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().message.find("/nonexistent/xtables.lock") != std::string::npos);
}

TEST_CASE("services: connections reach backends evenly, by every door") {
  if (!has_tools()) SKIP("needs root, ip, nsenter and iptables-legacy");
  const World world;
  Service web = make_service("default/web:http", "10.43.0.10");
  web.node_port = 30080;
  // One of the three as if on another node: DNAT without a chain of its own.
  web.endpoints = {endpoint("10.42.0.5"), endpoint("10.42.0.6"), endpoint("10.42.0.7", false)};
  Service udp = web;
  udp.name = "default/web:udp";
  udp.protocol = Protocol::udp;
  world.commit({{web, udp}});

  struct Door {
    const char* what;
    const Netns& from;
    const char* address;
    uint16_t port;
    const char* seen_as;  // The client's address as the backend sees it.
  };
  const Door doors[] = {
      {"pod to cluster IP", world.d, "10.43.0.10", 80, "10.42.0.9"},
      {"node to cluster IP", world.node, "10.43.0.10", 80, "10.42.0.1"},
      {"stranger to node port", world.stranger, "192.0.2.1", 30080, "10.42.0.1"},
      {"pod to node port", world.d, "10.42.0.1", 30080, "10.42.0.1"},
  };
  for (const Door& door : doors) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      CAPTURE(door.what, type == SOCK_STREAM ? "tcp" : "udp");
      std::map<std::string, int> heard;
      const int rounds = 240;
      for (int i = 0; i < rounds; ++i) ++heard[ask(door.from, type, door.address, door.port)];
      CHECK(heard.size() == 3);
      for (const char* name : {"a", "b", "c"}) {
        const int count = heard[std::string(name) + " " + door.seen_as];
        CHECK(count > 40);  // 80 expected; five standard deviations are 36.
        CHECK(count < 120);
      }
    }
  }
}

TEST_CASE("services: hairpin, affinity, local policy, egress") {
  if (!has_tools()) SKIP("needs root, ip, nsenter and iptables-legacy");
  const World world;
  Service self = make_service("default/self:http", "10.43.0.20");
  self.endpoints = {endpoint("10.42.0.5")};
  Service sticky = make_service("default/sticky:http", "10.43.0.21");
  sticky.session_affinity_s = 600;
  sticky.endpoints = {endpoint("10.42.0.5"), endpoint("10.42.0.6"), endpoint("10.42.0.7")};
  Service near = make_service("default/near:http", "10.43.0.22");
  near.node_port = 30022;
  near.external_traffic_local = true;
  near.endpoints = {endpoint("10.42.0.6"), endpoint("10.42.0.7", false)};
  Service outer = make_service("default/outer:http", "10.43.0.23");
  outer.external_ips = {ip("198.51.100.7")};
  outer.endpoints = {endpoint("10.42.0.6")};
  world.commit({{self, sticky, near, outer}});

  CHECK(ask(world.a, SOCK_STREAM, "10.43.0.20", 80) == "a 10.42.0.1");  // To itself.

  const std::string first = ask(world.d, SOCK_STREAM, "10.43.0.21", 80);
  for (int i = 0; i < 20; ++i) CHECK(ask(world.d, SOCK_STREAM, "10.43.0.21", 80) == first);

  for (int i = 0; i < 20; ++i)
    CHECK(ask(world.stranger, SOCK_STREAM, "192.0.2.1", 30022) == "b 192.0.2.2");

  CHECK(ask(world.d, SOCK_STREAM, "198.51.100.7", 80) == "b 10.42.0.1");
  CHECK(ask(world.d, SOCK_STREAM, "192.0.2.2", 8080) == "stranger 192.0.2.1");
}

TEST_CASE("services: nobody behind means refused at once, nobody near means silence") {
  if (!has_tools()) SKIP("needs root, ip, nsenter and iptables-legacy");
  const World world;
  Service empty = make_service("default/empty:http", "10.43.0.30");
  empty.node_port = 30030;
  Service udp = empty;
  udp.name = "default/empty:udp";
  udp.protocol = Protocol::udp;
  world.commit({{empty, udp}});
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    CHECK(ask(world.d, type, "10.43.0.30", 80) == "refused");
    CHECK(ask(world.node, type, "10.43.0.30", 80) == "refused");
    CHECK(ask(world.stranger, type, "192.0.2.1", 30030) == "refused");
  }
  empty.endpoints = udp.endpoints = {endpoint("10.42.0.7", false)};
  empty.external_traffic_local = true;
  world.commit({{empty, udp}});
  CHECK(ask(world.d, SOCK_STREAM, "10.43.0.30", 80) == "c 10.42.0.9");
  CHECK(ask(world.d, SOCK_STREAM, "10.42.0.1", 30030) == "c 10.42.0.9");
  CHECK(ask(world.stranger, SOCK_STREAM, "192.0.2.1", 30030) == "silence");
}

TEST_CASE("conntrack: a UDP client that keeps its port follows the endpoints") {
  if (!has_tools()) SKIP("needs root, ip, nsenter and iptables-legacy");
  const World world;
  Service service = make_service("default/udp:p", "10.43.0.40", Protocol::udp);
  service.node_port = 30040;
  service.endpoints = {endpoint("10.42.0.5")};
  const ServiceTable before{{service}};
  world.commit(before);
  const UniqueFd pod = make_socket(world.d, SOCK_DGRAM);
  const UniqueFd stranger = make_socket(world.stranger, SOCK_DGRAM);
  const auto pod_hears = [&] { return hear(pod.get(), SOCK_DGRAM, ip("10.43.0.40"), 80); };
  const auto stranger_hears = [&] {
    return hear(stranger.get(), SOCK_DGRAM, ip("192.0.2.1"), 30040);
  };
  CHECK(pod_hears() == "a 10.42.0.9");
  CHECK(stranger_hears() == "a 10.42.0.1");

  service.endpoints = {endpoint("10.42.0.6")};
  const ServiceTable after{{service}};
  world.commit(after);
  CHECK(pod_hears() == "a 10.42.0.9");  // The flow lives on: the kernel chose once.
  REQUIRE(udp_backends_changed(before, after));
  const auto forgotten = forget_stale_flows(after, World::net());
  REQUIRE(forgotten.ok());
  CHECK(*forgotten == 2);
  CHECK(pod_hears() == "b 10.42.0.9");
  CHECK(stranger_hears() == "b 10.42.0.1");
  CHECK(forget_stale_flows(after, World::net()).value() == 0);
}

TEST_CASE("conntrack: which flows are stale") {
  Service service = make_service("default/udp:p", "10.43.0.40", Protocol::udp);
  service.node_port = 30040;
  service.endpoints = {endpoint("10.42.0.5")};
  const ServiceTable table{{service}};
  const auto flow = [](const char* to, uint16_t port, const char* answerer, uint16_t from_port) {
    return UdpFlow{ip("10.42.0.9"), 4444, ip(to), port, ip(answerer), from_port};
  };
  struct Case {
    const char* what;
    UdpFlow flow;
    bool stale;
  };
  const Case cases[] = {
      {"to a living backend", flow("10.43.0.40", 80, "10.42.0.5", 8080), false},
      {"to a dead one", flow("10.43.0.40", 80, "10.42.0.6", 8080), true},
      {"to another port of a living one", flow("10.43.0.40", 80, "10.42.0.5", 9090), true},
      {"from before there were backends", flow("10.43.0.40", 80, "10.43.0.40", 80), true},
      {"node port, living", flow("192.0.2.1", 30040, "10.42.0.5", 8080), false},
      {"node port, dead", flow("192.0.2.1", 30040, "10.42.0.6", 8080), true},
      {"somebody's own port of that number", flow("198.51.100.1", 30040, "198.51.100.1", 30040),
       false},
      {"a service that is gone", flow("10.43.0.41", 80, "10.42.0.5", 8080), true},
      {"an address of the service range on this node", flow("10.43.0.10", 53, "10.43.0.10", 53),
       false},
      {"a node port that is gone", flow("192.0.2.1", 30041, "10.42.0.6", 8080), true},
      {"somebody else's translation", flow("192.0.2.1", 5000, "192.0.2.9", 6000), false},
      {"no service at all", flow("8.8.8.8", 53, "8.8.8.8", 53), false},
  };
  for (const Case& one : cases) {
    CAPTURE(one.what);
    CHECK(stale_flows({one.flow}, table, World::net()).size() == (one.stale ? 1 : 0));
  }
  ServiceTable more = table;
  more.services[0].endpoints.push_back(endpoint("10.42.0.6"));
  CHECK_FALSE(udp_backends_changed(table, table));
  CHECK_FALSE(udp_backends_changed(table, more));
  CHECK(udp_backends_changed(more, table));
  CHECK(udp_backends_changed(table, {}));
  CHECK(udp_backends_changed({}, table));
}

}  // namespace
}  // namespace orch::netfilter
