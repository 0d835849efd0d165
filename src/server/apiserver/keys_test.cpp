// Tags are made in two ways: of an object that is written, and of the bytes that a start finds.
#include "server/apiserver/keys.h"

#include <catch2/catch_test_macros.hpp>
#include <set>

#include "server/apiserver/continue_token.h"
#include "server/apiserver/encode.h"
#include "store/store.h"

namespace orch::apiserver {
namespace {

// An object with every field that tags are made of, and some that look like them.
api::Value with_all_tags(const api::Resource& resource) {
  api::Value object = api::Value::object();
  object.set("metadata", *api::parse_json(R"({"name":"n","uid":"u","labels":{"a":"b","uid":"x"},
      "ownerReferences":[{"uid":"o1","name":"\"}\\"},{"uid":"o2"}],
      "managedFields":[{"fieldsV1":{"f:spec":{"f:nodeName":{}}}}]})"));
  for (const auto& [label, path] : resource.selectable_fields) {
    const size_t dot = path.find('.');
    api::Value value = "v-" + path;
    if (path == "source") value = api::Value::object({{"component", "c"}});
    if (path == "status.podIPs") {
      value = api::Value::array({api::Value::object({{"ip", "10.0.0.1"}})});
    }
    if (path == "spec.unschedulable" || path == "spec.hostNetwork") value = true;
    if (path == "status.replicas") value = 3;
    if (dot == path.npos) {
      object.set(path, value);
    } else {
      object[path.substr(0, dot)].set(path.substr(dot + 1), value);
    }
  }
  return object;
}

TEST_CASE("tags are the same made of an object and of its bytes") {
  const api::Schema& schema = api::Schema::builtin();
  for (const api::Resource* resource : schema.resources()) {
    if (resource->storage_prefix.empty() || resource->storage != nullptr) continue;
    const api::Value object = with_all_tags(*resource);
    const std::string key = store_key(*resource, resource->namespaced ? "ns" : "", "n");
    INFO(key);
    const store::Tags tags = tags_of(*resource, object);
    CHECK(tags.owners.size() == 2);
    std::set<std::string> paths;
    for (const auto& [label, path] : resource->selectable_fields) paths.insert(path);
    CHECK(tags.fields.size() == paths.size());
    CHECK(tags_of_stored(schema, key, api::to_json(object)) == tags);
    api::Value bare = api::Value::object({{"metadata", api::Value::object({{"name", "n"}})}});
    CHECK(tags_of_stored(schema, key, api::to_json(bare)) == tags_of(*resource, bare));
  }
}

TEST_CASE("a continue token that is accepted can be written again") {
  const std::string prefix = "/pods/default/";
  // Each of its characters takes six in JSON.
  const std::string name(store::kMaxKeyBytes - prefix.size(), '\x01');
  const std::string token = encode_continue({7, prefix + name}, prefix);
  const auto read = decode_continue(token, prefix);
  REQUIRE(read.ok());
  CHECK(encode_continue(*read, prefix) == token);
  CHECK(decode_continue(encode_continue({7, prefix + name + "a"}, prefix), prefix).status().code ==
        400);
}

}  // namespace
}  // namespace orch::apiserver
