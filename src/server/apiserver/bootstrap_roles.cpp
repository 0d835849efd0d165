#include "server/apiserver/bootstrap_roles.h"

#include <future>
#include <utility>
#include <vector>

#include "base/check.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"
#include "server/rbac/bootstrap_policy.h"

namespace orch::apiserver {
namespace {

WriteRequest request_of(const api::Resource& resource, api::Value object) {
  WriteRequest request;
  request.resource = &resource;
  request.ns = object.at("metadata.namespace").as_string();
  request.user.name = "system:apiserver";
  request.user.groups = {std::string(kMastersGroup)};
  request.options.field_manager = "apiserver";
  request.body = std::move(object);
  return request;
}

}  // namespace

Result<void> bootstrap_roles(const store::Store& store, Registry& registry) {
  std::vector<std::future<Result<WriteReply>>> answers;
  for (api::Value& wanted : rbac::bootstrap_policy()) {
    const api::Resource* resource = api::Schema::builtin().find_kind(
        std::as_const(wanted)["apiVersion"].as_string(), std::as_const(wanted)["kind"].as_string());
    ORCH_CHECK(resource != nullptr);
    const std::string name = wanted.at("metadata.name").as_string();
    WriteRequest request = request_of(*resource, std::move(wanted));
    if (const auto stands = store.get(store_key(*resource, request.ns, name))) {
      request.body = rbac::with_bootstrap(decode_stored(stands->bytes), request.body);
      if (request.body.is_null()) continue;
      request.verb = Verb::update;
      request.name = name;
    }
    auto answered = std::make_shared<std::promise<Result<WriteReply>>>();
    answers.push_back(answered->get_future());
    registry.submit(std::move(request), [answered](Result<WriteReply> reply) {
      answered->set_value(std::move(reply));
    });
  }
  for (auto& answer : answers) {
    const Result<WriteReply> reply = answer.get();
    if (reply || reply.status().already_exists() || reply.status().conflict()) continue;
    return reply.status();  // Else another server has just done the same.
  }
  return {};
}

}  // namespace orch::apiserver
