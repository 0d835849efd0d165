// When two pod templates are the same, and the label that tells them apart. Pure. See deployment.h.
#include <map>

#include "server/controllers/deployment.h"

namespace orch::controllers {

using api::Value;

namespace {

// Object members in a fixed order, so that the hash does not depend on who wrote them.
void append_sorted(std::string* out, const Value& value) {
  if (value.is_object()) {
    std::map<std::string_view, const Value*> sorted;
    for (const auto& [name, member] : value.members()) sorted[name] = &member;
    *out += '{';
    for (const auto& [name, member] : sorted) {
      api::append_json_string(out, name);
      append_sorted(out, *member);
    }
    *out += '}';
  } else if (value.is_array()) {
    *out += '[';
    for (const Value& item : value.items()) append_sorted(out, item);
    *out += ']';
  } else {
    api::append_json(out, value);
  }
}

Value without_hash(Value pod_template) {
  if (Value* metadata = pod_template.find("metadata"))
    if (Value* labels = metadata->find("labels")) labels->remove(kTemplateHashLabel);
  return pod_template;
}

}  // namespace

bool same_template(const Value& a, const Value& b) { return without_hash(a) == without_hash(b); }

// FNV-1a; the alphabet has no vowels and no look-alikes, as Kubernetes' has.
std::string template_hash(const Value& pod_template, int64_t collisions) {
  static constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string text;
  append_sorted(&text, without_hash(pod_template));
  if (collisions > 0) text += std::to_string(collisions);
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  std::string out;
  for (int i = 0; i < 10; ++i, hash /= alphabet.size()) out += alphabet[hash % alphabet.size()];
  return out;
}

}  // namespace orch::controllers
