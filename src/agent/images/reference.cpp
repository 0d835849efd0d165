#include "agent/images/reference.h"

#include <algorithm>

#include "base/strings.h"

namespace orch::images {

namespace {

constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxTagBytes = 128;

bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool word_char(char c) { return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

// One part between slashes: lower-case words joined by ".", "_", "__" or dashes.
bool valid_component(std::string_view text) {
  if (text.empty() || !lower_or_digit(text.front()) || !lower_or_digit(text.back())) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (lower_or_digit(c) || c == '-') continue;
    if (c != '.' && c != '_') return false;
    const bool doubled = text[i + 1] == c;
    if (doubled && (c == '.' || text[i + 2] == '_')) return false;
    if (text[i - 1] != c && !lower_or_digit(text[i - 1])) return false;
  }
  return true;
}

bool valid_tag(std::string_view text) {
  if (text.empty() || text.size() > kMaxTagBytes || !word_char(text[0])) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return word_char(c) || c == '.' || c == '-'; });
}

bool valid_host(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return word_char(c) || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
  });
}

// The first part of a name is a host when it could not be anything else.
bool looks_like_host(std::string_view first) {
  return first == "localhost" || first.find('.') != first.npos || first.find(':') != first.npos ||
         to_lower(first) != first;
}

Status invalid_name(std::string_view text) {
  Status status = bad_request("couldn't parse image name \"" + std::string(text) +
                              "\": invalid reference format");
  status.reason = "InvalidImageName";
  return status;
}

}  // namespace

std::string Reference::to_string() const {
  std::string text = repository();
  if (!tag.empty()) text += ":" + tag;
  if (tag.empty() && !digest.empty()) text += "@" + digest;
  return text;
}

bool valid_digest(std::string_view text) {
  constexpr std::string_view prefix = "sha256:";
  return text.size() == prefix.size() + 64 && text.starts_with(prefix) &&
         text.find_first_not_of("0123456789abcdef", prefix.size()) == text.npos;
}

Result<Reference> parse_reference(std::string_view text) {
  Reference ref;
  std::string_view name = text;
  if (const size_t at = name.find('@'); at != name.npos) {
    ref.digest = name.substr(at + 1);
    if (!valid_digest(ref.digest)) return invalid_name(text);
    name = name.substr(0, at);
  }
  const size_t slash = name.rfind('/');
  const size_t colon = name.rfind(':');
  if (colon != name.npos && (slash == name.npos || colon > slash)) {
    ref.tag = name.substr(colon + 1);
    if (!valid_tag(ref.tag)) return invalid_name(text);
    name = name.substr(0, colon);
  }
  if (name.empty()) return invalid_name(text);

  ref.host = "docker.io";
  if (const size_t first = name.find('/');
      first != name.npos && looks_like_host(name.substr(0, first))) {
    ref.host = name.substr(0, first);
    name = name.substr(first + 1);
    if (ref.host == "index.docker.io") ref.host = "docker.io";
  }
  ref.path = name;
  if (ref.host == "docker.io" && name.find('/') == name.npos) ref.path = "library/" + ref.path;
  if (ref.repository().size() > kMaxNameBytes) return invalid_name(text);
  if (!valid_host(ref.host)) return invalid_name(text);
  for (const std::string_view part : split(ref.path, '/'))
    if (!valid_component(part)) return invalid_name(text);
  if (ref.tag.empty() && ref.digest.empty()) ref.tag = "latest";
  return ref;
}

}  // namespace orch::images
