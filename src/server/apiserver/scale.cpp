#include "server/apiserver/scale.h"

#include <utility>

#include "api/decode.h"
#include "api/patch.h"
#include "api/selector.h"
#include "base/check.h"

namespace orch::apiserver {
namespace {

using api::Value;

// "a=b,c=d": how a Scale names the pods, for autoscalers.
std::string selector_text(const Value& object) {
  const Value& selector = object.at("spec.selector");
  // A ReplicationController's is a plain map.
  const bool plain = object["kind"].as_string() == "ReplicationController";
  if (plain) return api::LabelSelector::from_map(selector).to_string();
  const auto parsed = api::LabelSelector::from_object(selector);
  return parsed ? parsed->to_string() : "";
}

api::Resource make_scale_resource() {
  api::Resource resource;
  resource.group = "autoscaling";
  resource.version = "v1";
  resource.kind = "Scale";
  resource.list_kind = "ScaleList";
  resource.plural = "scales";
  resource.type = api::Schema::builtin().find_document_type("autoscaling/v1", "Scale");
  ORCH_CHECK(resource.type != nullptr);
  const auto column = [&](const char* name, const char* type, const char* cell,
                          const char* description) {
    api::Column made;
    made.name = name;
    made.type = type;
    made.cell = cell;
    made.description = description;
    resource.columns.push_back(std::move(made));
  };
  column("Name", "string", ".metadata.name", "What the workload is called.");
  column("Desired", "integer", ".spec.replicas", "Pods wanted.");
  column("Available", "integer", ".status.replicas", "Pods there are.");
  column("Age", "string", "age", "Time since the workload was made.");
  resource.columns.front().format = "name";
  return resource;
}

Result<Value> patched(const WriteRequest& request, Value scale) {
  switch (request.patch) {
    case PatchKind::json:
      return api::apply_json_patch(std::move(scale), request.body);
    case PatchKind::strategic:
      return api::apply_strategic_patch(*scale_resource().type, std::move(scale), request.body);
    default:
      return api::apply_merge_patch(std::move(scale), request.body);
  }
}

}  // namespace

const api::Resource& scale_resource() {
  static const api::Resource resource = make_scale_resource();
  return resource;
}

Value scale_of(const Value& object) {
  const Value& metadata = object["metadata"];
  Value meta = Value::object();
  for (const char* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    meta.set(field, metadata[field]);
  }
  Value status = Value::object({{"replicas", object.at("status.replicas").as_int()}});
  if (std::string text = selector_text(object); !text.empty()) status.set("selector", text);
  // Go leaves a zero out.
  Value spec = Value::object();
  if (const int64_t replicas = object.at("spec.replicas").as_int()) spec.set("replicas", replicas);
  return Value::object({{"kind", "Scale"},
                        {"apiVersion", "autoscaling/v1"},
                        {"metadata", std::move(meta)},
                        {"spec", std::move(spec)},
                        {"status", std::move(status)}});
}

Result<Value> wanted_scale(const WriteRequest& request, const Value& live) {
  Value scale = request.body;
  if (request.verb == Verb::patch) scale = ORCH_TRY(patched(request, scale_of(live)));
  if (!scale.is_object()) return bad_request("the body must be an object");
  const std::string& kind = std::as_const(scale)["kind"].as_string();
  const std::string& version = std::as_const(scale)["apiVersion"].as_string();
  if ((!kind.empty() && kind != "Scale") || (!version.empty() && version != "autoscaling/v1")) {
    return bad_request(kind + " in version \"" + version + "\" cannot be handled as a Scale");
  }
  scale.set("kind", "Scale");
  scale.set("apiVersion", "autoscaling/v1");
  Value decoded = ORCH_TRY(api::decode(*scale_resource().type, std::move(scale)));
  const std::string& name = decoded.at("metadata.name").as_string();
  if (name != request.name) {
    return bad_request("the name of the object (" + name +
                       ") does not match the name on the URL (" + request.name + ")");
  }
  return decoded;
}

Result<void> check_scale(const WriteRequest& request, const Value& scale) {
  const Value& replicas = scale.at("spec.replicas");
  if (replicas.is_null() || (replicas.is_int() && replicas.as_int() >= 0)) return {};
  return invalid(
      "autoscaling", "Scale", request.name,
      {{"FieldValueInvalid",
        "Invalid value: " + api::to_json(replicas) + ": must be greater than or equal to 0",
        "spec.replicas"}});
}

}  // namespace orch::apiserver
