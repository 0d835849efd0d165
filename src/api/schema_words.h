// How a line of a schema table is cut: words, quotes, KEY=VALUE, comma lists. Pure; used by
// schema_parser.cpp alone.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace orch::api {

inline std::string_view unquoted(std::string_view word) {
  if (word.size() < 2 || word.front() != '"') return word;
  return word.substr(1, word.size() - 2);
}

inline std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> items;
  for (const std::string_view item : split(text, ',')) {
    items.emplace_back(unquoted(item));
  }
  return items;
}

inline void append_list(std::vector<std::string>* to, std::string_view text) {
  for (std::string& item : list_of(text)) to->push_back(std::move(item));
}

// Words are parted by blanks; within quotes a blank is one of the word's.
inline std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  size_t at = 0;
  while ((at = text.find_first_not_of(' ', at)) != std::string_view::npos) {
    size_t end = at;
    for (bool quoted = false; end < text.size() && (quoted || text[end] != ' '); ++end) {
      if (text[end] == '"') quoted = !quoted;
    }
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

inline std::pair<std::string_view, std::string_view> key_value(std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) return {word, {}};
  return {word.substr(0, equals), word.substr(equals + 1)};
}

inline std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

}  // namespace orch::api
