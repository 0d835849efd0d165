// Registry: the pull side of one OCI registry. Blocking; one object per pull.
// Follows: OCI distribution specification 1.1; token authentication as distribution documents it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/images/manifest.h"
#include "agent/images/reference.h"
#include "http/client.h"

namespace orch::images {

struct Credential {
  std::string user, password;
};

// The credential for `host` in the text of a docker config ({"auths": {...}} or its older form).
// "" user when there is none. Pure.
Credential find_credential(std::string_view docker_config_json, std::string_view host);

class Registry {
 public:
  // `base_url` "https://ghcr.io". `credentials` are tried in order, after none at all.
  // Once `cancel_fd` (may be -1) is readable, every call fails at once.
  Registry(std::string base_url, Reference reference, std::vector<Credential> credentials,
           int cancel_fd);
  ~Registry();

  struct Document {
    std::string text;
    std::string digest;  // Checked against the text.
  };
  // `version`: a tag or a digest.
  Result<Document> manifest(const std::string& version);
  // Streams the blob into `fd`, checks size and digest. `arrived` is told of every piece.
  Result<void> blob(const Descriptor& descriptor, int fd,
                    const std::function<void(size_t)>& arrived);

 private:
  Result<http::Client*> client(const std::string& url);
  Result<std::unique_ptr<http::ResponseStream>> open(const std::string& path,
                                                     const std::string& accept);
  Result<std::unique_ptr<http::ResponseStream>> follow(std::string location);
  Result<void> answer_challenge(std::string_view challenge, const Credential* credential);
  Result<void> fetch_token(const std::map<std::string, std::string>& fields,
                           const Credential* credential);

  const std::string base_url_;
  const Reference reference_;
  const std::vector<Credential> credentials_;
  const int cancel_fd_;
  std::string authorization_;  // Of the last challenge that was answered; never logged.
  std::map<std::string, std::unique_ptr<http::Client>> clients_;  // By scheme, host and port.
};

// The fields of `Bearer realm="...",service="..."`; "" = the scheme, in lower case. Pure.
std::map<std::string, std::string> parse_challenge(std::string_view header);

}  // namespace orch::images
