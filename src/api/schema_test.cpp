// The tables: how they are read, what they hold, and the documents that are made of them.
#include "api/schema.h"

#include <catch2/catch_test_macros.hpp>

#include "api/discovery.h"
#include "api/openapi.h"
#include "api/resources.h"
#include "api/table.h"

using namespace orch;
using namespace orch::api;

namespace {

constexpr const char* kHead = "group example.com version v1 package=e/v1 openapi=com.example\n";

std::string error_of(const std::string& table) {
  const auto parsed = Schema::parse({{"t.schema", kHead + table}});
  return parsed.ok() ? "" : parsed.status().message;
}

Value json(const std::string& text) {
  auto parsed = parse_json(text);
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

void collect_references(const Value& value, std::vector<std::string>* found) {
  for (const Value::Member& member : value.members()) {
    // A property may be called $ref, too.
    if (member.name == "$ref" && member.value.is_string()) {
      found->push_back(member.value.as_string());
    }
    collect_references(member.value, found);
  }
  for (const Value& item : value.items()) collect_references(item, found);
}

}  // namespace

TEST_CASE("a broken table is told by file and line") {
  CHECK(error_of("type A\n  x string\n") == "");
  CHECK(error_of("typ A\n") == "t.schema:2: expected group, type or resource, not \"typ\"");
  CHECK(error_of("type A\n  x Nothing\n") == "t.schema:3: unknown type \"Nothing\"");
  CHECK(error_of("type A\n  x string\n  x string\n") == "t.schema:4: field \"x\" stands twice");
  CHECK(error_of("type A\ntype A\n") == "t.schema:3: type \"e/v1.A\" stands twice");
  CHECK(error_of("type A\n  x string colour=red\n") == "t.schema:3: unknown option \"colour\"");
  CHECK(error_of("resource B bs\n") == "t.schema:2: unknown type \"B\"");
  CHECK(error_of("type A\nresource A as odd\n") == "t.schema:3: unknown option \"odd\"");
  CHECK(error_of("  x string\n") == "t.schema:2: belongs to no type or resource");
}

TEST_CASE("a table becomes a graph") {
  const auto parsed = Schema::parse({{"t.schema", std::string(kHead) + R"(
# comment
resource A as singular=a short=x,y cluster verbs=get,list
  with prefix=/as durability=relaxed name=dns_label
  subresource status kind=A verbs=get
  column "Two Words" integer .spec.n priority=1 -- says n
type A top -- a thing
  spec B
type B
  n    *int32 default=3
  list []B    required list=map key=a,b patch=a pb=2.7
  map  map[[]string] -- of lists
  word string enum="","Two Words",One default=One
)"}});
  REQUIRE(parsed.ok());
  const Schema& schema = **parsed;
  const Resource* resource = schema.find("example.com", "v1", "as");
  REQUIRE(resource != nullptr);
  CHECK(resource == schema.find_kind("example.com/v1", "A"));
  CHECK_FALSE(resource->namespaced);
  CHECK(resource->relaxed);
  CHECK(resource->name_rule == NameRule::dns_label);
  CHECK(resource->short_names == std::vector<std::string>{"x", "y"});
  REQUIRE(resource->columns.size() == 1);
  CHECK(resource->columns[0].name == "Two Words");
  CHECK(resource->columns[0].description == "says n");
  CHECK(resource->find_subresource("status") != nullptr);
  CHECK(resource->type->fields[0].name == "kind");
  const Type* b = schema.find_type("e/v1.B");
  REQUIRE(b != nullptr);
  CHECK(resource->type->find("spec")->type == b);
  CHECK(b->find("n")->pointer);
  CHECK(b->find("n")->default_value == Value(3));
  const Field& list = *b->find("list");
  CHECK(list.element->type == b);
  CHECK(list.list_keys == std::vector<std::string>{"a", "b"});
  CHECK(list.merge_key == "a");
  CHECK(list.wire_path == Field::WirePath{2, 7, 0});
  CHECK(list.wire_number() == 7);
  CHECK(b->find("map")->element->element->shape == Shape::string);
  CHECK(b->find("map")->doc == "of lists");
  CHECK(b->find("word")->enum_values == std::vector<std::string>{"", "Two Words", "One"});
}

TEST_CASE("the built-in tables hold together") {
  const Schema& schema = Schema::builtin();
  for (const Resource* resource : schema.resources()) {
    INFO(resource->kind);
    CHECK(resource->type->top_level);
    CHECK_FALSE(resource->singular.empty());
    CHECK_FALSE(resource->verbs.empty());
    for (const Column& column : resource->columns) {
      INFO(column.name);
      CHECK((column.cell.starts_with('.') || find_cell_function(column.cell) != nullptr));
    }
    CHECK((resource->storage_prefix.empty() || !resource->stored().columns.empty()));
    CHECK(resource->stored().storage == nullptr);
    CHECK(resource->stored().storage_prefix == resource->storage_prefix);
  }
  CHECK(resource::pods().find_subresource("exec") != nullptr);
  CHECK(schema.find_document_type("policy/v1", "Eviction") != nullptr);
  CHECK(schema.find_document_type("v1", "DeleteOptions") != nullptr);
  CHECK(schema.find_document_type("v1", "Nothing") == nullptr);
}

TEST_CASE("discovery lists what the schema has") {
  const Schema& schema = Schema::builtin();
  const Value core = json(render_api_resource_list(schema, "", "v1"));
  bool exec = false;
  for (const Value& one : core["resources"].items()) {
    if (one["name"].as_string() == "pods/exec") exec = one["kind"].as_string() == "PodExecOptions";
  }
  CHECK(exec);
  CHECK(render_api_resource_list(schema, "no.such", "v1").empty());
  CHECK(render_api_group(schema, "no.such").empty());
  CHECK(render_api_group(schema, "apps") ==
        R"({"kind":"APIGroup","apiVersion":"v1","name":"apps","versions":[{"groupVersion":)"
        R"("apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1",)"
        R"("version":"v1"}})");
  const Value groups = json(render_api_group_list(schema));
  CHECK(groups["groups"].items()[0]["name"].as_string() == "apiregistration.k8s.io");
  CHECK(groups["groups"].items()[1]["name"].as_string() == "apps");
  const Value list = json(render_group_discovery_list(schema, true, "v2"));
  REQUIRE(list["items"].size() == 1);
  CHECK_FALSE(list["items"].items().front()["metadata"].has("name"));
  CHECK(list["apiVersion"].as_string() == "apidiscovery.k8s.io/v2");
}

TEST_CASE("OpenAPI v2 holds every path and kind, and its references lead somewhere") {
  const Schema& schema = Schema::builtin();
  const Value document = json(render_openapi_v2(schema));
  CHECK(document["swagger"].as_string() == "2.0");
  std::vector<std::string> references;
  collect_references(document, &references);
  for (const std::string& reference : references) {
    INFO(reference);
    const size_t slash = reference.rfind('/');
    const std::string part = reference.substr(2, slash - 2);  // definitions or parameters.
    CHECK(document[part].has(reference.substr(slash + 1)));
  }
  for (const Resource* resource : schema.resources()) {
    const std::string root =
        resource->group.empty() ? "/api/v1/" : "/apis/" + resource->api_version() + "/";
    INFO(root << resource->plural);
    if (resource->has_verb("list"))
      CHECK(document["paths"].has(root + resource->plural + "/") +
                document["paths"].has(root + resource->plural) ==
            1);
  }
  CHECK(render_openapi_v2_protobuf(schema).size() > 100'000);
}

TEST_CASE("OpenAPI lets an IntOrString be a number") {
  const Value core = json(render_openapi_v3(Schema::builtin(), "api/v1"));
  const Value& type =
      core.at("components.schemas")["io.k8s.apimachinery.pkg.util.intstr.IntOrString"];
  CHECK(type["format"].as_string() == "int-or-string");
  CHECK_FALSE(type.has("type"));
}

TEST_CASE("every OpenAPI document parses and its references lead somewhere") {
  const Schema& schema = Schema::builtin();
  for (const std::string& path : openapi_v3_paths(schema)) {
    INFO(path);
    const Value document = json(render_openapi_v3(schema, path));
    std::vector<std::string> references;
    collect_references(document, &references);
    CHECK_FALSE(references.empty());
    for (const std::string& reference : references) {
      const std::string prefix = "#/components/schemas/";
      REQUIRE(reference.starts_with(prefix));
      CHECK(document.at("components.schemas").has(reference.substr(prefix.size())));
    }
  }
  const Value core = json(render_openapi_v3(schema, "api/v1"));
  const Value& ports =
      core.at("components.schemas")["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"];
  CHECK(ports["x-kubernetes-patch-merge-key"].as_string() == "port");
  CHECK(to_json(ports["x-kubernetes-list-map-keys"]) == R"(["port","protocol"])");
  CHECK(render_openapi_v3(schema, "api/v9").empty());
}
