#include "api/webhook.h"

#include "api/names.h"

namespace orch::api {
namespace {

// https://host[:port][/path], and nothing that a caller would have to keep secret or to vary.
void validate_url(const Value& url, const std::string& path, Causes& causes) {
  constexpr std::string_view kScheme = "https://";
  constexpr const char* kForm = "; desired format: https://host[/path]";
  const std::string& text = url.as_string();
  if (!text.starts_with(kScheme)) {
    const std::string scheme = text.substr(0, text.find("://"));
    return add_invalid(&causes, path, scheme,
                       std::string("'https' is the only allowed URL scheme") + kForm);
  }
  const std::string_view rest = std::string_view(text).substr(kScheme.size());
  const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  if (host.empty()) {
    add_invalid(&causes, path, url, std::string("host must be specified") + kForm);
  }
  if (host.find('@') != host.npos) {
    add_invalid(&causes, path, url, "user information is not permitted in the URL");
  }
  if (rest.find('#') != rest.npos) {
    add_invalid(&causes, path, url, "fragments are not permitted in the URL");
  }
  if (rest.find('?') != rest.npos) {
    add_invalid(&causes, path, url, "query parameters are not permitted in the URL");
  }
}

void validate_service(const Value& service, const std::string& path, Causes& causes) {
  const Value& port = service["port"];
  if (!port.is_null()) {
    add_problems(&causes, at(path, "port"), port, port_number_problems(port.as_int()));
  }
  const Value& url_path = service["path"];
  if (url_path.is_null()) return;
  const std::string& text = url_path.as_string();
  if (!text.starts_with('/')) {
    add_invalid(&causes, at(path, "path"), url_path, "must start with a '/'");
  } else if (text.find("//") != text.npos) {
    add_invalid(&causes, at(path, "path"), url_path, "segments may not be empty");
  }
}

}  // namespace

void validate_webhook_client(const Value& config, const std::string& path, Causes& causes) {
  const Value& url = config["url"];
  const Value& service = config["service"];
  if (url.is_null() == service.is_null()) {
    return add_required(&causes, path, "exactly one of url or service is required");
  }
  if (!url.is_null()) validate_url(url, at(path, "url"), causes);
  if (!service.is_null()) validate_service(service, at(path, "service"), causes);
}

}  // namespace orch::api
