#include "server/apiserver/local_api.h"

#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/local_audit.h"
#include "server/apiserver/reviews.h"
#include "server/apiserver/selection.h"

namespace orch::apiserver {
namespace {

CodeCounts& calls_of(ServerMetrics& metrics, Verb verb) {
  switch (verb) {
    case Verb::create:
      return metrics.calls.post;
    case Verb::update:
      return metrics.calls.put;
    case Verb::patch:
      return metrics.calls.patch;
    case Verb::remove:
    case Verb::remove_collection:
      return metrics.calls.remove;
    default:
      return metrics.calls.get;
  }
}

}  // namespace

Result<WriteRequest> LocalApi::request(const api::Resource& resource, Verb verb,
                                       const client::ObjectKey& key,
                                       std::string_view subresource) const {
  WriteRequest request;
  request.resource = &resource;
  request.verb = verb;
  request.ns = key.ns;
  request.name = key.name;
  request.user = user_;
  request.only_in_term = only_in_term_;
  request.options.field_validation = WriteOptions::FieldValidation::strict;
  // "system:kube-scheduler" is kube-scheduler; a node's agent is known as kubelet everywhere.
  request.options.field_manager =
      user_.node().empty() ? user_.name.substr(user_.name.rfind(':') + 1) : "kubelet";
  if (!subresource.empty()) {
    request.subresource = resource.find_subresource(subresource);
    if (!request.subresource) {
      return not_found("the server could not find the requested resource");
    }
  }
  return request;
}

// A loop that has outlived its term hears it as a lost race, of which nobody makes a fuss.
Result<void> LocalApi::check_term() const {
  if (!only_in_term_) return {};
  const store::Leadership now = parts_.store.leadership();
  if (now.ours && now.term == *only_in_term_) return {};
  return conflict("this server leads no longer in term " + std::to_string(*only_in_term_));
}

Result<api::Value> LocalApi::run(WriteRequest request) {
  ORCH_TRY(check_term());
  CodeCounts& calls = calls_of(parts_.metrics, request.verb);
  const auto audit = LocalAudit::begin(parts_.audit, request);
  const auto notes = audit ? std::make_shared<AuditNotes>() : nullptr;
  request.notes = notes;
  Result<WriteReply> result = parts_.registry.run(std::move(request));
  if (audit) audit->completed(result, *notes);
  calls.add(result ? result->code : result.status().code);
  if (!result) ORCH_TRY(check_term());
  WriteReply reply = ORCH_TRY(std::move(result));
  if (reply.document) return *std::move(reply.document);
  return decode_stored(reply.record ? reply.record->bytes : std::string_view(reply.bytes));
}

Result<api::Value> LocalApi::get(const api::Resource& resource, const client::ObjectKey& key) {
  ORCH_TRY(parts_.fresh.wait());
  const auto record = parts_.store.get(store_key(resource, key.ns, key.name));
  parts_.metrics.calls.get.add(record ? 200 : 404);
  if (!record) return not_found({resource.group, resource.plural, key.name});
  return decode_stored(record->bytes);
}

Result<std::vector<api::Value>> LocalApi::list(const api::Resource& resource,
                                               const client::ListOptions& options) {
  ORCH_TRY(parts_.fresh.wait());
  const Selection selection = ORCH_TRY(
      Selection::make(resource, options.ns, "", options.label_selector, options.field_selector));
  const store::Range range = ORCH_TRY(parts_.store.range({selection.prefix(), "", 0, 0}));
  parts_.metrics.calls.get.add(200);
  std::vector<api::Value> objects;
  for (const auto& record : range.records) {
    if (selection.matches(*record)) objects.push_back(decode_stored(record->bytes));
  }
  return objects;
}

Result<api::Value> LocalApi::create(const api::Resource& resource, const api::Value& object) {
  if (resource.storage_prefix.empty()) {
    Target target;
    target.resource = &resource;
    target.ns = client::key_of(object).ns;
    return answer_review(target, user_, object, parts_.authenticator, parts_.authorizer,
                         parts_.policy);
  }
  WriteRequest wish =
      ORCH_TRY(request(resource, Verb::create, {client::key_of(object).ns, ""}, ""));
  wish.body = object;
  return run(std::move(wish));
}

Result<api::Value> LocalApi::update(const api::Resource& resource, const api::Value& object,
                                    std::string_view subresource) {
  WriteRequest wish =
      ORCH_TRY(request(resource, Verb::update, client::key_of(object), subresource));
  wish.body = object;
  return run(std::move(wish));
}

Result<api::Value> LocalApi::patch(const api::Resource& resource, const client::ObjectKey& key,
                                   client::PatchType type, const api::Value& patch,
                                   std::string_view subresource) {
  WriteRequest wish = ORCH_TRY(request(resource, Verb::patch, key, subresource));
  wish.body = patch;
  wish.patch = type == client::PatchType::json    ? PatchKind::json
               : type == client::PatchType::merge ? PatchKind::merge
                                                  : PatchKind::strategic;
  return run(std::move(wish));
}

Result<api::Value> LocalApi::create_sub(const api::Resource& resource, const client::ObjectKey& key,
                                        std::string_view subresource, const api::Value& body) {
  WriteRequest wish = ORCH_TRY(request(resource, Verb::create, key, subresource));
  wish.body = body;
  if (subresource == "token") return parts_.tokens.issue(wish);
  return run(std::move(wish));
}

Result<void> LocalApi::remove(const api::Resource& resource, const client::ObjectKey& key,
                              const client::DeleteOptions& options) {
  WriteRequest wish = ORCH_TRY(request(resource, Verb::remove, key, ""));
  wish.deletion.uid = options.uid;
  wish.deletion.resource_version = options.resource_version;
  wish.deletion.grace_s = options.grace_s;
  wish.deletion.propagation = options.propagation;
  ORCH_TRY(run(std::move(wish)));
  return {};
}

}  // namespace orch::apiserver
