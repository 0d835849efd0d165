#include "http/http.h"

#include <strings.h>

#include <algorithm>

namespace orch::http {

namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [field, value] : fields_)
    if (same_name(field, name)) return value;
  return {};
}

bool Headers::has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [&](const auto& field) { return same_name(field.first, name); });
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [field, value] : fields_)
    if (same_name(field, name)) values.push_back(value);
  return values;
}

void Headers::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::set(std::string name, std::string value) {
  remove(name);
  add(std::move(name), std::move(value));
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const auto& field) { return same_name(field.first, name); });
}

void Body::append(std::string text) {
  if (text.empty()) return;
  auto owner = std::make_shared<const std::string>(std::move(text));
  const std::string_view view = *owner;
  append_shared(std::move(owner), view);
}

void Body::append_shared(std::shared_ptr<const void> owner, std::string_view view) {
  if (view.empty()) return;
  size_ += view.size();
  pieces_.push_back({std::move(owner), view});
}

std::string Body::flatten() const {
  std::string out;
  out.reserve(size_);
  for (const Piece& piece : pieces_) out += piece.view;
  return out;
}

}  // namespace orch::http
