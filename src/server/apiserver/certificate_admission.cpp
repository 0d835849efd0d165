#include "server/apiserver/certificate_admission.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "crypto/pki.h"

namespace orch::apiserver {
namespace {

using api::Value;

constexpr std::string_view kGroup = "certificates.k8s.io";
constexpr std::string_view kClientSigner = "kubernetes.io/kube-apiserver-client";

Value list_of(const std::vector<std::string>& texts) {
  Value list = Value::array();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

void set_author(const User& user, Value* spec) {
  for (const char* field : {"username", "uid", "groups", "extra"}) spec->remove(field);
  spec->set("username", user.name);
  if (!user.uid.empty()) spec->set("uid", user.uid);
  if (!user.groups.empty()) spec->set("groups", list_of(user.groups));
  for (const auto& [key, values] : user.extra) (*spec)["extra"].set(key, list_of(values));
}

Status malformed(const WriteRequest& request, const Value& object, const std::string& why) {
  return invalid(
      kGroup, request.resource->kind, object["metadata"]["name"].as_string(),
      {{"FieldValueInvalid",
        "Invalid value: " + api::to_json(object["spec"]["request"]) + ": " + why, "spec.request"}});
}

Result<void> admit_request(const WriteRequest& request, Value* object) {
  set_author(request.user, &(*object)["spec"]);
  const Value& spec = std::as_const(*object)["spec"];
  const auto pem = base64_decode(spec["request"].as_string());
  if (!pem) return malformed(request, *object, "must be base64");
  if (pem->find("-----BEGIN CERTIFICATE REQUEST-----") == pem->npos) {
    return malformed(request, *object, "PEM block type must be CERTIFICATE REQUEST");
  }
  const auto info = crypto::csr_info(*pem);
  if (!info) return malformed(request, *object, info.status().message);
  const auto& groups = info->organizations;
  const bool masters = std::find(groups.begin(), groups.end(), kMastersGroup) != groups.end();
  if (!masters || spec["signerName"].as_string() != kClientSigner) return {};
  return forbidden(
      {kGroup, request.resource->plural, (*object)["metadata"]["name"].as_string()},
      "use of " + std::string(kClientSigner) + " signer with system:masters group is not allowed");
}

// A right to `verb` the signer, or all signers of its domain.
bool may(const User& user, const Authorizer& authorizer, std::string_view verb,
         const std::string& signer) {
  const std::string domain = signer.substr(0, signer.find('/')) + "/*";
  for (const std::string& name : {signer, domain}) {
    Action action;
    action.verb = verb;
    action.group = kGroup;
    action.resource = "signers";
    action.name = name;
    if (authorizer.allowed(user, action)) return true;
  }
  return false;
}

const Value* condition_of(const Value& request, const std::string& type) {
  for (const Value& each : request["status"]["conditions"].items()) {
    if (each["type"].as_string() == type) return &each;
  }
  return nullptr;
}

void stamp(const Value& old, WallTime now, Value* object) {
  Value* conditions = (*object)["status"].find("conditions");
  if (conditions == nullptr || !conditions->is_array()) return;
  for (Value& each : conditions->array_items()) {
    const Value* before = condition_of(old, std::as_const(each)["type"].as_string());
    if (std::as_const(each)["lastUpdateTime"].empty()) {
      each.set("lastUpdateTime", format_time(now));
    }
    if (!std::as_const(each)["lastTransitionTime"].empty()) continue;
    const bool same = before && (*before)["status"] == std::as_const(each)["status"];
    each.set("lastTransitionTime",
             same ? (*before)["lastTransitionTime"] : Value(format_time(now)));
  }
}

}  // namespace

Result<void> admit_certificate(const WriteRequest& request, const Value& old, Value* object,
                               const Authorizer& authorizer, WallTime now) {
  if (request.resource->group != kGroup ||
      request.resource->plural != "certificatesigningrequests") {
    return {};
  }
  if (old.is_null()) return admit_request(request, object);
  const std::string signer = old["spec"]["signerName"].as_string();
  const auto refuse = [&](const char* act) {
    return forbidden(request.resource_name(), std::string("user not permitted to ") + act +
                                                  " requests with signerName \"" + signer + "\"");
  };
  const std::string_view part = request.subresource_name();
  if (part == "approval") {
    if (!may(request.user, authorizer, "approve", signer)) return refuse("approve");
    stamp(old, now, object);
  } else if (part == "status" && old["status"] != std::as_const(*object)["status"]) {
    if (!may(request.user, authorizer, "sign", signer)) return refuse("sign");
    stamp(old, now, object);
  }
  return {};
}

}  // namespace orch::apiserver
