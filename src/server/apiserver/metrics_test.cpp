// /metrics: held against a strict little parser of the text format, for a scrape that breaks one
// rule may be refused whole; and against the names that dashboards ask for.
#include "server/apiserver/metrics.h"

#include <map>
#include <set>

#include "base/strings.h"
#include "server/apiserver/metrics_text.h"
#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

// What a page holds when it follows Prometheus' text format 0.0.4 to the letter; else a failure.
struct Page {
  std::map<std::string, std::string, std::less<>> types;  // By family.
  std::map<std::string, double, std::less<>> samples;     // By name{labels}, as written.

  bool has(std::string_view family) const { return types.contains(family); }
  double at(const std::string& sample) const {
    const auto found = samples.find(sample);
    return found == samples.end() ? -1 : found->second;
  }
};

bool is_name(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == text.npos;
}

// {a="b",c="d"} → its end; npos when it is malformed or a name stands twice.
size_t end_of_labels(std::string_view line, size_t at) {
  std::set<std::string_view> names;
  for (++at; at < line.size() && line[at] != '}';) {
    const size_t equals = line.find("=\"", at);
    if (equals == line.npos || !is_name(line.substr(at, equals - at))) return line.npos;
    if (!names.insert(line.substr(at, equals - at)).second) return line.npos;
    at = equals + 2;
    for (; at < line.size() && line[at] != '"'; ++at) {
      if (line[at] != '\\') continue;
      if (++at == line.size() || std::string_view("\\\"n").find(line[at]) == line.npos) {
        return line.npos;
      }
    }
    if (++at < line.size() && line[at] == ',') ++at;
  }
  return at < line.size() ? at + 1 : line.npos;
}

bool belongs_to(std::string_view sample, const std::string& family, const std::string& type) {
  if (type != "histogram") return sample == family;
  return sample == family + "_bucket" || sample == family + "_sum" || sample == family + "_count";
}

Page parse_page(const std::string& text) {
  Page page;
  std::string family, type, helped;
  REQUIRE(text.ends_with("\n"));
  for (const std::string_view line :
       split(std::string_view(text).substr(0, text.size() - 1), '\n')) {
    INFO(line);
    const auto words = split(line, ' ');
    if (line.starts_with("# HELP ")) {
      REQUIRE(words.size() > 3);
      helped = words[2];
    } else if (line.starts_with("# TYPE ")) {
      REQUIRE(words.size() == 4);
      family = words[2];
      type = words[3];
      REQUIRE(is_name(family));
      REQUIRE(helped == family);
      REQUIRE((type == "counter" || type == "gauge" || type == "histogram"));
      REQUIRE(page.types.emplace(family, type).second);  // All of a family stand together.
    } else {
      const size_t name_end = line.find_first_of("{ ");
      REQUIRE(name_end != line.npos);
      REQUIRE(belongs_to(line.substr(0, name_end), family, type));
      const size_t end = line[name_end] == '{' ? end_of_labels(line, name_end) : name_end;
      REQUIRE(end != line.npos);
      REQUIRE(line.substr(end, 1) == " ");
      const auto value = parse_double(line.substr(end + 1));
      REQUIRE(value);
      REQUIRE(page.samples.emplace(line.substr(0, end), *value).second);
    }
  }
  return page;
}

// Every bucket holds those before it, and the last one all.
void check_histograms(const Page& page) {
  for (const auto& [name, value] : page.samples) {
    const size_t at = name.find("_bucket{");
    if (at == name.npos || name.find("le=\"+Inf\"") == name.npos) continue;
    INFO(name);
    const size_t le = name.rfind("le=");
    std::string others = name.substr(at + 8, le - at - 8);
    if (others.ends_with(",")) others.pop_back();
    const std::string count =
        name.substr(0, at) + "_count" + (others.empty() ? "" : "{" + others + "}");
    CHECK(page.at(count) == value);
  }
}

TEST_CASE("labels are escaped") {
  CHECK(labels({{"a", "x\"y\\z\n"}, {"b", ""}}) == R"(a="x\"y\\z\n",b="")");
}

TEST_CASE("a histogram counts each value in its bucket and all that follow") {
  constexpr std::array<double, 2> kLimits = {0.5, 2};
  Histogram histogram(kLimits);
  for (const double value : {0.1, 0.5, 1.0, 7.0}) histogram.add(value);
  std::string text;
  append_family(&text, "h", "histogram", "It.");
  append_histogram(&text, "h", "a=\"b\"", histogram);
  const Page page = parse_page(text);
  CHECK(page.at("h_bucket{a=\"b\",le=\"0.5\"}") == 2);
  CHECK(page.at("h_bucket{a=\"b\",le=\"2\"}") == 3);
  CHECK(page.at("h_bucket{a=\"b\",le=\"+Inf\"}") == 4);
  CHECK(page.at("h_sum{a=\"b\"}") == 8.6);
  check_histograms(page);
}

TEST_CASE("requests are counted by labels, code, duration and size") {
  RequestMetrics metrics;
  const RequestLabels get{"GET", "", "v1", "pods", "", "resource", ""};
  metrics.count(get, {200, std::chrono::microseconds(700), 5000, false});
  metrics.count(get, {404, std::chrono::seconds(70), 100, false});
  metrics.count(get, {418, {}, 0, false});
  const RequestLabels watch{"WATCH", "apps", "v1", "deployments", "", "cluster", ""};
  metrics.count(watch, {200, {}, 0, true});
  auto place = metrics.enter_long_running(watch);
  std::string text;
  metrics.render(&text);
  const Page page = parse_page(text);
  check_histograms(page);
  const std::string of_get =
      R"(verb="GET",group="",version="v1",resource="pods",subresource="",scope="resource",)"
      R"(component="apiserver")";
  const std::string with_run = of_get + ",dry_run=\"\"";
  CHECK(page.at("apiserver_request_total{" + with_run + ",code=\"200\"}") == 1);
  CHECK(page.at("apiserver_request_total{" + with_run + ",code=\"404\"}") == 1);
  CHECK(page.at("apiserver_request_total{" + with_run + ",code=\"other\"}") == 1);
  const std::string seconds = "apiserver_request_duration_seconds";
  CHECK(page.at(seconds + "_bucket{" + with_run + ",le=\"0.0005\"}") == 1);
  CHECK(page.at(seconds + "_bucket{" + with_run + ",le=\"0.001\"}") == 2);
  CHECK(page.at(seconds + "_bucket{" + with_run + ",le=\"60\"}") == 2);
  CHECK(page.at(seconds + "_count{" + with_run + "}") == 3);
  CHECK(page.at("apiserver_response_sizes_sum{" + of_get + "}") == 5100);
  const std::string of_watch =
      R"(verb="WATCH",group="apps",version="v1",resource="deployments",subresource="",)"
      R"(scope="cluster",component="apiserver")";
  CHECK(page.at("apiserver_longrunning_requests{" + of_watch + "}") == 1);
  place = {};
  text.clear();
  metrics.render(&text);
  CHECK(parse_page(text).at("apiserver_longrunning_requests{" + of_watch + "}") == -1);
}

TEST_CASE("series have an end, and what comes beyond costs nothing") {
  RequestMetrics metrics;
  for (size_t i = 0; i < kMaxRequestSeries + 100; ++i) {
    metrics.count({"GET", "", "v1", "kind" + std::to_string(i), "", "", ""}, {});
  }
  std::string text;
  metrics.render(&text);
  size_t series = 0;
  for (size_t at = 0; (at = text.find("\napiserver_request_total{", at)) != text.npos; ++at) {
    ++series;
  }
  CHECK(series == kMaxRequestSeries);
}

TEST_CASE("the page holds what dashboards of kube-apiserver look for") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  REQUIRE(server.get(kConfigMaps).code == 200);
  REQUIRE(server.get(std::string(kConfigMaps) + "?watch=1&timeoutSeconds=1").code == 200);
  REQUIRE(server.call("DELETE", std::string(kConfigMaps) + "/a").code == 200);
  CHECK(server.call_as("", "GET", "/metrics").code == 403);
  CHECK(server.call_as("nonsense", "GET", "/metrics").code == 401);
  const auto other = server.server().add_metrics(
      [](std::string* out) { append_single(out, "other_things", "gauge", "Of another room.", 7); });
  const auto answer = server.get("/metrics");
  REQUIRE(answer.code == 200);
  CHECK(answer.headers.get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  const Page page = parse_page(answer.text);
  check_histograms(page);
  for (const char* family :
       {"apiserver_request_total", "apiserver_request_duration_seconds", "apiserver_response_sizes",
        "apiserver_current_inflight_requests", "apiserver_longrunning_requests",
        "apiserver_storage_objects", "apiserver_watch_events_total",
        "etcd_request_duration_seconds", "rest_client_requests_total", "authentication_attempts",
        "authorization_attempts_total", "kubernetes_build_info", "process_cpu_seconds_total",
        "process_resident_memory_bytes", "process_virtual_memory_bytes",
        "process_start_time_seconds", "process_open_fds", "process_max_fds"}) {
    INFO(family);
    CHECK(page.has(family));
  }
  CHECK(page.at("apiserver_request_total{verb=\"POST\",group=\"\",version=\"v1\",resource="
                "\"configmaps\",subresource=\"\",scope=\"resource\",component=\"apiserver\","
                "dry_run=\"\",code=\"201\"}") == 1);
  CHECK(page.at("apiserver_current_inflight_requests{request_kind=\"readOnly\"}") == 1);
  CHECK(page.at("etcd_request_duration_seconds_count{operation=\"delete\",type=\"*\"}") >= 1);
  CHECK(page.at("apiserver_watch_events_total{group=\"\",version=\"v1\",kind=\"ConfigMap\"}") == 1);
  CHECK(page.at("authentication_attempts{result=\"failure\"}") == 1);
  CHECK(page.at("other_things") == 7);
  CHECK(page.at("process_open_fds") > 3);
}

TEST_CASE("a source of metrics is asked no more once its handle is let go") {
  TestServer server;
  auto handle = server.server().add_metrics(
      [](std::string* out) { append_single(out, "gone", "gauge", "Soon.", 1); });
  CHECK(parse_page(server.get("/metrics").text).has("gone"));
  handle.reset();
  CHECK_FALSE(parse_page(server.get("/metrics").text).has("gone"));
}

}  // namespace
}  // namespace orch::apiserver
