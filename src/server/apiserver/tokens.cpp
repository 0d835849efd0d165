#include "server/apiserver/tokens.h"

#include <algorithm>
#include <utility>

#include "api/resources.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"

namespace orch::apiserver {
namespace {

using api::Value;

int64_t unix_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::vector<std::string> audiences_of(const Value& value) {
  if (value.is_string()) return {value.as_string()};
  std::vector<std::string> all;
  for (const Value& item : value.items()) all.push_back(item.as_string());
  return all;
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

User user_of(const Value& bound) {
  const std::string& ns = bound["namespace"].as_string();
  User user;
  user.name =
      std::string(kServiceAccountPrefix) + ns + ":" + bound.at("serviceaccount.name").as_string();
  user.uid = bound.at("serviceaccount.uid").as_string();
  user.groups = {"system:serviceaccounts", "system:serviceaccounts:" + ns,
                 std::string(kAuthenticatedGroup)};
  for (const char* what : {"pod", "node"}) {
    if (!bound[what].is_object()) continue;
    const std::string key = std::string("authentication.kubernetes.io/") + what;
    user.extra[key + "-name"] = {bound[what]["name"].as_string()};
    user.extra[key + "-uid"] = {bound[what]["uid"].as_string()};
  }
  return user;
}

}  // namespace

// {"namespace", "serviceaccount", and of what it is bound to: "pod" and its "node", or "secret"}
Result<Value> Tokens::bound_claims(const WriteRequest& request) const {
  const auto account = store_.get(store_key(*request.resource, request.ns, request.name));
  if (!account) return not_found(request.resource_name());
  Value claims = Value::object(
      {{"namespace", request.ns}, {"serviceaccount", reference(decode_stored(account->bytes))}});
  const Value& bound = request.body.at("spec.boundObjectRef");
  const std::string_view node = request.user.node();
  if (bound.is_null()) {
    if (node.empty()) return claims;
    return forbidden(request.resource_name(), "node requested token not bound to a pod");
  }
  const std::string& kind = bound["kind"].as_string();
  if (kind != "Pod" && kind != "Secret") {
    return bad_request("cannot bind token for serviceaccount \"" + request.name + "\" to type " +
                       kind);
  }
  const bool pod = kind == "Pod";
  const api::Resource& resource = pod ? api::resource::pods() : api::resource::secrets();
  const std::string& name = bound["name"].as_string();
  const auto record = store_.get(store_key(resource, request.ns, name));
  if (!record) return not_found({"", resource.plural, name});
  const Value object = decode_stored(record->bytes);
  const std::string& uid = bound["uid"].as_string();
  if (!uid.empty() && uid != object.at("metadata.uid").as_string()) {
    return conflict({"", resource.plural, name},
                    "the UID in the bound object reference (" + uid +
                        ") does not match the UID in record. The object might have been deleted "
                        "and then recreated");
  }
  const std::string& its_node = object.at("spec.nodeName").as_string();
  if (pod && object.at("spec.serviceAccountName").as_string() != request.name) {
    return bad_request("cannot bind token for serviceaccount \"" + request.name +
                       "\" to pod running with different serviceaccount name.");
  }
  if (!node.empty() && (!pod || its_node != node)) {
    return forbidden(request.resource_name(),
                     "node requested token bound to a pod scheduled on a different node");
  }
  claims.set(pod ? "pod" : "secret", reference(object));
  if (pod && !its_node.empty()) {
    if (const auto at = store_.get(store_key(api::resource::nodes(), "", its_node))) {
      claims.set("node", reference(decode_stored(at->bytes)));
    }
  }
  return claims;
}

Result<Value> Tokens::issue(const WriteRequest& request) const {
  const int64_t seconds = ORCH_TRY(lifetime(request));
  Value bound = ORCH_TRY(bound_claims(request));
  auto audiences = audiences_of(request.body.at("spec.audiences"));
  if (audiences.empty()) audiences = {std::string(kTokenIssuer)};

  const WallTime now = clock_.now();
  const int64_t issued = unix_seconds(now);
  const bool own_audience = audiences.size() == 1 && audiences.front() == std::string(kTokenIssuer);
  const bool extended = seconds == kRenewedTokenSeconds && own_audience && bound.has("pod");
  if (extended) bound.set("warnafter", issued + seconds);
  Value list = Value::array();
  for (const std::string& audience : audiences) list.push_back(audience);
  const Value claims = Value::object(
      {{"aud", list},
       {"exp", issued + (extended ? kExtendedTokenSeconds : seconds)},
       {"iat", issued},
       {"iss", kTokenIssuer},
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
  answer.set(
      "status",
      Value::object({{"token", ORCH_TRY(signer_.sign(api::to_json(claims)))},
                     {"expirationTimestamp", format_time(now + std::chrono::seconds(seconds))}}));
  return answer;
}

Result<User> Tokens::verify(std::string_view token,
                            const std::vector<std::string>& audiences) const {
  const std::string json = ORCH_TRY(verifier_.verify(token));
  const auto claims = api::parse_json(json);
  if (!claims) return unauthorized();
  ORCH_TRY(check_claims(*claims, audiences));
  return user_of((*claims)["kubernetes.io"]);
}

Result<void> Tokens::check_claims(const Value& claims,
                                  const std::vector<std::string>& audiences) const {
  if (claims["iss"].as_string() != kTokenIssuer) return unauthorized();
  if (claims["exp"].as_int() <= unix_seconds(clock_.now())) return unauthorized();
  const auto meant = audiences_of(claims["aud"]);
  const auto wanted =
      audiences.empty() ? std::vector<std::string>{std::string(kTokenIssuer)} : audiences;
  if (std::find_first_of(meant.begin(), meant.end(), wanted.begin(), wanted.end()) == meant.end()) {
    return unauthorized();
  }
  const Value& bound = claims["kubernetes.io"];
  const std::string& ns = bound["namespace"].as_string();
  const bool good = stands(api::resource::service_accounts(), ns, bound["serviceaccount"]) &&
                    (!bound.has("pod") || stands(api::resource::pods(), ns, bound["pod"])) &&
                    (!bound.has("secret") || stands(api::resource::secrets(), ns, bound["secret"]));
  if (!good) return unauthorized();
  return {};
}

bool Tokens::stands(const api::Resource& resource, std::string_view ns, const Value& claim) const {
  const auto record = store_.get(store_key(resource, ns, claim["name"].as_string()));
  return record && record->tags.uid() == claim["uid"].as_string();
}

}  // namespace orch::apiserver
