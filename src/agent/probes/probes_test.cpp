#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "agent/probes/prober.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/strings.h"

namespace orch::probes {
namespace {

using api::Value;

Value yaml(const std::string& text) {
  auto parsed = api::parse_yaml(text);
  REQUIRE(parsed.ok());
  return std::move(*parsed);
}

// A listening socket that nobody accepts from, or a free port that nobody listens on.
struct Port {
  explicit Port(bool listens) : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    number = ntohs(address.sin_port);
    if (listens) REQUIRE(::listen(fd.get(), 8) == 0);
  }
  UniqueFd fd;
  uint16_t number = 0;
};

// Answers one request a connection: the status is the path's number, 500 with "X-Wanted: no".
struct PlainServer {
  ~PlainServer() {
    ::shutdown(port.fd.get(), SHUT_RDWR);
    thread.join();
  }
  void serve() const {
    for (;;) {
      const UniqueFd peer(::accept4(port.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      std::string request;
      char byte = 0;
      while (!request.ends_with("\r\n\r\n") && ::read(peer.get(), &byte, 1) == 1) request += byte;
      std::string status = request.substr(5, 3);  // "GET /200 ..."
      if (request.find("X-Wanted: no\r\n") != request.npos) status = "500";
      const std::string answer = "HTTP/1.1 " + status + " X\r\nContent-Length: 2\r\n\r\nok";
      if (!write_all(peer.get(), answer).ok()) return;
    }
  }
  Port port{true};
  std::thread thread{[this] { serve(); }};
};

const Exec kNoExec = [](const std::string&, const std::vector<std::string>&,
                        int64_t) -> Result<ExecOutcome> { return bad_request("no exec here"); };

Outcome probe(const std::string& handler, const Exec& exec = kNoExec) {
  const ProbeTarget target{"id", "127.0.0.1",
                           yaml("{name: c, ports: [{name: web, containerPort: 80}]}")};
  return run_probe(target, yaml(handler), 2000, exec);
}

TEST_CASE("tcp probes", "[probes]") {
  const Port open(true), closed(false);
  CHECK(probe("tcpSocket: {port: " + std::to_string(open.number) + "}").success);
  const auto refused = probe("tcpSocket: {port: " + std::to_string(closed.number) + "}");
  CHECK_FALSE(refused.success);
  CHECK(refused.message ==
        "dial tcp 127.0.0.1:" + std::to_string(closed.number) + ": connect: connection refused");
}

TEST_CASE("http probes count 200 to 399 as success", "[probes]") {
  PlainServer server;
  const auto get = [&](const std::string& path, const std::string& more = "") {
    return probe("httpGet: {path: " + path + ", port: " + std::to_string(server.port.number) +
                 more + "}");
  };
  CHECK(get("/200").success);
  CHECK(get("/302").success);
  CHECK(get("/404").message == "HTTP probe failed with statuscode: 404");
  CHECK(get("/503").message == "HTTP probe failed with statuscode: 503");
  CHECK_FALSE(get("/200", ", httpHeaders: [{name: X-Wanted, value: 'no'}]").success);
}

TEST_CASE("exec probes and what can't be probed", "[probes]") {
  const auto exits = [](ExecOutcome outcome) -> Exec {
    return [outcome](const std::string& id, const std::vector<std::string>& argv,
                     int64_t timeout_ms) -> Result<ExecOutcome> {
      CHECK(id == "id");
      CHECK(argv == std::vector<std::string>{"test", "x"});
      CHECK(timeout_ms == 2000);
      return outcome;
    };
  };
  const char* handler = "exec: {command: [test, x]}";
  CHECK(probe(handler, exits({0, false, ""})).success);
  CHECK(probe(handler, exits({1, false, "bad\n"})).message == "bad\n");
  CHECK(probe(handler, exits({137, true, ""})).message.find("timed out after 2s") !=
        std::string::npos);
  CHECK_FALSE(probe("grpc: {port: 1}").success);
  CHECK_FALSE(probe("{}").success);
  const Value container = yaml("ports: [{name: web, containerPort: 80}]");
  CHECK(resolve_port(container, Value("web")) == 80);
  CHECK(resolve_port(container, Value(8080)) == 8080);
  CHECK(resolve_port(container, Value("none")) == 0);
  CHECK(resolve_port(container, Value(70000)) == 0);
}

TEST_CASE("thresholds", "[probes]") {
  const Thresholds thresholds{0, 1, 1, 2, 3};
  struct Row {
    const char* results;  // '+' success, '-' failure.
    Verdict wanted;
  };
  const Row rows[] = {{"", Verdict::unknown},     {"+", Verdict::unknown},
                      {"++", Verdict::passed},    {"++--", Verdict::passed},
                      {"++---", Verdict::failed}, {"--+--", Verdict::unknown},
                      {"---+", Verdict::failed},  {"---++", Verdict::passed}};
  for (const auto& row : rows) {
    ProbeState state;
    for (const char* at = row.results; *at != 0; ++at) {
      state = after_result(state, thresholds, *at == '+');
    }
    INFO(row.results);
    CHECK(state.verdict == row.wanted);
  }
}

// Answers what the test says; collects reports.
struct Bench {
  bool wait(const std::function<bool()>& done) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(10), done);
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, int> answers;  // By argv[0]: the exit code.
  std::vector<std::string> asked;
  int reports = 0;
  Timers timers{system_clock()};
  Prober prober{timers, system_clock(),
                [this](const std::string&, const std::vector<std::string>& argv,
                       int64_t) -> Result<ExecOutcome> {
                  const std::lock_guard lock(mutex);
                  asked.push_back(argv[0]);
                  return ExecOutcome{answers[argv[0]], false, ""};
                },
                [this](const Report&) {
                  const std::lock_guard lock(mutex);
                  ++reports;
                  changed.notify_all();
                }};
};

TEST_CASE("liveness and readiness wait for the startup probe", "[prober]") {
  Bench bench;
  bench.answers = {{"startup", 0}, {"ready", 0}, {"live", 1}};
  Watched watched;
  watched.pod_uid = "u";
  watched.started_at = system_clock().now();
  watched.target = {"id", "127.0.0.1", yaml(R"(
name: c
startupProbe: {exec: {command: [startup]}}
readinessProbe: {exec: {command: [ready]}}
livenessProbe: {exec: {command: [live]}, failureThreshold: 1}
)")};
  CHECK(bench.prober.health("id") == Health{});
  bench.prober.watch(watched);
  CHECK_FALSE(bench.prober.health("id").started);
  REQUIRE(bench.wait([&] { return bench.reports >= 3; }));
  CHECK(bench.asked[0] == "startup");
  CHECK(bench.prober.health("id") == Health{true, true, "liveness"});
  bench.prober.forget("id");
  CHECK(bench.prober.health("id") == Health{});
}

TEST_CASE("a container without probes is ready at once", "[prober]") {
  Bench bench;
  bench.prober.watch({"u", {"id", "127.0.0.1", yaml("name: c")}, system_clock().now()});
  CHECK(bench.prober.health("id") == Health{true, true, ""});
}

}  // namespace
}  // namespace orch::probes
