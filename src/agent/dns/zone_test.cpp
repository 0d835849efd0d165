// Cluster names by table: question → what a client gets, in one line.
#include "agent/dns/zone.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>

namespace orch::dns {
namespace {

Ipv4 ip(const char* text) { return parse_ipv4(text).value(); }

ZoneService cluster_ip_service() {
  ZoneService web;
  web.name = "web", web.ns = "default", web.cluster_ip = ip("10.43.0.10");
  web.ports = {{"http", "tcp", 80}, {"dns", "udp", 53}};
  return web;
}

ZoneService headless_service() {
  ZoneService db;
  db.name = "db", db.ns = "prod";
  const std::vector<ServicePort> ports = {{"sql", "tcp", 5432}};
  db.endpoints = {{"db-0", ip("10.42.0.5"), ports, true},
                  {"", ip("10.42.1.6"), ports, true},
                  {"db-2", ip("10.42.2.7"), ports, false}};
  return db;
}

ZoneData test_data() {
  ZoneData data;
  data.services = {cluster_ip_service(), headless_service()};
  ZoneService empty;
  empty.name = "empty", empty.ns = "prod";
  data.services.push_back(empty);
  ZoneService outside;
  outside.name = "outside", outside.ns = "default", outside.external_name = "example.org";
  data.services.push_back(outside);
  ZoneService early = headless_service();
  early.name = "early", early.publish_not_ready = true;
  data.services.push_back(early);
  return data;
}

std::string text(const Record& record) {
  if (const auto* address = std::get_if<Ipv4>(&record.data)) return "A " + address->text();
  if (const auto* name = std::get_if<NameData>(&record.data))
    return (record.type == Type::ptr ? "PTR " : "CNAME ") + name->name;
  if (const auto* srv = std::get_if<SrvData>(&record.data))
    return "SRV " + std::to_string(srv->priority) + " " + std::to_string(srv->weight) + " " +
           std::to_string(srv->port) + " " + srv->target;
  if (const auto* txt = std::get_if<TextData>(&record.data)) return "TXT " + txt->text;
  return std::holds_alternative<SoaData>(record.data) ? "SOA" : "?";
}

// "A 10.0.0.1, A 10.0.0.2" (sorted) · "NXDOMAIN" · "empty" · "forward".
std::string ask(const Zone& zone, const std::string& name, Type type) {
  const Zone::Answer answer = zone.answer({name, type, kClassIn}, system_random());
  if (!answer.ours) return "forward";
  if (answer.answers.empty()) {
    REQUIRE(answer.authority.size() == 1);
    CHECK(answer.authority[0].type == Type::soa);
    CHECK(answer.authority[0].name == zone.domain());
    return answer.rcode == Rcode::name_error ? "NXDOMAIN" : "empty";
  }
  CHECK(answer.rcode == Rcode::no_error);
  std::set<std::string> lines;
  for (const Record& record : answer.answers) {
    CHECK(record.name == name);
    lines.insert(text(record));
  }
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : ", ") + line;
  return out;
}

struct Case {
  const char* name;
  Type type;
  const char* expected;
};
const Case kCases[] = {
    {"web.default.svc.cluster.local", Type::a, "A 10.43.0.10"},
    {"WEB.Default.svc.Cluster.Local", Type::a, "A 10.43.0.10"},
    {"web.default.svc.cluster.local", Type::aaaa, "empty"},
    {"web.default.svc.cluster.local", Type::txt, "empty"},
    {"web.default.svc.cluster.local", Type::any, "A 10.43.0.10"},
    {"nope.default.svc.cluster.local", Type::a, "NXDOMAIN"},
    {"web.nope.svc.cluster.local", Type::a, "NXDOMAIN"},
    {"pod.web.default.svc.cluster.local", Type::a, "NXDOMAIN"},

    {"db.prod.svc.cluster.local", Type::a, "A 10.42.0.5, A 10.42.1.6"},
    {"db.prod.svc.cluster.local", Type::aaaa, "empty"},
    {"early.prod.svc.cluster.local", Type::a, "A 10.42.0.5, A 10.42.1.6, A 10.42.2.7"},
    {"empty.prod.svc.cluster.local", Type::a, "NXDOMAIN"},
    {"db-0.db.prod.svc.cluster.local", Type::a, "A 10.42.0.5"},
    {"db-0.db.prod.svc.cluster.local", Type::aaaa, "empty"},
    {"db-2.db.prod.svc.cluster.local", Type::a, "NXDOMAIN"},
    {"db-2.early.prod.svc.cluster.local", Type::a, "A 10.42.2.7"},
    {"10-42-1-6.db.prod.svc.cluster.local", Type::a, "A 10.42.1.6"},

    {"_http._tcp.web.default.svc.cluster.local", Type::srv,
     "SRV 0 100 80 web.default.svc.cluster.local"},
    {"_http._udp.web.default.svc.cluster.local", Type::srv, "NXDOMAIN"},
    {"_http._tcp.web.default.svc.cluster.local", Type::a, "empty"},
    {"_tcp.web.default.svc.cluster.local", Type::a, "empty"},
    {"_sql._tcp.db.prod.svc.cluster.local", Type::srv,
     "SRV 0 50 5432 10-42-1-6.db.prod.svc.cluster.local, "
     "SRV 0 50 5432 db-0.db.prod.svc.cluster.local"},
    {"web.default.svc.cluster.local", Type::srv,
     "SRV 0 100 53 web.default.svc.cluster.local, SRV 0 100 80 web.default.svc.cluster.local"},

    {"10.0.43.10.in-addr.arpa", Type::ptr, "PTR web.default.svc.cluster.local"},
    {"10.0.43.10.in-addr.arpa", Type::a, "empty"},
    {"5.0.42.10.in-addr.arpa", Type::ptr, "PTR db-0.db.prod.svc.cluster.local"},
    {"6.1.42.10.in-addr.arpa", Type::ptr, "PTR 10-42-1-6.db.prod.svc.cluster.local"},
    {"9.9.9.9.in-addr.arpa", Type::ptr, "forward"},

    {"10-42-0-9.default.pod.cluster.local", Type::a, "A 10.42.0.9"},
    {"10-42-0-9.default.pod.cluster.local", Type::aaaa, "empty"},
    {"10.42.0.9.default.pod.cluster.local", Type::a, "NXDOMAIN"},
    {"10-42-0-999.default.pod.cluster.local", Type::a, "NXDOMAIN"},
    {"name.default.pod.cluster.local", Type::a, "NXDOMAIN"},

    {"outside.default.svc.cluster.local", Type::a, "CNAME example.org"},
    {"outside.default.svc.cluster.local", Type::cname, "CNAME example.org"},

    {"dns-version.cluster.local", Type::txt, "TXT 1.1.0"},
    {"dns-version.cluster.local", Type::a, "empty"},
    {"cluster.local", Type::soa, "SOA"},
    {"cluster.local", Type::a, "empty"},
    {"svc.cluster.local", Type::a, "empty"},
    {"default.svc.cluster.local", Type::a, "empty"},
    {"nope.svc.cluster.local", Type::a, "NXDOMAIN"},
    {"nope.cluster.local", Type::a, "NXDOMAIN"},
    {"example.org", Type::a, "forward"},
    {"notcluster.local", Type::a, "forward"},
    {"local", Type::a, "forward"},
    {"", Type::a, "forward"},
};

TEST_CASE("zone: the names of the specification") {
  const Zone zone(test_data());
  for (const Case& one : kCases) {
    CAPTURE(one.name, static_cast<int>(one.type));
    CHECK(ask(zone, one.name, one.type) == one.expected);
  }
}

TEST_CASE("zone: SRV answers bring their targets' addresses") {
  const Zone zone(test_data());
  const auto answer =
      zone.answer({"_sql._tcp.db.prod.svc.cluster.local", Type::srv, kClassIn}, system_random());
  REQUIRE(answer.additional.size() == 2);
  CHECK(text(answer.additional[0]) == "A 10.42.0.5");
  CHECK(answer.additional[0].name == "db-0.db.prod.svc.cluster.local");
}

TEST_CASE("zone: headless answers begin anywhere") {
  const Zone zone(test_data());
  std::set<std::string> first;
  for (int i = 0; i < 100; ++i)
    first.insert(text(
        zone.answer({"db.prod.svc.cluster.local", Type::a, kClassIn}, system_random()).answers[0]));
  CHECK(first.size() == 2);
}

TEST_CASE("zone: another domain, and names that can't be on the wire") {
  ZoneData data = test_data();
  data.domain = "Corp.Example";
  ZoneService bad;
  bad.name = std::string(64, 'x'), bad.ns = "default", bad.cluster_ip = ip("10.43.0.99");
  data.services.push_back(bad);
  bad.name = "far", bad.external_name = std::string(64, 'y') + ".org";
  data.services.push_back(bad);
  const Zone zone(data);
  CHECK(ask(zone, "web.default.svc.corp.example", Type::a) == "A 10.43.0.10");
  CHECK(ask(zone, "web.default.svc.cluster.local", Type::a) == "forward");
  CHECK(ask(zone, bad.name + ".default.svc.corp.example", Type::a) == "NXDOMAIN");
  CHECK(ask(zone, "99.0.43.10.in-addr.arpa", Type::ptr) == "forward");
}

}  // namespace
}  // namespace orch::dns
