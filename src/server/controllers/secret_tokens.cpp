// See secret_tokens.h. Workers of the LoopRunner call it.
#include "server/controllers/secret_tokens.h"

#include "api/resources.h"
#include "base/strings.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;
namespace resource = api::resource;

namespace {

constexpr std::string_view kType = "kubernetes.io/service-account-token";
const std::string kAccountName = "kubernetes.io/service-account.name";
const std::string kAccountUid = "kubernetes.io/service-account.uid";
constexpr std::string_view kBootstrapPrefix = "bootstrap-token-";

// No object is called so: the key of an account among those of Secrets.
constexpr char kAccountMark = '*';

const Value& annotation(const Value& object, const std::string& name) {
  return object["metadata"]["annotations"][name];
}

// Secrets come in numbers; only those that say the type are parsed.
std::vector<ObjectKey> token_secrets(const client::ChangedObject& changed) {
  if (changed.deleted() || changed.change().bytes.find(kType) == std::string_view::npos) return {};
  return {changed.key()};
}

std::vector<ObjectKey> deleted_accounts(const client::ChangedObject& changed) {
  if (!changed.deleted()) return {};
  return {{changed.key().ns, kAccountMark + changed.key().name}};
}

}  // namespace

Value service_account_claims(const Value& secret, const Value& account) {
  const std::string& ns = account["metadata"]["namespace"].as_string();
  const std::string& name = account["metadata"]["name"].as_string();
  return Value::object(
      {{"iss", "kubernetes/serviceaccount"},
       {"kubernetes.io/serviceaccount/namespace", ns},
       {"kubernetes.io/serviceaccount/secret.name", secret["metadata"]["name"]},
       {"kubernetes.io/serviceaccount/service-account.name", name},
       {"kubernetes.io/serviceaccount/service-account.uid", account["metadata"]["uid"]},
       {"sub", "system:serviceaccount:" + ns + ":" + name}});
}

std::vector<client::Watch> AccountTokenController::watches() {
  return {{&resource::secrets(), token_secrets}, {&resource::service_accounts(), deleted_accounts}};
}

Result<Requeue> AccountTokenController::reconcile(const ObjectKey& key) {
  if (key.name.front() == kAccountMark) {
    ORCH_TRY(drop_tokens_of(key.ns, key.name.substr(1)));
    return Requeue::never();
  }
  const auto secret = cache_.get(resource::secrets(), key);
  if (!secret || (*secret)["type"].as_string() != kType) return Requeue::never();
  ORCH_TRY(fill(*secret));
  return Requeue::never();
}

Result<void> AccountTokenController::drop_tokens_of(const std::string& ns,
                                                    const std::string& account) {
  client::Filter filter;
  filter.ns = ns;
  filter.field = "type";
  filter.value = kType;
  for (const Value& secret : cache_.list(resource::secrets(), filter)) {
    if (annotation(secret, kAccountName).as_string() == account) ORCH_TRY(fill(secret));
  }
  return {};
}

// Deletes it when its account is gone (or is another by now).
Result<void> AccountTokenController::fill(const Value& secret) {
  const ObjectKey key = client::key_of(secret);
  const auto account = cache_.get(resource::service_accounts(),
                                  {key.ns, annotation(secret, kAccountName).as_string()});
  const std::string& uid = annotation(secret, kAccountUid).as_string();
  if (!account || (!uid.empty() && uid != (*account)["metadata"]["uid"].as_string())) {
    client::DeleteOptions only_this;
    only_this.uid = secret["metadata"]["uid"].as_string();
    const auto removed = api_.remove(resource::secrets(), key, only_this);
    if (!removed.ok() && !removed.status().not_found()) return removed.status();
    return {};
  }
  Value next = secret;
  next["metadata"]["annotations"].set(kAccountUid, (*account)["metadata"]["uid"]);
  Value& data = next["data"];
  const auto add = [&](const char* name, const std::string& text) {
    if (std::as_const(data)[name].empty()) data.set(name, base64_encode(text));
  };
  add("ca.crt", ca_pem_);
  add("namespace", key.ns);
  if (std::as_const(data)["token"].empty()) {
    const Value claims = service_account_claims(secret, *account);
    data.set("token", base64_encode(ORCH_TRY(signer_.sign(api::to_json(claims)))));
  }
  if (next == secret) return {};
  ORCH_TRY(api_.update(resource::secrets(), next));
  return {};
}

std::vector<client::Watch> BootstrapTokenController::watches() {
  const auto keys = [](const client::ChangedObject& changed) -> std::vector<ObjectKey> {
    const bool token = changed.key().ns == "kube-system" &&
                       changed.key().name.starts_with(kBootstrapPrefix) && !changed.deleted();
    if (!token) return {};
    return {changed.key()};
  };
  return {{&resource::secrets(), keys}};
}

Result<Requeue> BootstrapTokenController::reconcile(const ObjectKey& key) {
  const auto secret = cache_.get(resource::secrets(), key);
  if (!secret || (*secret)["type"].as_string() != "bootstrap.kubernetes.io/token") {
    return Requeue::never();
  }
  const auto text = base64_decode((*secret)["data"]["expiration"].as_string());
  WallTime end{};
  if (!text || !parse_time(*text, &end)) return Requeue::never();
  const WallTime now = clock_.now();
  if (end > now) return Requeue::after(std::chrono::ceil<std::chrono::milliseconds>(end - now));
  client::DeleteOptions only_this;
  only_this.uid = (*secret)["metadata"]["uid"].as_string();
  const auto removed = api_.remove(resource::secrets(), key, only_this);
  if (!removed.ok() && !removed.status().not_found()) return removed.status();
  return Requeue::never();
}

}  // namespace orch::controllers
