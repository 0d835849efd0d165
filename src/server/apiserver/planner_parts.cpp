// The planner's other half: deletion, and the subresources that change an object in their own way.
#include <utility>

#include "api/patch.h"
#include "api/selector.h"
#include "server/apiserver/deletion.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/planner.h"

namespace orch::apiserver {
namespace {

// {"status": "Success", "details": {...}}: what was removed.
api::Value success(const WriteRequest& request, const std::string& uid) {
  api::Value details = api::Value::object({{"name", request.name}});
  if (!request.resource->group.empty()) details.set("group", request.resource->group);
  details.set("kind", request.resource->plural);
  if (!uid.empty()) details.set("uid", uid);
  return api::Value::object({{"kind", "Status"},
                             {"apiVersion", "v1"},
                             {"metadata", api::Value::object()},
                             {"status", "Success"},
                             {"details", std::move(details)}});
}

api::Value created() {
  return api::Value::object({{"kind", "Status"},
                             {"apiVersion", "v1"},
                             {"metadata", api::Value::object()},
                             {"status", "Success"},
                             {"code", 201}});
}

void set_scheduled(api::Value* pod, const std::string& when) {
  api::Value scheduled = api::Value::object({{"type", "PodScheduled"},
                                             {"status", "True"},
                                             {"lastProbeTime", nullptr},
                                             {"lastTransitionTime", when}});
  api::Value& conditions = (*pod)["status"]["conditions"];
  if (!conditions.is_array()) conditions = api::Value::array();
  for (api::Value& condition : conditions.array_items()) {
    if (std::as_const(condition)["type"].as_string() != "PodScheduled") continue;
    condition = std::move(scheduled);
    return;
  }
  conditions.push_back(std::move(scheduled));
}

// "a=b,c=d": how a Scale names the pods, for autoscalers.
std::string selector_text(const api::Value& object) {
  const auto selector = api::LabelSelector::from_object(object.at("spec.selector"));
  return selector ? selector->to_string() : "";
}

}  // namespace

Result<Plan> Planner::plan_remove(const WriteRequest& request, const DeleteOptions& options) const {
  Plan plan;
  plan.name = request.name;
  const Current current = ORCH_TRY(read(request));
  ORCH_TRY(check_preconditions(*request.resource, current.object, options.uid,
                               options.resource_version));
  ORCH_TRY(parts_.admission.admit_delete(request));
  plan.again = options.resource_version.empty();
  const std::string uid = current.object.at("metadata.uid").as_string();
  Deletion deletion =
      ORCH_TRY(plan_deletion(*request.resource, current.object, options, parts_.clock.now()));
  switch (deletion.kind) {
    case Deletion::Kind::nothing:
      plan.reply.record = current.record;
      break;
    case Deletion::Kind::mark:
      if (options.dry_run) {
        plan.reply.record = current.record;
      } else {
        finish(request, std::move(deletion.object), current.record, &plan);
      }
      break;
    case Deletion::Kind::remove:
      plan.reply.document = success(request, uid);
      finish_removal(request, current.record, &plan);
      break;
  }
  return plan;
}

Result<Plan> Planner::plan_eviction(const WriteRequest& request) const {
  const std::string& name = request.body.at("metadata.name").as_string();
  if (!name.empty() && name != request.name) {
    return bad_request("name in URL does not match name in Eviction object");
  }
  const DeleteOptions options =
      ORCH_TRY(parse_delete_options(Query{}, request.body["deleteOptions"]));
  Plan plan = ORCH_TRY(plan_remove(request, options));
  plan.reply.code = 201;
  plan.reply.document = created();
  return plan;
}

Result<Plan> Planner::plan_binding(const WriteRequest& request) const {
  const api::Value& target = request.body["target"];
  const std::string& node = target["name"].as_string();
  const std::string& kind = target["kind"].as_string();
  if (node.empty() || (!kind.empty() && kind != "Node")) {
    return invalid("", "Binding", request.name,
                   {{"FieldValueRequired", "Required value", "target.name"}});
  }
  const Current current = ORCH_TRY(read(request));
  const api::Value& pod = current.object;
  const auto refuse = [&](const std::string& why) {
    return conflict({"", "pods/binding", request.name}, why);
  };
  if (!pod.at("metadata.deletionTimestamp").empty()) {
    return refuse("pod " + request.name + " is being deleted, cannot be assigned to a host");
  }
  if (const std::string& bound = pod.at("spec.nodeName").as_string(); !bound.empty()) {
    return refuse("pod " + request.name + " is already assigned to node \"" + bound + "\"");
  }
  const std::string& uid = request.body.at("metadata.uid").as_string();
  ORCH_TRY(check_preconditions(*request.resource, pod, uid));

  api::Value bound = pod;
  bound["spec"].set("nodeName", node);
  set_scheduled(&bound, format_time(parts_.clock.now()));
  for (const auto& annotation : request.body.at("metadata.annotations").members()) {
    bound["metadata"]["annotations"].set(annotation.name, annotation.value);
  }
  Plan plan;
  plan.name = request.name;
  plan.again = true;
  plan.reply.code = 201;
  plan.reply.document = created();
  finish(request, std::move(bound), current.record, &plan);
  return plan;
}

api::Value scale_of(const api::Value& object) {
  using api::Value;
  const Value& metadata = object["metadata"];
  Value meta = Value::object();
  for (const char* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    meta.set(field, metadata[field]);
  }
  Value status = Value::object({{"replicas", object.at("status.replicas").as_int()}});
  if (std::string text = selector_text(object); !text.empty()) status.set("selector", text);
  return Value::object(
      {{"kind", "Scale"},
       {"apiVersion", "autoscaling/v1"},
       {"metadata", std::move(meta)},
       {"spec", Value::object({{"replicas", object.at("spec.replicas").as_int()}})},
       {"status", std::move(status)}});
}

Result<Plan> Planner::plan_scale(const WriteRequest& request) const {
  const Current current = ORCH_TRY(read(request));
  api::Value scale = request.body;
  if (request.verb == Verb::patch) {
    // A Scale has no lists: strategic and plain merges are the same here.
    scale = scale_of(current.object);
    scale = ORCH_TRY(request.patch == PatchKind::json
                         ? api::apply_json_patch(std::move(scale), request.body)
                         : api::apply_merge_patch(std::move(scale), request.body));
  }
  const api::Value& replicas = scale.at("spec.replicas");
  if (!replicas.is_null() && (!replicas.is_int() || replicas.as_int() < 0)) {
    return invalid(
        "autoscaling", "Scale", request.name,
        {{"FieldValueInvalid",
          "Invalid value: " + api::to_json(replicas) + ": must be greater than or equal to 0",
          "spec.replicas"}});
  }
  WriteRequest whole = request;
  whole.subresource = nullptr;
  whole.duplicates.clear();
  api::Value object = current.object;
  object["spec"].set("replicas", replicas.as_int());
  const std::string revision = scale.at("metadata.resourceVersion").as_string();
  if (revision.empty()) {
    object["metadata"].remove("resourceVersion");
  } else {
    object["metadata"].set("resourceVersion", revision);
  }
  Plan plan = ORCH_TRY(plan_replace(whole, current, std::move(object)));
  plan.answer = Plan::Answer::scale;
  return plan;
}

}  // namespace orch::apiserver
