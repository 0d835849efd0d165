// The planner's other half: deletion, and the subresources that change an object in their own way.
#include <utility>

#include "api/causes.h"
#include "api/selector.h"
#include "server/apiserver/deletion.h"
#include "server/apiserver/eviction.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/planner.h"
#include "server/apiserver/scale.h"

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

}  // namespace

Result<Plan> Planner::plan_remove(const WriteRequest& request, const DeleteOptions& options) const {
  Plan plan;
  plan.name = request.name;
  Current current = ORCH_TRY(read(request));
  ORCH_TRY(check_preconditions(*request.resource, current.object, options.uid,
                               options.resource_version));
  ORCH_TRY(parts_.admission.admit_delete(request, current.object));
  plan.again = options.resource_version.empty();
  const std::string uid = current.object.at("metadata.uid").as_string();
  Deletion deletion = ORCH_TRY(
      plan_deletion(*request.resource, std::move(current.object), options, parts_.clock.now()));
  switch (deletion.kind) {
    case Deletion::Kind::nothing:
      plan.reply.record = current.record;
      break;
    case Deletion::Kind::mark:
      if (options.dry_run) {
        plan.reply.record = current.record;
      } else {
        finish(request, std::move(deletion.object), current.owners, current.record, &plan);
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
  if (!request.budget_spent) {
    auto budget = ORCH_TRY(plan_budget(request));
    if (budget && !options.dry_run && !request.options.dry_run) return *std::move(budget);
  }
  Plan plan = ORCH_TRY(plan_remove(request, options));
  plan.reply.code = 201;
  plan.reply.document = created();
  return plan;
}

Result<std::optional<Plan>> Planner::plan_budget(const WriteRequest& request) const {
  static const api::Resource& resource =
      *api::Schema::builtin().find("policy", "v1", "poddisruptionbudgets");
  const Current pod = ORCH_TRY(read(request));
  ORCH_TRY(parts_.admission.admit_delete(request, pod.object));  // Before anything is spent.
  if (is_beyond_budgets(pod.object)) return std::optional<Plan>();
  const auto labels = api::labels_of(pod.object);
  std::vector<api::Value> budgets;
  const auto range = ORCH_TRY(parts_.store.range({store_prefix(resource, request.ns), "", 0, 0}));
  store::RecordPtr record;
  for (const auto& each : range.records) {
    api::Value budget = decode_stored(each->bytes);
    const auto selector = api::LabelSelector::from_object(budget.at("spec.selector"));
    if (!selector || !selector->matches(labels)) continue;
    budgets.push_back(std::move(budget));
    record = each;
  }
  auto spent = ORCH_TRY(spend_budget(pod.object, budgets, parts_.clock.now()));
  if (!spent) return std::optional<Plan>();
  WriteRequest write;
  write.resource = &resource;
  write.ns = request.ns;
  write.only_in_term = request.only_in_term;
  Plan plan;
  plan.name = spent->at("metadata.name").as_string();
  plan.again = true;
  plan.first_step = true;
  finish(write, *std::move(spent), "", record, &plan);
  return std::optional<Plan>(std::move(plan));
}

Result<Plan> Planner::plan_binding(const WriteRequest& request) const {
  const api::Value& target = request.body["target"];
  const std::string& node = target["name"].as_string();
  const std::string& kind = target["kind"].as_string();
  api::Causes causes;
  if (!kind.empty() && kind != "Node") {
    api::add_not_supported(&causes, "target.kind", target["kind"], {"Node", "<empty>"});
  }
  if (node.empty()) api::add_required(&causes, "target.name");
  if (!causes.empty()) return invalid("", "Binding", request.name, std::move(causes));
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
  finish(request, std::move(bound), current.owners, current.record, &plan);
  return plan;
}

// The workload with as many replicas as a Scale says; an applier's Scale is applied to it as if it
// were a document of its own kind that speaks of the replicas alone.
Result<Plan> Planner::plan_scale(const WriteRequest& request) const {
  const Current current = ORCH_TRY(read(request));
  WriteRequest whole = request;
  whole.duplicates.clear();
  if (request.verb == Verb::patch && request.patch == PatchKind::apply) {
    ORCH_TRY(check_scale(request, request.body));
    whole.body = api::Value::object(
        {{"kind", request.resource->kind},
         {"apiVersion", request.resource->api_version()},
         {"metadata", api::Value::object({{"name", request.name}, {"namespace", request.ns}})},
         {"spec", api::Value::object({{"replicas", request.body.at("spec.replicas")}})}});
    Plan plan = ORCH_TRY(plan_replace(whole, current, ORCH_TRY(applied(whole, current.object))));
    plan.answer = Plan::Answer::scale;
    return plan;
  }
  const api::Value scale = ORCH_TRY(wanted_scale(request, current.object));
  ORCH_TRY(check_scale(request, scale));
  api::Value object = current.object;
  object["spec"].set("replicas", scale.at("spec.replicas").as_int());
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
