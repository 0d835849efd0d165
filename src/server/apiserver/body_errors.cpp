#include "server/apiserver/body_errors.h"

#include <algorithm>
#include <string>
#include <vector>

#include "api/patch.h"

namespace orch::apiserver {
namespace {

constexpr size_t kSummaryBytes = 30;

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char c : bytes) {
    text += kDigits[c >> 4];
    text += kDigits[c & 15];
  }
  return text;
}

// Text when it may be an object, else as hex.
std::string summary(std::string_view body) {
  if (body.empty()) return "<empty>";
  const std::string_view head = body.substr(0, kSummaryBytes);
  std::string text = body.front() == '{' ? std::string(head) : hex(head);
  if (head.size() < body.size()) text += " ...";
  return text;
}

// "Pod in version "v1" cannot be handled as a ConfigMap: "
std::string cannot_be_handled(std::string_view kind, std::string_view version,
                              std::string_view wanted) {
  return std::string(kind) + " in version \"" + std::string(version) +
         "\" cannot be handled as a " + std::string(wanted) + ": ";
}

std::string_view version_of(std::string_view api_version) {
  return api_version.substr(api_version.find('/') + 1);
}

// The group as Go's internal packages are called: "apps", "networking", and "core" for the first.
std::string package_of(std::string_view group) {
  return group.empty() ? "core" : std::string(group.substr(0, group.find('.')));
}

// As Go prints decoded JSON: map[a:1 b:[x y]].
std::string go_text(const api::Value& value) {
  std::string text;
  if (value.is_object()) {
    std::vector<std::string> members;
    for (const auto& member : value.members()) {
      members.push_back(member.name + ":" + go_text(member.value));
    }
    std::sort(members.begin(), members.end());
    for (const std::string& member : members) text += (text.empty() ? "" : " ") + member;
    return "map[" + text + "]";
  }
  if (value.is_array()) {
    for (const api::Value& item : value.items()) {
      if (&item != &value.items().front()) text += ' ';
      text += go_text(item);
    }
    return "[" + text + "]";
  }
  if (value.is_null()) return "<nil>";
  return value.is_string() ? value.as_string() : api::to_json(value);
}

Status rejected() {
  return invalid("the server rejected our request due to an error in our request");
}

std::string go_word(const api::Value& value) {
  return value.is_number() ? "number" : value.type_name();
}

Status undecodable(const api::Value& patch, std::string_view type) {
  return bad_request("error decoding patch: json: cannot unmarshal " + go_word(patch) +
                     " into Go value of type " + std::string(type));
}

}  // namespace

Status unrecognized(std::string_view kind, const Status& why, std::string_view body) {
  Status status = why;
  status.message = "the object provided is unrecognized (must be of type " + std::string(kind) +
                   "): " + why.message + " (" + summary(body) + ")";
  return status;
}

Result<void> check_kind(const api::Resource& resource, const api::Value& document) {
  for (const char* member : {"apiVersion", "kind"}) {
    const api::Value& value = document[member];
    if (value.is_null() || value.is_string()) continue;
    Status why =
        bad_request("couldn't get version/kind; json parse error: json: cannot unmarshal " +
                    go_word(value) + " into Go struct field ." + member + " of type string");
    return unrecognized(resource.kind, why, api::to_json(document));
  }
  const std::string& said_version = document["apiVersion"].as_string();
  const std::string& said_kind = document["kind"].as_string();
  const std::string version = said_version.empty() ? resource.api_version() : said_version;
  const std::string kind = said_kind.empty() ? resource.kind : said_kind;
  if (kind == resource.kind && version == resource.api_version()) return {};

  const std::string prefix = cannot_be_handled(kind, version_of(version), resource.kind);
  if (!api::Schema::builtin().find_document_type(version, kind)) {
    return bad_request(prefix + "no kind \"" + kind + "\" is registered for version \"" + version +
                       "\" in scheme \"orch\"");
  }
  if (kind != resource.kind) {
    return bad_request(prefix + "converting (" + std::string(version_of(version)) + "." + kind +
                       ") to (" + package_of(resource.group) + "." + resource.kind +
                       "): unknown conversion");
  }
  return bad_request("the API version in the data (" + version +
                     ") does not match the expected API version (" + resource.api_version() + ")");
}

Result<api::Value> patch_document(const WriteRequest& request, api::Value document) {
  const api::Value& patch = request.body;
  if (request.patch == PatchKind::json) {
    if (!patch.is_array()) return undecodable(patch, "[]interface {}");
    auto done = api::apply_json_patch(std::move(document), patch);
    if (!done && done.status().code == 413) {
      return too_large("Request entity too large: " + done.status().message);
    }
    if (!done) return rejected();
    return done;
  }
  if (request.patch == PatchKind::merge) {
    if (!patch.is_object()) return undecodable(patch, "map[string]interface {}");
    return api::apply_merge_patch(std::move(document), patch);
  }
  if (!patch.is_object()) {
    return bad_request("json: cannot unmarshal " + go_word(patch) +
                       " into Go value of type map[string]interface {}");
  }
  return api::apply_strategic_patch(*request.spoken().type, std::move(document), patch);
}

bool is_decode_failure(const api::Resource& resource, const Status& why) {
  return why.code == 400 &&
         why.message.starts_with(cannot_be_handled(resource.kind, resource.version, resource.kind));
}

Status unfit_patch(const WriteRequest& request, const api::Value& document, const Status& why) {
  const api::Resource& resource = request.spoken();
  const std::string prefix = cannot_be_handled(resource.kind, resource.version, resource.kind);
  const std::string reason = why.message.substr(prefix.size());
  const std::string shown =
      request.patch == PatchKind::strategic ? go_text(request.body) : api::to_json(document);
  return invalid("", "", "",
                 {{"FieldValueInvalid",
                   "Invalid value: " + api::to_json(api::Value(shown)) + ": " + reason, "patch"}});
}

}  // namespace orch::apiserver
