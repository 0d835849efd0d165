#include "agent/images/registry.h"

#include "api/json.h"
#include "base/files.h"
#include "base/strings.h"
#include "crypto/digest.h"

namespace orch::images {

namespace {

constexpr int kMaxRedirects = 5;
constexpr size_t kMaxTokenBytes = 64 << 10;
constexpr int kReadTimeoutMs = 60'000;
constexpr std::string_view kManifestTypes =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

struct Url {
  std::string origin;  // "https://host:port"
  std::string path;    // With query.
};

Result<Url> parse_url(const std::string& text) {
  const size_t scheme = text.find("://");
  if (scheme == text.npos || (!text.starts_with("https://") && !text.starts_with("http://")))
    return bad_request("the registry sent a URL that is none: " + text.substr(0, 200));
  const size_t slash = text.find('/', scheme + 3);
  if (slash == text.npos) return Url{text, "/"};
  return Url{text.substr(0, slash), text.substr(slash)};
}

Result<std::string> read_all(http::ResponseStream& stream, size_t limit) {
  std::string text;
  char buffer[16384];
  for (;;) {
    const size_t n = ORCH_TRY(stream.read(buffer, sizeof buffer, kReadTimeoutMs));
    if (n == 0) return text;
    text.append(buffer, n);
    if (text.size() > limit)
      return bad_request("the registry's answer is larger than " + std::to_string(limit) +
                         " bytes");
  }
}

// What the registry says when it refuses: {"errors": [{"code": ..., "message": ...}]}.
Status refusal(const http::Response& head, const std::string& body, const std::string& what) {
  std::string why = "HTTP " + std::to_string(head.status);
  if (const auto document = api::parse_json(body)) {
    const api::Value& error = (*document)["errors"][size_t{0}];
    if (!error["message"].empty()) why += ": " + error["message"].as_string();
  }
  if (head.status == 404) return not_found(what + ": not found (" + why + ")");
  if (head.status == 401 || head.status == 403)
    return unauthorized(what +
                        ": pull access denied, repository does not exist or may require "
                        "authorization (" +
                        why + ")");
  return service_unavailable(what + ": unexpected answer from the registry (" + why + ")");
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

Credential find_credential(std::string_view docker_config_json, std::string_view host) {
  const auto document = api::parse_json(docker_config_json);
  if (!document) return {};
  const api::Value& auths = document->has("auths") ? (*document)["auths"] : *document;
  for (const api::Value::Member& entry : auths.members()) {
    std::string_view name = entry.name;
    if (const size_t scheme = name.find("://"); scheme != name.npos) name.remove_prefix(scheme + 3);
    name = name.substr(0, name.find('/'));
    const bool docker_hub =
        host == "docker.io" && (name == "index.docker.io" || name == "docker.io");
    if (name != host && !docker_hub) continue;
    Credential found{entry.value["username"].as_string(), entry.value["password"].as_string()};
    if (found.user.empty()) {
      const auto pair = base64_decode(entry.value["auth"].as_string());
      const size_t colon = pair ? pair->find(':') : std::string::npos;
      if (colon == std::string::npos) continue;
      found = {pair->substr(0, colon), pair->substr(colon + 1)};
    }
    return found;
  }
  return {};
}

std::map<std::string, std::string> parse_challenge(std::string_view header) {
  std::map<std::string, std::string> fields;
  const size_t blank = header.find(' ');
  fields[""] = to_lower(header.substr(0, blank));
  if (blank == header.npos) return fields;
  std::string_view rest = header.substr(blank + 1);
  while (!rest.empty()) {
    const size_t equals = rest.find('=');
    if (equals == rest.npos) break;
    const std::string name = to_lower(trim(rest.substr(0, equals)));
    rest.remove_prefix(equals + 1);
    std::string value;
    if (!rest.empty() && rest[0] == '"') {
      size_t i = 1;
      for (; i < rest.size() && rest[i] != '"'; ++i) {
        if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
        value += rest[i];
      }
      rest.remove_prefix(std::min(rest.size(), i + 1));
    } else {
      const size_t comma = rest.find(',');
      value = trim(rest.substr(0, comma));
      rest.remove_prefix(std::min(rest.size(), comma));
    }
    fields[name] = value;
    const size_t comma = rest.find(',');
    if (comma == rest.npos) break;
    rest.remove_prefix(comma + 1);
  }
  return fields;
}

Registry::Registry(std::string base_url, Reference reference, std::vector<Credential> credentials,
                   int cancel_fd)
    : base_url_(std::move(base_url)),
      reference_(std::move(reference)),
      credentials_(std::move(credentials)),
      cancel_fd_(cancel_fd) {}
Registry::~Registry() = default;

Result<http::Client*> Registry::client(const std::string& origin) {
  std::unique_ptr<http::Client>& slot = clients_[origin];
  if (!slot) {
    http::ClientOptions options;
    options.url = origin;
    options.cancel_fd = cancel_fd_;
    slot = ORCH_TRY(http::Client::create(options));
  }
  return slot.get();
}

// GET with the answer to at most one challenge for each credential.
Result<std::unique_ptr<http::ResponseStream>> Registry::open(const std::string& path,
                                                             const std::string& accept) {
  http::Client* registry = ORCH_TRY(client(base_url_));
  size_t next_credential = 0;
  bool asked_without = false;
  for (;;) {
    http::Request request;
    request.target = path;
    if (!accept.empty()) request.headers.add("Accept", accept);
    if (!authorization_.empty()) request.headers.add("Authorization", authorization_);
    auto stream = ORCH_TRY(registry->open(request));
    const http::Response& head = stream->head();
    if (is_redirect(head.status)) return follow(std::string(head.headers.get("Location")));
    if (head.status == 200) return stream;
    const std::string challenge(head.headers.get("WWW-Authenticate"));
    const std::string body = read_all(*stream, kMaxTokenBytes).value_or("");
    const Credential* credential = nullptr;
    if (next_credential < credentials_.size()) credential = &credentials_[next_credential++];
    const bool may_try = credential != nullptr || !asked_without;
    if (head.status != 401 || challenge.empty() || !may_try)
      return refusal(head, body, reference_.to_string());
    if (credential == nullptr) asked_without = true;
    if (!answer_challenge(challenge, credential))
      return refusal(head, body, reference_.to_string());
  }
}

// Blobs often live elsewhere. Our authorization is for the registry alone and does not go along.
Result<std::unique_ptr<http::ResponseStream>> Registry::follow(std::string location) {
  std::string origin = base_url_;
  for (int i = 0; i < kMaxRedirects; ++i) {
    Url url = location.starts_with('/') ? Url{origin, location} : ORCH_TRY(parse_url(location));
    if (base_url_.starts_with("https://") && url.origin.starts_with("http://"))
      return bad_request("the registry redirects from https to http");
    http::Request request;
    request.target = url.path;
    if (url.origin == base_url_ && !authorization_.empty())
      request.headers.add("Authorization", authorization_);
    auto stream = ORCH_TRY(ORCH_TRY(client(url.origin))->open(request));
    if (stream->head().status == 200) return stream;
    if (!is_redirect(stream->head().status))
      return refusal(stream->head(), read_all(*stream, kMaxTokenBytes).value_or(""),
                     reference_.to_string());
    origin = url.origin;
    location = stream->head().headers.get("Location");
  }
  return bad_request("the registry redirects too often");
}

Result<void> Registry::answer_challenge(std::string_view challenge, const Credential* credential) {
  const auto fields = parse_challenge(challenge);
  const std::string& scheme = fields.at("");
  if (scheme == "bearer") return fetch_token(fields, credential);
  if (scheme == "basic" && credential != nullptr) {
    authorization_ = "Basic " + base64_encode(credential->user + ":" + credential->password);
    return {};
  }
  return unauthorized("the registry asks for authentication that the pod has no secret for");
}

Result<void> Registry::fetch_token(const std::map<std::string, std::string>& fields,
                                   const Credential* credential) {
  const auto field = [&](const char* name) {
    const auto at = fields.find(name);
    return at == fields.end() ? std::string() : at->second;
  };
  const Url realm = ORCH_TRY(parse_url(field("realm")));
  std::string scope = field("scope");
  if (scope.empty()) scope = "repository:" + reference_.path + ":pull";
  http::Request request;
  request.target = realm.path + (realm.path.find('?') == realm.path.npos ? "?" : "&") +
                   "service=" + percent_encode(field("service")) +
                   "&scope=" + percent_encode(scope);
  if (credential != nullptr)
    request.headers.add("Authorization",
                        "Basic " + base64_encode(credential->user + ":" + credential->password));
  auto stream = ORCH_TRY(ORCH_TRY(client(realm.origin))->open(request));
  const std::string body = ORCH_TRY(read_all(*stream, kMaxTokenBytes));
  if (stream->head().status != 200)
    return refusal(stream->head(), body, "token of " + realm.origin);
  const api::Value document = ORCH_TRY(api::parse_json(body));
  const std::string& token =
      (document["token"].empty() ? document["access_token"] : document["token"]).as_string();
  if (token.empty() || token.find_first_of("\r\n") != token.npos)
    return unauthorized("the token server of the registry gave no token");
  authorization_ = "Bearer " + token;
  return {};
}

Result<Registry::Document> Registry::manifest(const std::string& version) {
  auto stream = ORCH_TRY(
      open("/v2/" + reference_.path + "/manifests/" + version, std::string(kManifestTypes)));
  Document document;
  document.text = ORCH_TRY(read_all(*stream, kMaxManifestBytes));
  document.digest = "sha256:" + crypto::sha256_hex(document.text);
  if (valid_digest(version) && version != document.digest)
    return bad_request(reference_.to_string() + ": the registry sent another manifest than " +
                       version);
  return document;
}

Result<void> Registry::blob(const Descriptor& descriptor, int fd,
                            const std::function<void(size_t)>& arrived) {
  auto stream =
      ORCH_TRY(open("/v2/" + reference_.path + "/blobs/" + descriptor.digest, std::string()));
  crypto::Sha256 digest;
  int64_t size = 0;
  std::string buffer(64 << 10, '\0');
  for (;;) {
    const size_t n = ORCH_TRY(stream->read(buffer.data(), buffer.size(), kReadTimeoutMs));
    if (n == 0) break;
    size += static_cast<int64_t>(n);
    if (size > descriptor.size)
      return bad_request("blob " + descriptor.digest + " is longer than its manifest says");
    const std::string_view piece(buffer.data(), n);
    digest.update(piece);
    ORCH_TRY(write_all(fd, piece));
    arrived(n);
  }
  if (size != descriptor.size || "sha256:" + digest.finish_hex() != descriptor.digest)
    return bad_request("blob " + descriptor.digest + " arrived damaged: its digest differs");
  return {};
}

}  // namespace orch::images
