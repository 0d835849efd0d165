#include "server/apiserver/reviews.h"

#include <utility>

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

// resourceAttributes or nonResourceAttributes of a SubjectAccessReview's spec.
Result<Action> asked_action(const Value& spec) {
  const Value& resource = spec["resourceAttributes"];
  const Value& path = spec["nonResourceAttributes"];
  if (resource.is_object() == path.is_object()) {
    return bad_request(
        "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  }
  Action action;
  if (path.is_object()) {
    action.verb = path["verb"].as_string();
    action.path = path["path"].as_string();
    return action;
  }
  action.verb = resource["verb"].as_string();
  action.group = resource["group"].as_string();
  action.resource = resource["resource"].as_string();
  action.subresource = resource["subresource"].as_string();
  action.ns = resource["namespace"].as_string();
  action.name = resource["name"].as_string();
  return action;
}

Result<Value> answer_access(const User& user, Value review, const Authorizer& authorizer) {
  const Action action = ORCH_TRY(asked_action(std::as_const(review)["spec"]));
  const Authorizer::Decision decision = authorizer.decide(user, action);
  Value status = Value::object({{"allowed", decision.allowed}});
  if (!decision.reason.empty()) status.set("reason", decision.reason);
  review.set("status", std::move(status));
  return review;
}

User reviewed_user(const Value& spec) {
  User user;
  user.name = spec["user"].as_string();
  user.uid = spec["uid"].as_string();
  user.groups = texts(spec["groups"]);
  return user;
}

Value answer_token(Value review, const Authenticator& authenticator) {
  const Value spec = std::as_const(review)["spec"];
  const auto audiences = texts(spec["audiences"]);
  const auto user = authenticator.user_of_token(spec["token"].as_string(), audiences);
  Value status = Value::object({{"authenticated", user.ok()}});
  if (user) {
    status.set("user", user_info(*user));
    if (!audiences.empty()) status.set("audiences", strings(audiences));
  } else {
    status.set("error", "the token is not valid");
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
  review.set("kind", target.resource->kind);
  review.set("apiVersion", target.resource->api_version());
  const std::string& kind = target.resource->kind;
  if (kind == "SelfSubjectReview") {
    review.set("status", Value::object({{"userInfo", user_info(user)}}));
    return review;
  }
  if (kind == "TokenReview") return answer_token(std::move(review), authenticator);
  if (kind == "SelfSubjectAccessReview") return answer_access(user, std::move(review), authorizer);
  if (kind == "SubjectAccessReview" || kind == "LocalSubjectAccessReview") {
    const User other = reviewed_user(std::as_const(review)["spec"]);
    return answer_access(other, std::move(review), authorizer);
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
