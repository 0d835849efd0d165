// Every function walks the type and the values side by side. The root is treated as a field that
// holds a struct, so that there is one walk only.
#include "api/ownership.h"

#include <algorithm>
#include <map>

#include "api/owned_parts.h"
#include "base/strings.h"

namespace orch::api {
namespace {

std::vector<PathStep> steps_of(const Field& list, const Value* value) {
  std::vector<PathStep> steps;
  if (value == nullptr) return steps;
  for (const Value& item : value->items()) steps.push_back(step_of(list, item));
  return steps;
}

void name_parts(const Field& field, const Value& value, FieldSet* set);

// A leaf is a member; a struct that says something is named by what it says.
void name_member(const Field& field, const Value& value, FieldSet::Node* node) {
  const Parts parts = parts_of(field);
  node->member |= parts == Parts::none || (value.empty() && !is_list(parts));
  if (parts != Parts::none) name_parts(field, value, &node->below);
}

void name_parts(const Field& field, const Value& value, FieldSet* set) {
  if (is_list(parts_of(field))) {
    for (const Value& item : value.items()) {
      FieldSet::Node& node = set->at(step_of(field, item));
      node.member = true;
      name_member(*field.element, item, &node);
    }
    return;
  }
  for (const Value::Member& member : value.members()) {
    const Field* inner = inside(field, member.name);
    if (inner == nullptr) continue;
    FieldSet::Node node{PathStep::field(member.name), field.shape == Shape::map, {}};
    name_member(*inner, member.value, &node);
    if (!node.empty()) set->at(node.step) = std::move(node);
  }
}

// What is new altogether: every part of it is a member, and each is named in the order of sets.
FieldSet all_parts(const Field& field, const Value& value) {
  FieldSet set;
  const Parts parts = parts_of(field);
  if (parts == Parts::none) return set;
  set.reserve(value.size());
  if (is_list(parts)) {
    std::vector<std::pair<PathStep, const Value*>> items;
    for (const Value& item : value.items()) items.emplace_back(step_of(field, item), &item);
    const auto less = [](const auto& a, const auto& b) { return a.first < b.first; };
    std::stable_sort(items.begin(), items.end(), less);
    for (auto& [step, item] : items) {
      const size_t before = set.nodes().size();  // Items of one key are owned as a bunch.
      FieldSet::Node& node = set.at(std::move(step));
      node.member = true;
      node.below = set.nodes().size() == before ? FieldSet() : all_parts(*field.element, *item);
    }
    return set;
  }
  std::vector<const Value::Member*> members;
  for (const Value::Member& member : value.members()) members.push_back(&member);
  std::ranges::sort(members, {}, &Value::Member::name);
  for (const Value::Member* member : members) {
    const Field* inner = inside(field, member->name);
    if (inner == nullptr) continue;
    FieldSet::Node& node = set.at(PathStep::field(member->name));
    node.member = true;
    node.below = all_parts(*inner, member->value);
  }
  return set;
}

// How two values of one place differ: at the place itself, and at what lies below it.
struct Difference {
  bool added = false, removed = false, modified = false;
  Comparison below;
};

Difference difference(const Field& field, const Value* from, const Value* to);

// Sets are built from the leaves up, so that only what differs is ever named.
void note_difference(const PathStep& step, Difference found, Comparison* into) {
  const auto note = [&](bool member, FieldSet* below, FieldSet* set) {
    if (!member && below->empty()) return;
    FieldSet::Node& node = set->at(PathStep(step));
    node.member = member;
    node.below = std::move(*below);
  };
  note(found.added, &found.below.added, &into->added);
  note(found.removed, &found.below.removed, &into->removed);
  note(found.modified, &found.below.modified, &into->modified);
}

Comparison compare_members(const Field& field, const Value* from, const Value* to) {
  Comparison result;
  const auto one = [&](const std::string& name, const Value* a, const Value* b) {
    const Field* inner = inside(field, name);
    if (inner == nullptr) return;
    Difference found = difference(*inner, a, b);
    const bool here = found.added || found.removed || found.modified;
    if (here || !found.below.empty()) {
      note_difference(PathStep::field(name), std::move(found), &result);
    }
  };
  if (from != nullptr) {
    for (const auto& m : from->members()) one(m.name, &m.value, to ? to->find(m.name) : nullptr);
  }
  if (to == nullptr) return result;
  for (const auto& m : to->members()) {
    if (from == nullptr || !from->has(m.name)) one(m.name, nullptr, &m.value);
  }
  return result;
}

// Items that stand more than once are compared as a bunch.
Comparison compare_items(const Field& field, const Value* from, const Value* to) {
  if (from != nullptr && to != nullptr && *from == *to) return {};  // As nearly always.
  using Bunch = std::pair<std::vector<const Value*>, std::vector<const Value*>>;
  std::map<PathStep, Bunch> bunches;
  if (from != nullptr) {
    for (const Value& item : from->items()) bunches[step_of(field, item)].first.push_back(&item);
  }
  if (to != nullptr) {
    for (const Value& item : to->items()) bunches[step_of(field, item)].second.push_back(&item);
  }
  Comparison result;
  for (const auto& [step, bunch] : bunches) {
    const auto& [before, after] = bunch;
    Difference found;
    if (before.size() <= 1 && after.size() <= 1) {
      found = difference(*field.element, before.empty() ? nullptr : before[0],
                         after.empty() ? nullptr : after[0]);
    } else if (before.empty() || after.empty()) {
      (before.empty() ? found.added : found.removed) = true;
    } else {
      found.modified = !std::equal(before.begin(), before.end(), after.begin(), after.end(),
                                   [](const Value* a, const Value* b) { return *a == *b; });
    }
    note_difference(step, std::move(found), &result);
  }
  return result;
}

// nullptr: not there at all, which differs from null.
Difference difference(const Field& field, const Value* from, const Value* to) {
  const Parts parts = parts_of(field);
  const bool both_empty = (!from || from->empty()) && (!to || to->empty());
  Difference found;
  found.added = from == nullptr;
  if (found.added && to != nullptr) {
    found.below.added = all_parts(field, *to);
    return found;
  }
  found.removed = to == nullptr && from != nullptr;
  if (parts == Parts::none || both_empty) {
    found.modified = from != nullptr && to != nullptr && !(*from == *to);
    return found;
  }
  found.removed = to == nullptr;
  found.below = is_list(parts) ? compare_items(field, from, to) : compare_members(field, from, to);
  return found;
}

Value merged(const Field& field, const Value* live, const Value* config);

Value merged_items(const Field& field, const Value& live, const Value& config) {
  const std::vector<PathStep> mine = steps_of(field, &live), wanted = steps_of(field, &config);
  std::map<PathStep, const Value*> standing;  // The first of each.
  for (size_t i = 0; i < mine.size(); ++i) standing.emplace(mine[i], &live[i]);
  std::map<PathStep, bool> in_config;
  for (const PathStep& step : wanted) in_config[step] = true;

  Array out;
  size_t at = 0;
  // Items of live alone, up to the one that config wants next among those of both.
  const auto take_until = [&](const PathStep* stop) {
    for (; at < mine.size() && !(stop != nullptr && mine[at] == *stop); ++at) {
      if (!in_config.contains(mine[at])) out.push_back(live[at]);
    }
  };
  for (size_t i = 0; i < wanted.size(); ++i) {
    size_t next = i;
    while (next < wanted.size() && !standing.contains(wanted[next])) ++next;
    take_until(next < wanted.size() ? &wanted[next] : nullptr);
    const auto match = standing.find(wanted[i]);
    out.push_back(
        merged(*field.element, match == standing.end() ? nullptr : match->second, &config[i]));
  }
  take_until(nullptr);
  return Value(std::move(out));
}

Value merged(const Field& field, const Value* live, const Value* config) {
  if (config == nullptr) return *live;
  const Parts parts = parts_of(field);
  if (live == nullptr || parts == Parts::none || live->empty()) return *config;
  if (is_list(parts)) return merged_items(field, *live, *config);
  Value out = *live;
  for (const Value::Member& member : config->members()) {
    const Field* inner = inside(field, member.name);
    if (inner == nullptr) continue;
    out.set(member.name, merged(*inner, live->find(member.name), &member.value));
  }
  return out;
}

Value removed(const Field& field, const Value& value, const FieldSet& doomed) {
  const Parts parts = parts_of(field);
  if (parts == Parts::none) return value;
  if (is_list(parts)) {
    Array left;
    for (const Value& item : value.items()) {
      const FieldSet::Node* node = doomed.find(step_of(field, item));
      if (node != nullptr && node->member) continue;
      left.push_back(node == nullptr ? item : removed(*field.element, item, node->below));
    }
    return left.empty() ? Value() : Value(std::move(left));
  }
  Value::Object left;
  for (const Value::Member& member : value.members()) {
    const FieldSet::Node* node = doomed.find(PathStep::field(member.name));
    const Field* inner = inside(field, member.name);
    if (node != nullptr && node->member) continue;
    left.push_back({member.name, node == nullptr || inner == nullptr
                                     ? member.value
                                     : removed(*inner, member.value, node->below)});
  }
  return left.empty() ? Value() : Value(std::move(left));
}

FieldSet parented(const Field* field, const FieldSet& set) {
  FieldSet out;
  for (const FieldSet::Node& node : set.nodes()) {
    const Field* inner = nullptr;
    bool named = false;
    if (field != nullptr && parts_of(*field) != Parts::none) {
      const bool in_struct = field->shape == Shape::object;
      inner = in_struct ? field->type->find(node.step.name) : field->element.get();
      named = in_struct && inner != nullptr && !node.below.empty();
    }
    out.at(node.step) = {node.step, node.member || named, parented(inner, node.below)};
  }
  return out;
}

class Checker {
 public:
  std::string problem;

  void walk(const Field& field, const Value& value) {
    switch (field.shape) {
      case Shape::object:
      case Shape::map:
        members(field, value);
        break;
      case Shape::array:
        items(field, value);
        break;
      default:
        break;
    }
  }

 private:
  void members(const Field& field, const Value& value) {
    for (const Value::Member& member : value.members()) {
      if (!problem.empty()) return;
      const Field* inner = inside(field, member.name);
      path_.push_back(PathStep::field(member.name));
      if (inner == nullptr) {
        problem = to_text(path_) + ": field not declared in schema";
      } else {
        walk(*inner, member.value);
      }
      path_.pop_back();
    }
  }

  void items(const Field& field, const Value& value) {
    const bool keyed = field.list_kind == Field::ListKind::map;
    const bool whole = field.list_kind == Field::ListKind::atomic;
    std::map<PathStep, bool> seen;
    for (size_t i = 0; i < value.size() && problem.empty(); ++i) {
      PathStep step{PathStep::Kind::index, "", Value(static_cast<int64_t>(i))};
      if (!whole) step = step_of(field, value[i]);
      if (keyed) missing_key(step, i);
      if (problem.empty() && !whole && !seen.emplace(step, true).second) {
        problem = to_text(path_) + ": duplicate entries for key " + step.to_text();
      }
      path_.push_back(std::move(step));
      walk(*field.element, value[i]);
      path_.pop_back();
    }
  }

  void missing_key(const PathStep& step, size_t i) {
    for (const auto& part : step.value.members()) {
      if (!part.value.is_null()) continue;
      problem = to_text(path_) + ": element " + std::to_string(i) +
                ": associative list with keys has an element that omits key field \"" + part.name +
                "\" (and doesn't have default value)";
    }
  }

  Path path_;
};

}  // namespace

FieldSet named_fields(const Type& type, const Value& object) {
  FieldSet set;
  name_parts(root_of(type), object, &set);
  return set;
}

Comparison compare_fields(const Type& type, const Value& from, const Value& to) {
  return difference(root_of(type), &from, &to).below;
}

Value merge_fields(const Type& type, const Value& live, const Value& config) {
  return merged(root_of(type), &live, &config);
}

Value without_fields(const Type& type, const Value& object, const FieldSet& doomed) {
  return removed(root_of(type), object, doomed);
}

FieldSet with_parents(const Type& type, const FieldSet& set) {
  const Field root = root_of(type);
  return parented(&root, set);
}

std::string unownable(const Type& type, const Value& config) {
  Checker checker;
  checker.walk(root_of(type), config);
  return checker.problem;
}

}  // namespace orch::api
