#include "api/json_cut.h"

#include <cstddef>

namespace orch::api {
namespace {

// Where the string that begins at `at` ends: its closing quote.
size_t end_of_string(std::string_view text, size_t at) {
  for (size_t end = at; (end = text.find('"', end + 1)) != text.npos;) {
    size_t backslashes = 0;
    while (text[end - 1 - backslashes] == '\\') ++backslashes;  // Ends at the opening quote.
    if (backslashes % 2 == 0) return end;
  }
  return text.npos;
}

}  // namespace

std::string_view first_value(std::string_view text) {
  int depth = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    switch (text[at]) {
      case '"':
        at = end_of_string(text, at);
        if (at == text.npos) return {};
        if (depth == 0) return text.substr(0, at + 1);
        break;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (depth == 0) return text.substr(0, at);  // A scalar before the end of what holds it.
        if (--depth == 0) return text.substr(0, at + 1);
        break;
      case ',':
        if (depth == 0) return text.substr(0, at);
        break;
      default:
        break;
    }
  }
  return depth == 0 ? text : std::string_view();
}

std::string_view member_text(std::string_view object, std::string_view name) {
  std::string_view found;
  for_each_member(object, [&](std::string_view its_name, std::string_view value) {
    if (its_name == name) found = value;
    return its_name != name;
  });
  return found;
}

}  // namespace orch::api
