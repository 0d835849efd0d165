#include "server/apiserver/local_audit.h"

#include "base/strings.h"
#include "server/apiserver/respond.h"

namespace orch::apiserver {
namespace {

const char* patch_type(PatchKind kind) {
  switch (kind) {
    case PatchKind::json:
      return "application/json-patch+json";
    case PatchKind::merge:
      return "application/merge-patch+json";
    default:
      return "application/strategic-merge-patch+json";
  }
}

std::string path_of(const WriteRequest& request) {
  const api::Resource& resource = request.spoken();
  std::string path = resource.group.empty() ? "/api/" : "/apis/" + resource.group + "/";
  path += resource.version;
  if (!request.ns.empty()) path += "/namespaces/" + request.ns;
  path += "/" + resource.plural;
  if (!request.name.empty()) path += "/" + request.name;
  if (request.subresource) path += "/" + request.subresource->name;
  return path;
}

http::Response response_of(const Result<WriteReply>& result) {
  if (!result) return status_response(result.status());
  if (result->document) return value_response(result->code, *result->document);
  if (result->record) return record_response(result->code, result->record);
  return json_response(result->code, result->bytes);
}

}  // namespace

std::unique_ptr<LocalAudit> LocalAudit::begin(Audit* audit, const WriteRequest& request) {
  if (audit == nullptr) return nullptr;
  auto local = std::make_unique<LocalAudit>();
  Target target;
  target.resource = &request.spoken();
  target.subresource = request.subresource;
  target.ns = request.ns;
  target.name = request.name;
  target.verb = request.verb;
  target.path = path_of(request);
  // The verb says what was done; of the method it counts only whether the body is a patch.
  local->http_.method = request.verb == Verb::patch ? "PATCH" : "POST";
  local->http_.target = target.path;
  local->http_.peer.address = "127.0.0.1:0";
  local->http_.headers.set("User-Agent", "orch/" + request.user.name);
  local->entry_ = AuditEntry::begin(*audit, local->http_, &target, &request.user);
  if (!local->entry_) return nullptr;
  local->entry_->set_decision({true, ""});
  if (!request.body.is_null()) {
    local->http_.body = api::to_json(request.body);
    const bool patch = request.verb == Verb::patch;
    local->http_.headers.set("Content-Type",
                             patch ? patch_type(request.patch) : "application/json");
  }
  return local;
}

void LocalAudit::completed(const Result<WriteReply>& result, const AuditNotes& notes) {
  for (const auto& [name, text] : notes) entry_->annotate(name, text);
  entry_->completed(http_, response_of(result));
}

}  // namespace orch::apiserver
