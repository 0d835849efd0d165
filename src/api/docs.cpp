#include "api/docs.h"

#include "base/strings.h"

namespace orch::api {
namespace {

constexpr std::string_view kAnyType = "*";

}  // namespace

Docs::Docs(std::span<const std::string_view> tables) {
  for (const std::string_view table : tables) read(table);
}

void Docs::read(std::string_view table) {
  std::vector<std::string_view> types;  // Whose fields follow.
  for (const std::string_view line : split(table, '\n')) {
    if (trim(line).empty() || line.front() == '#') continue;
    const std::string_view text = trim(line);
    const size_t blank = text.find(' ');
    const std::string_view name = text.substr(0, blank);
    const std::string_view sentence =
        blank == std::string_view::npos ? std::string_view() : trim(text.substr(blank));
    if (line.front() == ' ') {
      for (const std::string_view type : types) entries_[type].fields[name] = sentence;
      continue;
    }
    types = split(name, ',');
    for (const std::string_view type : types) {
      Entry& entry = entries_[type];
      if (!sentence.empty()) entry.sentence = sentence;
    }
  }
}

std::string_view Docs::of(const Type& type) const {
  const auto found = entries_.find(type.name);
  if (found != entries_.end() && !found->second.sentence.empty()) return found->second.sentence;
  return type.doc;
}

std::string_view Docs::of(const Type& type, const Field& field) const {
  for (const std::string_view name : {std::string_view(type.name), kAnyType}) {
    const auto entry = entries_.find(name);
    if (entry != entries_.end()) {
      const auto said = entry->second.fields.find(field.name);
      if (said != entry->second.fields.end()) return said->second;
    }
    if (name != kAnyType && !field.doc.empty()) return field.doc;
  }
  return {};
}

}  // namespace orch::api
