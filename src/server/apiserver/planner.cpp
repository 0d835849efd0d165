#include "server/apiserver/planner.h"

#include <utility>

#include "api/decode.h"
#include "api/defaults.h"
#include "api/resources.h"
#include "api/strategy.h"
#include "api/versions.h"
#include "server/apiserver/body_errors.h"
#include "server/apiserver/certificate_admission.h"
#include "server/apiserver/deletion.h"
#include "server/apiserver/escalation.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/pod_security_admission.h"

namespace orch::apiserver {
namespace {

constexpr size_t kMaxGeneratedBase = 58;

Status revision_on_create() {
  Status status = internal_error("resourceVersion should not be set on objects to be created");
  status.reason.clear();
  return status;
}

Status must_be_specified(const WriteRequest& request) {
  return invalid(request.spoken().group, request.spoken().kind, request.name,
                 {{"FieldValueInvalid", "Invalid value: 0x0: must be specified for an update",
                   "metadata.resourceVersion"}});
}

Result<void> checked(const WriteRequest& request, const std::string& name, api::Causes causes) {
  if (causes.empty()) return {};
  return invalid(request.spoken().group, request.spoken().kind, name, std::move(causes));
}

// A name made of the generateName of the object's metadata.
std::string generated(const api::Value& metadata, Random& random) {
  const std::string& base = metadata["generateName"].as_string();
  if (base.empty()) return "";
  return base.substr(0, kMaxGeneratedBase) + random.name_suffix();
}

bool is_service(const WriteRequest& request) {
  return request.resource == &api::resource::services();
}

bool is_apply(const WriteRequest& request) {
  return request.verb == Verb::patch && request.patch == PatchKind::apply;
}

}  // namespace

Result<void> check_identity(const WriteRequest& request, const api::Value& document) {
  if (!document.is_object()) return bad_request("the body must be an object");
  const api::Resource& resource = request.spoken();
  ORCH_TRY(check_kind(resource, document));
  const api::Value& metadata = document["metadata"];
  if (!metadata.is_null() && !metadata.is_object()) {
    return bad_request(resource.kind + " in version \"" + resource.version +
                       "\" cannot be handled as a " + resource.kind + ": metadata: not an object");
  }
  const std::string& ns = metadata["namespace"].as_string();
  const bool creating = request.verb == Verb::create;
  if (!ns.empty() && ns != request.ns && resource.namespaced) {
    if (creating) {
      return bad_request(
          "the namespace of the provided object does not match the namespace sent on the request");
    }
    return bad_request("the namespace of the object (" + ns +
                       ") does not match the namespace on the request (" + request.ns + ")");
  }
  const std::string& name = metadata["name"].as_string();
  if (creating || name == request.name) return {};
  if (name.empty()) {
    return bad_request("the name of the object (" + request.name +
                       " based on URL) was undeterminable: name must be provided");
  }
  return bad_request("the name of the object (" + name + ") does not match the name on the URL (" +
                     request.name + ")");
}

Result<Plan> Planner::plan(WriteRequest& request) const {
  const std::string_view part = request.subresource_name();
  if (part == "binding") return plan_binding(request);
  if (part == "eviction") return plan_eviction(request);
  if (part == "scale") return plan_scale(request);
  switch (request.verb) {
    case Verb::create: {
      // What another server gave away meanwhile is chosen anew.
      const bool once =
          !request.keep_body && !request.body.at("metadata.name").empty() && !is_service(request);
      return plan_create(request, once ? std::move(request.body) : request.body);
    }
    case Verb::update:
    case Verb::patch:
      return plan_update(request);
    case Verb::remove:
      return plan_remove(request, request.deletion);
    default:
      return method_not_allowed("the server does not allow this method");
  }
}

Result<Planner::Current> Planner::read(const WriteRequest& request) const {
  const auto record = parts_.store.get(store_key(*request.resource, request.ns, request.name));
  if (!record) return not_found(request.resource_name());
  Current current{record, {}, {}};
  const bool whole = is_apply(request) || request.resource->relaxed;
  current.object =
      whole ? decode_stored(record->bytes) : decode_stored(record->bytes, &current.owners);
  return current;
}

Result<api::Value> Planner::decode(const WriteRequest& request, api::Value document,
                                   const api::Value& live, Plan* plan) const {
  const api::Resource& resource = request.spoken();
  api::DecodeOptions options;
  using FieldValidation = WriteOptions::FieldValidation;
  const FieldValidation wanted = request.options.field_validation;
  options.strictness = wanted == FieldValidation::strict ? api::Strictness::strict
                       : wanted == FieldValidation::warn ? api::Strictness::warn
                                                         : api::Strictness::ignore;
  options.duplicates = &request.duplicates;
  options.warnings = &plan->reply.warnings;
  document.set("kind", resource.kind);
  document.set("apiVersion", resource.api_version());
  api::Value object = ORCH_TRY(api::decode(*resource.type, std::move(document), options));
  if (resource.storage == nullptr) return object;
  // What the version itself demands can't be told any more when it has become the stored one.
  api::apply_defaults(resource, &object);
  ORCH_TRY(checked(request, object.at("metadata.name").as_string(),
                   api::validate_view(resource, object, api::from_stored(resource, live))));
  return api::to_stored(resource, std::move(object));
}

Result<Plan> Planner::plan_create(const WriteRequest& request, api::Value body) const {
  Plan plan;
  ORCH_TRY(check_identity(request, body));
  api::Value object = ORCH_TRY(decode(request, std::move(body), {}, &plan));
  if (!std::as_const(object)["metadata"].is_object()) object.set("metadata", api::Value::object());
  if (!object.at("metadata.resourceVersion").empty()) return revision_on_create();

  // The name and uid come first: a Job's selector and a Namespace's label are made of them.
  api::Value& metadata = object["metadata"];
  plan.name = std::as_const(metadata)["name"].as_string();
  if (plan.name.empty()) {
    plan.name = generated(metadata, parts_.random);
    plan.again = !plan.name.empty();  // Another suffix may be free.
  }
  metadata.set("name", plan.name);
  if (request.resource->namespaced) {
    metadata.set("namespace", request.ns);
  } else {
    metadata.remove("namespace");
  }
  metadata.set("uid", parts_.random.uuid());
  metadata.set("creationTimestamp", format_time(parts_.clock.now()));
  api::apply_defaults(*request.resource, &object);
  api::prepare_create(*request.resource, &object);

  ORCH_TRY(parts_.admission.admit_create(request, &object));
  ORCH_TRY(check_escalation(request, {}, object, parts_.authorizer, parts_.policy));
  ORCH_TRY(admit_certificate(request, {}, &object, parts_.authorizer, parts_.clock.now()));
  ORCH_TRY(checked(request, plan.name, api::validate_create(*request.resource, object)));
  ORCH_TRY(admit_pod_security(parts_.store, request, {}, object, &plan.reply.warnings));
  plan.counted = ORCH_TRY(parts_.quotas.check(request, {}, object));
  // In its place before the object is put into canonical order, so that this happens once.
  object["metadata"].set("resourceVersion", kNoRevision);
  const std::string owners = track_owners(request, api::Value(), "", &object);
  ORCH_TRY(allocate(request, &object, {}, &plan));
  const ResourceName name{request.resource->group, request.resource->plural, plan.name};
  // A real one hears this from the store.
  if (request.options.dry_run &&
      parts_.store.get(store_key(*request.resource, request.ns, plan.name))) {
    return already_exists(name);
  }
  plan.reply.code = 201;
  finish(request, std::move(object), owners, nullptr, &plan);
  return plan;
}

Result<Plan> Planner::plan_update(const WriteRequest& request) const {
  auto current = read(request);
  const bool applies = is_apply(request);
  if (applies) ORCH_TRY(check_identity(request, request.body));
  if (!current && applies && !request.subresource) {
    if (!current.status().not_found()) return std::move(current).status();
    if (const std::string& uid = request.body.at("metadata.uid").as_string(); !uid.empty()) {
      return conflict(request.resource_name(), "uid mismatch: the provided object specified uid " +
                                                   uid + ", and no existing object was found");
    }
    WriteRequest creation = request;
    creation.view = nullptr;  // It is applied in the form that is stored.
    Plan plan = ORCH_TRY(plan_create(creation, ORCH_TRY(applied(request, api::Value()))));
    plan.again = true;  // Somebody else may make it meanwhile; then it is there to be applied to.
    return plan;
  }
  if (!current) {
    const bool creates =
        request.verb == Verb::update && !request.subresource && request.resource->create_on_update;
    if (!creates) return std::move(current).status();
    ORCH_TRY(check_identity(request, request.body));
    WriteRequest creation = request;
    creation.verb = Verb::create;
    creation.body["metadata"].remove("resourceVersion");
    return plan_create(creation, creation.body);
  }
  if (request.verb == Verb::update) return plan_replace(request, *current, request.body);
  if (applies) {
    WriteRequest stored = request;
    stored.view = nullptr;
    return plan_replace(stored, *current, ORCH_TRY(applied(request, current->object)));
  }
  auto plan = plan_replace(request, *current, ORCH_TRY(patched(request, *current)));
  if (plan || !is_decode_failure(request.spoken(), plan.status())) return plan;
  return unfit_patch(request, ORCH_TRY(patched(request, *current)), plan.status());
}

Result<Plan> Planner::plan_replace(const WriteRequest& request, const Current& current,
                                   api::Value document) const {
  const api::Resource& resource = *request.resource;
  const std::string_view part = request.subresource_name();
  Plan plan;
  plan.name = request.name;
  ORCH_TRY(check_identity(request, document));
  std::string revision = document.at("metadata.resourceVersion").as_string();
  if (revision == "0") revision.clear();  // "Whatever stands there", as clients of old say it.
  const bool patching = request.verb == Verb::patch;
  if (revision.empty() && !patching && !resource.unconditional_update) {
    return must_be_specified(request);
  }
  if (!revision.empty() && revision != std::to_string(current.record->revision)) {
    return conflict(request.resource_name(),
                    "the object has been modified; please apply your changes to the latest "
                    "version and try again");
  }
  plan.again = revision.empty() || patching;
  const std::string& uid = document.at("metadata.uid").as_string();
  ORCH_TRY(check_preconditions(resource, current.object, uid));

  api::Value object = ORCH_TRY(decode(request, std::move(document), current.object, &plan));
  api::apply_defaults(resource, &object);
  if (is_service(request) && part.empty()) keep_allocations(&object, current.object);
  api::prepare_update(resource, current.object, &object, part);
  if (resource.namespaced) object["metadata"].set("namespace", request.ns);
  ORCH_TRY(parts_.admission.admit_update(request, current.object, object));
  ORCH_TRY(check_escalation(request, current.object, object, parts_.authorizer, parts_.policy));
  ORCH_TRY(
      admit_certificate(request, current.object, &object, parts_.authorizer, parts_.clock.now()));
  ORCH_TRY(
      checked(request, plan.name, api::validate_update(resource, object, current.object, part)));
  ORCH_TRY(admit_pod_security(parts_.store, request, current.object, object, &plan.reply.warnings));
  plan.counted = ORCH_TRY(parts_.quotas.check(request, current.object, object));
  const std::string owners = track_owners(request, current.object, current.owners, &object);
  ORCH_TRY(allocate(request, &object, current.object, &plan));
  if (is_released(resource, object)) {
    finish_removal(request, current.record, &plan);
  } else {
    finish(request, std::move(object), owners, current.record, &plan);
  }
  return plan;
}

api::Writer Planner::writer(const WriteRequest& request, const std::string& now) const {
  return {request.options.field_manager, request.subresource_name(), now, request.options.force};
}

// What an apply makes of `live` (null: nothing stands there).
Result<api::Value> Planner::applied(const WriteRequest& request, const api::Value& live) const {
  const std::string now = format_time(parts_.clock.now());
  return api::apply(*request.resource, live, api::to_stored(request.spoken(), request.body),
                    writer(request, now));
}

Result<api::Value> Planner::patched(const WriteRequest& request, const Current& current) const {
  // A patch that is about managedFields finds them.
  const bool whole = api::to_json(request.body).find("managedFields") != std::string::npos;
  const api::Resource& resource = request.spoken();
  api::Value document =
      api::from_stored(resource, whole ? decode_stored(current.record->bytes) : current.object);
  return patch_document(request, std::move(document));
}

// Every other write owns what it changes; an apply has said so already.
std::string Planner::track_owners(const WriteRequest& request, const api::Value& live,
                                  std::string_view owners, api::Value* object) const {
  // Heartbeats and events come often and are nobody's to fight over.
  if (is_apply(request) || request.resource->relaxed) return {};
  const std::string now = format_time(parts_.clock.now());
  return api::track_update(*request.resource, live, owners, object, writer(request, now));
}

Result<void> Planner::allocate(const WriteRequest& request, api::Value* object,
                               const api::Value& old, Plan* plan) const {
  if (!is_service(request) || request.subresource) return {};
  plan->reservation = ORCH_TRY(parts_.services.allocate(object, old));
  return {};
}

void Planner::finish(const WriteRequest& request, api::Value object, std::string_view owners,
                     const store::RecordPtr& current, Plan* plan) const {
  const api::Resource& resource = *request.resource;
  store::Tags tags = tags_of(resource, object);
  Encoded encoded = encode_object(resource, std::move(object), owners);
  if (current && encoded.same_as(*current)) {
    plan->reply.record = current;
    return;
  }
  if (request.options.dry_run) {
    plan->reply.bytes = encoded.at(current ? current->revision : 0);
    return;
  }
  store::Write write;
  write.key = store_key(resource, request.ns, plan->name);
  write.bytes = std::move(encoded.bytes);
  write.revision_at = encoded.revision_at;
  write.expected_revision = current ? current->revision : 0;
  write.tags = std::move(tags);
  write.only_in_term = request.only_in_term;
  write.counted = plan->counted;
  if (resource.relaxed) write.durability = store::Durability::relaxed;
  plan->write = std::move(write);
}

void Planner::finish_removal(const WriteRequest& request, const store::RecordPtr& current,
                             Plan* plan) const {
  if (request.options.dry_run || request.deletion.dry_run) {
    plan->reply.record = current;
    return;
  }
  store::Write write;
  write.key = std::string(current->key);
  write.expected_revision = current->revision;
  write.only_in_term = request.only_in_term;
  if (request.resource->relaxed) write.durability = store::Durability::relaxed;
  plan->write = std::move(write);
  plan->removes = true;
}

}  // namespace orch::apiserver
