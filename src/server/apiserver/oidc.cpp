#include "server/apiserver/oidc.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "http/client.h"

namespace orch::apiserver {
namespace {

constexpr size_t kMaxDocumentBytes = 1 << 20;
constexpr int kTimeoutMs = 10'000;
constexpr std::string_view kDiscovery = "/.well-known/openid-configuration";

// "https://host:1/a/b?c" → {"https://host:1", "/a/b?c"}
std::pair<std::string, std::string> split_url(const std::string& url) {
  const size_t slash = url.find('/', std::string_view("https://").size());
  if (slash == url.npos) return {url, "/"};
  return {url.substr(0, slash), url.substr(slash)};
}

Result<std::string> get(const std::string& url, const std::string& ca) {
  if (!url.starts_with("https://")) return bad_request("\"" + url + "\" is not https");
  const auto [origin, path] = split_url(url);
  http::ClientOptions options;
  options.url = origin;
  options.ca = ca;
  options.connect_timeout_ms = kTimeoutMs;
  options.response_timeout_ms = kTimeoutMs;
  options.max_body_bytes = kMaxDocumentBytes;
  options.keep_alive = false;
  const auto client = ORCH_TRY(http::Client::create(std::move(options)));
  http::Request request;
  request.target = path;
  request.headers.set("Accept", "application/json");
  const http::Response response = ORCH_TRY(client->send(request));
  if (response.status != 200) {
    return service_unavailable(url + " answers " + std::to_string(response.status));
  }
  return response.body.flatten();
}

}  // namespace

OidcIssuer::OidcIssuer(OidcOptions options, Clock& clock)
    : options_(std::move(options)), clock_(clock) {
  refresh();
}

bool OidcIssuer::concerns(const UnverifiedToken& token) const {
  return token.claims["iss"].as_string() == options_.issuer_url;
}

std::shared_ptr<const IssuerKeys> OidcIssuer::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

Result<User> OidcIssuer::authenticate(const UnverifiedToken& token) {
  const auto& allowed = options_.signing_algorithms;
  if (std::find(allowed.begin(), allowed.end(), token.algorithm) == allowed.end()) {
    return unauthorized("oidc: signed with \"" + token.algorithm + "\", which is not allowed");
  }
  const auto known = keys();
  // A token without a key id may be of any key.
  const auto range = token.key_id.empty() ? std::pair(known->begin(), known->end())
                                          : known->equal_range(token.key_id);
  if (range.first == range.second) {
    refresh();
    return unauthorized("oidc: signed with a key that is not known (yet)");
  }
  const bool good = std::any_of(range.first, range.second, [&](const auto& entry) {
    return entry.second.verifies(token.algorithm, token.covered, token.signature);
  });
  if (!good) return unauthorized("oidc: the signature is wrong");
  return user_of_claims(options_, token.claims, clock_.now());
}

void OidcIssuer::refresh() {
  {
    const std::lock_guard lock(mutex_);
    const MonoTime now = clock_.monotonic();
    if (!asked_.empty() && now - asked_.front() > std::chrono::seconds(kRefreshSeconds)) {
      asked_.pop_front();
    }
    if (fetching_ || asked_.size() == kMaxRefreshes) return;
    asked_.push_back(now);
    fetching_ = true;
  }
  pool_.run([this] { run_refresh(); });
}

void OidcIssuer::run_refresh() {
  auto fetched = fetch();
  std::vector<std::function<void()>> waiting;
  {
    const std::lock_guard lock(mutex_);
    fetching_ = false;
    waiting.swap(waiting_);
    if (fetched) keys_ = std::make_shared<IssuerKeys>(*std::move(fetched));
  }
  if (fetched) {
    log::info("apiserver", "oidc: keys of " + options_.issuer_url + " fetched");
  } else {
    log::warning("apiserver", "oidc: " + options_.issuer_url + ": " + fetched.status().message);
  }
  for (const auto& again : waiting) again();
}

bool OidcIssuer::call_again(const UnverifiedToken& token, std::function<void()> again) {
  {
    const std::lock_guard lock(mutex_);
    const bool known = token.key_id.empty() ? !keys_->empty() : keys_->count(token.key_id) > 0;
    if (!known) {
      if (!fetching_ || waiting_.size() == kMaxWaiting) return false;
      waiting_.push_back(std::move(again));
      return true;
    }
  }
  again();  // It may have come between the refusal and now; else it is refused once more.
  return true;
}

Result<IssuerKeys> OidcIssuer::fetch() const {
  std::string base = options_.issuer_url;
  if (base.ends_with('/')) base.pop_back();
  const std::string text = ORCH_TRY(get(base + std::string(kDiscovery), options_.ca));
  const api::Value document = ORCH_TRY(api::parse_json(text));
  if (document["issuer"].as_string() != options_.issuer_url) {
    return bad_request("its discovery document is of \"" + document["issuer"].as_string() + "\"");
  }
  return parse_key_set(ORCH_TRY(get(document["jwks_uri"].as_string(), options_.ca)));
}

}  // namespace orch::apiserver
