#include "api/new_fields.h"

#include <algorithm>
#include <vector>

#include "api/canonical.h"
#include "api/owned_parts.h"

namespace orch::api {
namespace {

constexpr size_t kUsualBytes = 2048;

const FieldSet::Node* field_in(const FieldSet* set, std::string_view name) {
  if (set == nullptr) return nullptr;
  for (const FieldSet::Node& node : set->nodes()) {
    if (node.step.kind == PathStep::Kind::field && node.step.name == name) return &node;
  }
  return nullptr;
}

// Walks an object and what an empty one has in its places (nullptr: nothing). Each member of the
// text has a comma behind it until its object ends.
class NewFields {
 public:
  std::string text;

  void parts(const Field& field, const Value* from, const Value& to, const FieldSet* left_out) {
    const Parts parts = parts_of(field);
    if (parts == Parts::none) return;
    if (is_list(parts)) return items(field, to);
    std::vector<const Value::Member*> members;
    members.reserve(to.size());
    for (const Value::Member& member : to.members()) members.push_back(&member);
    std::ranges::sort(members, {}, &Value::Member::name);
    for (const Value::Member* member : members) {
      const FieldSet::Node* left = field_in(left_out, member->name);
      if (left != nullptr && left->member && left->below.empty()) continue;
      const Field* inner = inside(field, member->name);
      if (inner == nullptr) continue;
      const size_t begin = text.size();
      append_field_step(&text, member->name);
      one(*inner, from == nullptr ? nullptr : from->find(member->name), member->value,
          left == nullptr ? nullptr : &left->below, begin);
    }
  }

 private:
  // What the name that begins at `begin` says of its value; without saying anything it goes.
  void one(const Field& field, const Value* from, const Value& to, const FieldSet* left_out,
           size_t begin) {
    text += ":{";
    const size_t open = text.size();
    bool member = from == nullptr;
    if (!member && (parts_of(field) == Parts::none || (from->empty() && to.empty()))) {
      member = !(*from == to);
    } else {
      parts(field, from, to, left_out);
    }
    const bool below = text.size() > open;
    if (!member && !below) return text.resize(begin);
    if (below) text.pop_back();
    if (below && member) text.insert(open, "\".\":{},");
    text += "},";
  }

  // An empty object has no items. Those of one key are owned as a bunch.
  void items(const Field& field, const Value& to) {
    std::vector<std::pair<PathStep, const Value*>> items;
    items.reserve(to.size());
    for (const Value& item : to.items()) items.emplace_back(step_of(field, item), &item);
    const auto less = [](const auto& a, const auto& b) { return a.first < b.first; };
    std::stable_sort(items.begin(), items.end(), less);
    for (size_t i = 0; i < items.size();) {
      size_t next = i + 1;
      while (next < items.size() && items[next].first == items[i].first) ++next;
      const size_t begin = text.size();
      append_json_string(&text, items[i].first.to_fields());
      if (next == i + 1) {
        one(*field.element, nullptr, *items[i].second, nullptr, begin);
      } else {
        text += ":{},";
      }
      i = next;
    }
  }
};

}  // namespace

std::string new_fields(const Type& type, const Value& object, const FieldSet& left_out) {
  const Value nothing = canonicalize(type, Value::object());
  NewFields walk;
  walk.text.reserve(kUsualBytes);
  walk.text = "{";
  walk.parts(root_of(type), &nothing, object, &left_out);
  if (walk.text.size() == 1) return {};
  walk.text.back() = '}';
  return std::move(walk.text);
}

}  // namespace orch::api
