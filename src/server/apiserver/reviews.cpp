#include "server/apiserver/reviews.h"

#include <utility>

#include "api/decode.h"
#include "server/apiserver/access_review.h"

namespace orch::apiserver {
namespace {

using api::Value;

Value strings(const std::vector<std::string>& texts) {
  Value list = Value::array();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

std::vector<std::string> texts(const Value& list) {
  std::vector<std::string> all;
  for (const Value& item : list.items()) all.push_back(item.as_string());
  return all;
}

Value user_info(const User& user) {
  Value info = Value::object({{"username", user.name}});
  if (!user.uid.empty()) info.set("uid", user.uid);
  if (!user.groups.empty()) info.set("groups", strings(user.groups));
  for (const auto& [key, values] : user.extra) info["extra"].set(key, strings(values));
  return info;
}

Result<Value> answer_access(const std::string& kind, const User& user, Value review,
                            const Authorizer& authorizer) {
  AskedAction asked;
  ORCH_TRY(read_access_review(kind, review, &asked));
  const Authorizer::Decision decision = authorizer.decide(user, asked.action);
  Value status = Value::object({{"allowed", decision.allowed}});
  if (!decision.reason.empty()) status.set("reason", decision.reason);
  review.set("status", std::move(status));
  return review;
}

// Why a token is refused is nobody's business but the administrator's, who has the log.
Result<Value> answer_token(Value review, const Authenticator& authenticator) {
  const Value spec = std::as_const(review)["spec"];
  if (spec["token"].empty()) {
    return bad_request("token is required for TokenReview in authentication");
  }
  if (!review.at("metadata.namespace").empty()) {
    return bad_request("namespace is not allowed on this type: " +
                       review.at("metadata.namespace").as_string());
  }
  const auto known =
      authenticator.user_of_token(spec["token"].as_string(), texts(spec["audiences"]));
  Value status = Value::object();
  if (known) {
    status.set("authenticated", true);
    status.set("user", user_info(known->user));
    status.set("audiences", strings(known->audiences));
  } else {
    status.set("user", Value::object());
    status.set("error", "invalid bearer token");
  }
  review.set("status", std::move(status));
  return review;
}

// What a node may is not told by rules: the list is not the whole then.
Value rules_status(const User& user, const rbac::Rules& rules) {
  Value status = Value::object({{"resourceRules", Value::array()},
                                {"nonResourceRules", Value::array()},
                                {"incomplete", !user.node().empty()}});
  for (const rbac::Rule& rule : rules) {
    status[rule.urls.empty() ? "resourceRules" : "nonResourceRules"].push_back(rule.to_value());
  }
  if (!user.node().empty()) {
    status.set("evaluationError", "node authorizer does not support user rule resolution");
  }
  return status;
}

}  // namespace

Result<Value> answer_review(const Target& target, const User& user, Value review,
                            const Authenticator& authenticator, const Authorizer& authorizer,
                            const rbac::Policy& policy) {
  if (!review.is_object()) return bad_request("the body must be an object");
  const std::string& its_kind = std::as_const(review)["kind"].as_string();
  if (!its_kind.empty() && its_kind != target.resource->kind) {
    return bad_request("no kind \"" + its_kind + "\" is answered here");
  }
  review.set("kind", target.resource->kind);
  review.set("apiVersion", target.resource->api_version());
  review = ORCH_TRY(api::decode(*target.resource->type, std::move(review),
                                {.strictness = api::Strictness::ignore}));
  const std::string& kind = target.resource->kind;
  if (kind == "SelfSubjectReview") {
    review.set("status", Value::object({{"userInfo", user_info(user)}}));
    return review;
  }
  if (kind == "TokenReview") return answer_token(std::move(review), authenticator);
  if (kind == "SelfSubjectAccessReview")
    return answer_access(kind, user, std::move(review), authorizer);
  if (kind == "SubjectAccessReview" || kind == "LocalSubjectAccessReview") {
    const User other = reviewed_user(std::as_const(review)["spec"]);
    return answer_access(kind, other, std::move(review), authorizer);
  }
  if (kind == "SelfSubjectRulesReview") {
    const std::string ns = std::as_const(review)["spec"]["namespace"].as_string();
    if (ns.empty()) return bad_request("no namespace on request");
    review.set("status", rules_status(user, policy.rules_of(asker_of(user), ns)));
    return review;
  }
  return not_found("the server could not find the requested resource");
}

}  // namespace orch::apiserver
