#include "server/apiserver/tokens.h"

#include <algorithm>
#include <utility>

#include "api/resources.h"
#include "base/strings.h"
#include "base/time_spans.h"
#include "crypto/digest.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"

namespace orch::apiserver {
namespace {

using api::Value;

constexpr int64_t kLeewaySeconds = 60;  // Clocks differ; for "not before" only.
// After the time at which what it is bound to was to be gone (its deletionTimestamp).
constexpr int64_t kDeletedSeconds = 60;

int64_t unix_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::vector<std::string> audiences_of(const Value& value) {
  if (value.is_string()) return {value.as_string()};
  std::vector<std::string> all;
  for (const Value& item : value.items()) all.push_back(item.as_string());
  return all;
}

// Those of `wanted` that are in `offered`.
std::vector<std::string> common(const std::vector<std::string>& wanted,
                                const std::vector<std::string>& offered) {
  std::vector<std::string> both;
  for (const std::string& each : wanted) {
    if (std::find(offered.begin(), offered.end(), each) != offered.end()) both.push_back(each);
  }
  return both;
}

Result<int64_t> lifetime(const WriteRequest& request) {
  const int64_t seconds = request.body.at("spec.expirationSeconds").as_int(3600);
  std::string detail;
  if (seconds < kMinTokenSeconds) detail = "may not specify a duration less than 10 minutes";
  if (seconds > kMaxTokenSeconds) detail = "may not specify a duration larger than 2^32 seconds";
  if (detail.empty()) return seconds;
  return invalid("authentication.k8s.io", "TokenRequest", "",
                 {{"FieldValueInvalid", "Invalid value: " + std::to_string(seconds) + ": " + detail,
                   "spec.expirationSeconds"}});
}

Value reference(const Value& object) {
  return Value::object({{"name", object.at("metadata.name")}, {"uid", object.at("metadata.uid")}});
}

User account(const std::string& ns, const std::string& name, const std::string& uid) {
  User user;
  user.name = std::string(kServiceAccountPrefix) + ns + ":" + name;
  user.uid = uid;
  user.groups = {"system:serviceaccounts", "system:serviceaccounts:" + ns,
                 std::string(kAuthenticatedGroup)};
  return user;
}

User user_of(const Value& claims) {
  const Value& bound = claims["kubernetes.io"];
  User user = account(bound["namespace"].as_string(), bound.at("serviceaccount.name").as_string(),
                      bound.at("serviceaccount.uid").as_string());
  if (const std::string& id = claims["jti"].as_string(); !id.empty()) {
    user.extra["authentication.kubernetes.io/credential-id"] = {"JTI=" + id};
  }
  for (const char* what : {"pod", "node"}) {
    if (!bound[what].is_object()) continue;
    const std::string key = std::string("authentication.kubernetes.io/") + what;
    user.extra[key + "-name"] = {bound[what]["name"].as_string()};
    if (!bound[what]["uid"].empty()) user.extra[key + "-uid"] = {bound[what]["uid"].as_string()};
  }
  return user;
}

}  // namespace

Tokens::Tokens(crypto::TokenSigner signer, crypto::TokenVerifier verifier, TokenNames names,
               const store::Store& store, Clock& clock, Random& random)
    : signer_(std::move(signer)),
      verifier_(std::move(verifier)),
      names_(std::move(names)),
      store_(store),
      clock_(clock),
      random_(random) {
  if (names_.audiences.empty()) names_.audiences = names_.issuers;
}

std::vector<std::string> Tokens::own_audiences(const std::vector<std::string>& wanted) const {
  return wanted.empty() ? names_.audiences : common(wanted, names_.audiences);
}

// {"namespace", "serviceaccount", and of what it is bound to: "pod" and its "node", "node", or
// "secret"}
Result<Value> Tokens::bound_claims(const WriteRequest& request) const {
  const auto account = store_.get(store_key(*request.resource, request.ns, request.name));
  if (!account) return not_found(request.resource_name());
  Value claims = Value::object(
      {{"namespace", request.ns}, {"serviceaccount", reference(decode_stored(account->bytes))}});
  const Value& bound = request.body.at("spec.boundObjectRef");
  const std::string_view node = request.user.node();
  const auto refuse = [&](const char* why) { return forbidden(request.resource_name(), why); };
  if (bound.is_null()) {
    if (node.empty()) return claims;
    return refuse("node requested token not bound to a pod");
  }
  const std::string& kind = bound["kind"].as_string();
  const std::string& version = bound["apiVersion"].as_string();
  const api::Resource* resource = kind == "Pod"      ? &api::resource::pods()
                                  : kind == "Secret" ? &api::resource::secrets()
                                  : kind == "Node"   ? &api::resource::nodes()
                                                     : nullptr;
  if (resource == nullptr || (!version.empty() && version != "v1")) {
    return bad_request("cannot bind token for serviceaccount \"" + request.name + "\" to type " +
                       version + (version.empty() ? "" : "/") + kind);
  }
  const std::string& name = bound["name"].as_string();
  const auto record =
      store_.get(store_key(*resource, resource->namespaced ? request.ns : "", name));
  if (!record) return not_found({"", resource->plural, name});
  const Value object = decode_stored(record->bytes);
  const std::string& uid = bound["uid"].as_string();
  if (!uid.empty() && uid != object.at("metadata.uid").as_string()) {
    return conflict({"", resource->plural, name},
                    "the UID in the bound object reference (" + uid +
                        ") does not match the UID in record. The object might have been deleted "
                        "and then recreated");
  }
  const bool pod = kind == "Pod";
  if (!node.empty() && !pod) return refuse("node requested token not bound to a pod");
  if (!node.empty() && uid.empty()) {
    return refuse("node requested token with a pod binding without a uid");
  }
  if (pod) ORCH_TRY(check_pod(request, object, &claims));
  claims.set(to_lower(kind), reference(object));
  return claims;
}

// The pod runs as this account, and on the node that asks; where it runs is claimed, too.
Result<void> Tokens::check_pod(const WriteRequest& request, const Value& pod, Value* claims) const {
  const std::string_view asking = request.user.node();
  const std::string& node = pod.at("spec.nodeName").as_string();
  if (pod.at("spec.serviceAccountName").as_string() != request.name) {
    return bad_request("cannot bind token for serviceaccount \"" + request.name +
                       "\" to pod running with different serviceaccount name.");
  }
  if (!asking.empty() && node != asking) {
    return forbidden(request.resource_name(),
                     "node requested token bound to a pod scheduled on a different node");
  }
  if (node.empty()) return {};
  if (const auto at = store_.get(store_key(api::resource::nodes(), "", node))) {
    claims->set("node", reference(decode_stored(at->bytes)));
  } else {
    claims->set("node", Value::object({{"name", node}}));
  }
  return {};
}

Result<Value> Tokens::issue(const WriteRequest& request) const {
  const int64_t seconds = ORCH_TRY(lifetime(request));
  Value bound = ORCH_TRY(bound_claims(request));
  auto audiences = audiences_of(request.body.at("spec.audiences"));
  if (audiences.empty()) audiences = names_.audiences;

  const WallTime now = clock_.now();
  const int64_t issued = unix_seconds(now);
  const bool own_audience = common(audiences, names_.audiences).size() == audiences.size();
  const bool extended = seconds == kRenewedTokenSeconds && own_audience && bound.has("pod");
  if (extended) bound.set("warnafter", issued + seconds);
  Value list = Value::array();
  for (const std::string& audience : audiences) list.push_back(audience);
  const Value claims = Value::object(
      {{"aud", list},
       {"exp", issued + (extended ? kExtendedTokenSeconds : seconds)},
       {"iat", issued},
       {"iss", issuer()},
       {"jti", random_.uuid()},
       {"kubernetes.io", std::move(bound)},
       {"nbf", issued},
       {"sub", std::string(kServiceAccountPrefix) + request.ns + ":" + request.name}});

  Value answer = request.body;
  answer.set("kind", "TokenRequest");
  answer.set("apiVersion", "authentication.k8s.io/v1");
  answer["metadata"].set("name", request.name);
  answer["metadata"].set("namespace", request.ns);
  answer["metadata"].set("creationTimestamp", format_time(now));
  answer["spec"].set("audiences", std::move(list));
  answer["spec"].set("expirationSeconds", seconds);
  std::string token = ORCH_TRY(signer_.sign(api::to_json(claims)));
  answer.set(
      "status",
      Value::object({{"token", std::move(token)},
                     {"expirationTimestamp", format_time(now + std::chrono::seconds(seconds))}}));
  return answer;
}

Result<TokenUser> Tokens::verify(std::string_view token,
                                 const std::vector<std::string>& audiences) const {
  const std::string json = ORCH_TRY(verifier_.verify(token));
  const auto claims = api::parse_json(json);
  if (!claims) return unauthorized();
  if ((*claims)["iss"].as_string() == kLegacyIssuer)
    return verify_legacy(token, *claims, audiences);
  ORCH_TRY(check_claims(*claims));
  const auto meant = audiences_of((*claims)["aud"]);
  auto shared = common(audiences.empty() ? names_.audiences : audiences, meant);
  if (shared.empty()) return unauthorized("the token is not meant for this audience");
  return TokenUser{user_of(*claims), std::move(shared)};
}

// Such a token has no end of its own: it is good as long as its Secret stands and holds it.
Result<TokenUser> Tokens::verify_legacy(std::string_view token, const Value& claims,
                                        const std::vector<std::string>& audiences) const {
  const auto claim = [&](const char* name) -> const std::string& {
    return claims[std::string("kubernetes.io/serviceaccount/") + name].as_string();
  };
  const std::string& ns = claim("namespace");
  const Value named = Value::object(
      {{"name", claim("service-account.name")}, {"uid", claim("service-account.uid")}});
  const auto secret = store_.get(store_key(api::resource::secrets(), ns, claim("secret.name")));
  if (!secret || !stands(api::resource::service_accounts(), ns, named)) return unauthorized();
  const Value object = decode_stored(secret->bytes);
  const std::string held = base64_decode(object["data"]["token"].as_string()).value_or("");
  if (!object.at("metadata.deletionTimestamp").empty() || !crypto::equal_secrets(held, token)) {
    return unauthorized("the token's Secret does not hold it any more");
  }
  auto shared = own_audiences(audiences);
  if (shared.empty()) return unauthorized("the token is not meant for this audience");
  return TokenUser{account(ns, claim("service-account.name"), claim("service-account.uid")),
                   std::move(shared)};
}

Result<void> Tokens::check_claims(const Value& claims) const {
  const auto& issuers = names_.issuers;
  if (std::find(issuers.begin(), issuers.end(), claims["iss"].as_string()) == issuers.end()) {
    return unauthorized("the token is of another issuer");
  }
  const int64_t now = unix_seconds(clock_.now());
  if (claims["exp"].as_int() <= now || claims["nbf"].as_int() > now + kLeewaySeconds) {
    return unauthorized("the token has expired or is not valid yet");
  }
  const Value& bound = claims["kubernetes.io"];
  const std::string& ns = bound["namespace"].as_string();
  // Of a pod's token the node is told only; it may be gone before the pod is.
  const bool node = bound.has("node") && !bound.has("pod");
  const bool good =
      stands(api::resource::service_accounts(), ns, bound["serviceaccount"]) &&
      (!bound.has("pod") || stands(api::resource::pods(), ns, bound["pod"])) &&
      (!bound.has("secret") || stands(api::resource::secrets(), ns, bound["secret"])) &&
      (!node || stands(api::resource::nodes(), "", bound["node"]));
  if (!good) return unauthorized("service account token has been invalidated");
  return {};
}

bool Tokens::stands(const api::Resource& resource, std::string_view ns, const Value& claim) const {
  const auto record = store_.get(store_key(resource, ns, claim["name"].as_string()));
  if (!record || record->tags.uid() != claim["uid"].as_string()) return false;
  // What is being deleted is rare; only then is it worth reading.
  if (record->bytes.find("\"deletionTimestamp\"") == record->bytes.npos) return true;
  const Value object = decode_stored(record->bytes);
  WallTime ends;
  if (!parse_time(object.at("metadata.deletionTimestamp").as_string(), &ends)) return true;
  return later(ends, std::chrono::seconds(kDeletedSeconds)) >= clock_.now();
}

}  // namespace orch::apiserver
