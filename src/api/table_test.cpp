#include "api/table.h"

#include <catch2/catch_test_macros.hpp>

#include "api/resources.h"
#include "api/table_cells.h"

namespace orch::api {
namespace {

Value cell(std::string_view function, std::string_view object, WallTime now = WallTime{}) {
  const CellFunction f = find_cell_function(function);
  REQUIRE(f != nullptr);
  return f(*parse_json(object), now);
}

TEST_CASE("every column of the schema can be computed") {
  for (const Resource* resource : Schema::builtin().resources())
    for (const Column& column : resource->columns) {
      INFO(resource->kind << " " << column.name << " " << column.cell);
      CHECK((column.cell.starts_with('.') || find_cell_function(column.cell) != nullptr));
    }
}

TEST_CASE("durations read as kubectl prints them") {
  using namespace std::chrono_literals;
  const std::pair<std::chrono::seconds, const char*> cases[] = {
      {-5s, "<invalid>"},  {0s, "0s"},           {119s, "119s"},      {120s, "2m"},
      {303s, "5m3s"},      {600s, "10m"},        {10799s, "179m"},    {3h, "3h"},
      {3h + 61s, "3h1m"},  {8h, "8h"},           {47h, "47h"},        {48h, "2d"},
      {49h, "2d1h"},       {24h * 8, "8d"},      {24h * 729, "729d"}, {24h * 730, "2y"},
      {24h * 735, "2y5d"}, {24h * 365 * 9, "9y"}};
  for (const auto& [duration, text] : cases) CHECK(human_duration(duration) == text);
}

TEST_CASE("what happened in the year 1 is as old as can be told") {
  const WallTime now{std::chrono::seconds(1'700'000'000)};
  CHECK(age_of(Value("0001-01-01T00:00:00Z"), now) == "292y");
  CHECK(age_of(Value("9999-12-31T23:59:59Z"), now) == "<invalid>");
}

TEST_CASE("the status of a pod is what its containers say") {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"status":{"phase":"Pending"}})", "Pending"},
      {R"({"status":{"phase":"Pending","containerStatuses":[
            {"state":{"waiting":{"reason":"ContainerCreating"}}}]}})",
       "ContainerCreating"},
      {R"({"status":{"phase":"Running","containerStatuses":[
            {"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})",
       "CrashLoopBackOff"},
      {R"({"status":{"phase":"Failed","containerStatuses":[
            {"state":{"terminated":{"exitCode":3}}}]}})",
       "ExitCode:3"},
      {R"({"status":{"phase":"Failed","reason":"Evicted"}})", "Evicted"},
      {R"({"spec":{"initContainers":[{"name":"i"},{"name":"j"}]},"status":{"phase":"Pending",
            "initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},
                                     {"name":"j","state":{"running":{}}}]}})",
       "Init:1/2"},
      {R"({"spec":{"initContainers":[{"name":"i"}]},"status":{"phase":"Pending",
            "initContainerStatuses":[{"name":"i",
            "state":{"terminated":{"exitCode":1,"reason":"Error"}}}]}})",
       "Init:Error"},
      {R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Running"}})",
       "Terminating"},
      {R"({"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],
            "containerStatuses":[{"ready":true,"state":{"running":{}}},
                                 {"state":{"terminated":{"reason":"Completed","exitCode":0}}}]}})",
       "Running"}};
  for (const auto& [pod, status] : cases) {
    INFO(pod);
    CHECK(cell("pod_status", pod).as_string() == status);
  }
}

TEST_CASE("cells of nodes and services") {
  CHECK(cell("node_status", R"({"spec":{"unschedulable":true},"status":{"conditions":[
             {"type":"Ready","status":"True"}]}})")
            .as_string() == "Ready,SchedulingDisabled");
  CHECK(cell("node_roles",
             R"({"metadata":{"labels":{"node-role.kubernetes.io/b":"",
                     "node-role.kubernetes.io/a":""}}})")
            .as_string() == "a,b");
  CHECK(cell("service_ports", R"({"spec":{"ports":[{"port":80,"nodePort":30080,"protocol":"TCP"},
             {"port":53,"protocol":"UDP"}]}})")
            .as_string() == "80:30080/TCP,53/UDP");
  CHECK(cell("service_external_ip", R"({"spec":{"type":"LoadBalancer"}})").as_string() ==
        "<pending>");
  CHECK(cell("endpoints", R"({"subsets":[{"addresses":[{"ip":"1"},{"ip":"2"},{"ip":"3"},{"ip":"4"}],
             "ports":[{"port":80}]}]})")
            .as_string() == "1:80,2:80,3:80 + 1 more...");
}

TEST_CASE("a table row carries cells and what was asked for of the object") {
  const Value pod = *parse_json(R"({"metadata":{"name":"web"},"status":{"phase":"Succeeded"}})");
  const std::string bytes = to_json(pod);
  const auto row = [&](IncludeObject include) {
    return *parse_json(
        render_table_row(resource::pods(), pod, bytes, include, "meta.k8s.io/v1", WallTime{}));
  };
  CHECK(row(IncludeObject::object)["object"] == pod);
  CHECK(row(IncludeObject::none)["object"].is_null());
  CHECK(row(IncludeObject::metadata)["object"]["kind"].as_string() == "PartialObjectMetadata");
  CHECK(row(IncludeObject::none)["cells"][0].as_string() == "web");
  CHECK(row(IncludeObject::none)["conditions"][0]["type"].as_string() == "Completed");
}

}  // namespace
}  // namespace orch::api
