#include "api/field_set.h"

#include <algorithm>

#include "base/strings.h"

namespace orch::api {
namespace {

int sign(auto a, auto b) { return a < b ? -1 : (b < a ? 1 : 0); }

int rank(const Value& value) {
  if (value.is_number()) return 0;
  if (value.is_string()) return 1;
  if (value.is_bool()) return 2;
  return value.is_null() ? 4 : 3;
}

// An order of scalars: numbers, texts, booleans, and what else there may be by its JSON.
int compare_scalars(const Value& a, const Value& b) {
  if (const int kinds = sign(rank(a), rank(b)); kinds != 0) return kinds;
  if (a.is_int() && b.is_int()) return sign(a.as_int(), b.as_int());
  if (a.is_number()) return sign(a.as_double(), b.as_double());
  if (a.is_string()) return sign(a.as_string().compare(b.as_string()), 0);
  return sign(to_json(a).compare(to_json(b)), 0);
}

int compare_keys(const Value& a, const Value& b) {
  const auto& left = a.members();
  const auto& right = b.members();
  for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (const int names = left[i].name.compare(right[i].name); names != 0) return sign(names, 0);
    if (const int c = compare_scalars(left[i].value, right[i].value); c != 0) return c;
  }
  return sign(left.size(), right.size());
}

}  // namespace

int PathStep::compare(const PathStep& other) const {
  if (kind != other.kind) return sign(kind, other.kind);
  switch (kind) {
    case Kind::field:
      return sign(name.compare(other.name), 0);
    case Kind::key:
      return compare_keys(value, other.value);
    default:
      return compare_scalars(value, other.value);
  }
}

std::string PathStep::to_text() const {
  switch (kind) {
    case Kind::field:
      return "." + name;
    case Kind::key: {
      std::vector<std::string> parts;
      for (const auto& member : value.members()) {
        parts.push_back(member.name + "=" + to_json(member.value));
      }
      return "[" + join(parts, ",") + "]";
    }
    case Kind::value:
      return "[=" + to_json(value) + "]";
    case Kind::index:
      return "[" + to_json(value) + "]";
  }
  return "";
}

std::string PathStep::to_fields() const {
  switch (kind) {
    case Kind::field:
      return "f:" + name;
    case Kind::key:
      return "k:" + to_json(value);
    case Kind::value:
      return "v:" + to_json(value);
    case Kind::index:
      return "i:" + to_json(value);
  }
  return "";
}

Result<PathStep> PathStep::parse_fields(std::string_view text) {
  const auto wrong = [&] { return bad_request("fieldsV1: no path element: " + std::string(text)); };
  if (text.size() < 2 || text[1] != ':') return wrong();
  const std::string_view rest = text.substr(2);
  if (text[0] == 'f') return field(std::string(rest));
  auto parsed = parse_json(rest);
  if (!parsed.ok()) return wrong();
  PathStep step;
  step.value = *std::move(parsed);
  if (text[0] == 'k' && step.value.is_object()) {
    step.kind = Kind::key;
    auto& members = step.value.object_members();
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
  } else if (text[0] == 'v') {
    step.kind = Kind::value;
  } else if (text[0] == 'i' && step.value.is_int()) {
    step.kind = Kind::index;
  } else {
    return wrong();
  }
  return step;
}

void append_field_step(std::string* out, std::string_view name) {
  // The name alone may need escapes, but the two need one pair of quotes.
  const size_t quote = out->size();
  append_json_string(out, name);
  out->insert(quote + 1, "f:");
}

std::string to_text(const Path& path) {
  std::string text;
  for (const PathStep& step : path) text += step.to_text();
  return text;
}

void FieldSet::reserve(size_t nodes) { nodes_.reserve(nodes); }

FieldSet::Node& FieldSet::at(PathStep step) {
  const auto before = [](const Node& node, const PathStep& s) { return node.step < s; };
  auto here = nodes_.end();  // Where a sorted source adds its next step.
  if (!nodes_.empty() && !before(nodes_.back(), step)) {
    here = std::lower_bound(nodes_.begin(), nodes_.end(), step, before);
  }
  if (here == nodes_.end()) return nodes_.emplace_back(std::move(step), false, FieldSet());
  if (!(here->step == step)) here = nodes_.insert(here, {std::move(step), false, {}});
  return *here;
}

const FieldSet::Node* FieldSet::find(const PathStep& step) const {
  const auto before = [](const Node& node, const PathStep& s) { return node.step < s; };
  const auto here = std::lower_bound(nodes_.begin(), nodes_.end(), step, before);
  return here == nodes_.end() || !(here->step == step) ? nullptr : &*here;
}

FieldSet::Node* FieldSet::find(const PathStep& step) {
  return const_cast<Node*>(std::as_const(*this).find(step));
}

void FieldSet::insert(const Path& path) {
  FieldSet* set = this;
  for (size_t i = 0; i < path.size(); ++i) {
    Node& node = set->at(path[i]);
    if (i + 1 == path.size()) node.member = true;
    set = &node.below;
  }
}

bool FieldSet::has(const Path& path) const {
  const FieldSet* set = this;
  const Node* node = nullptr;
  for (const PathStep& step : path) {
    node = set->find(step);
    if (node == nullptr) return false;
    set = &node->below;
  }
  return node != nullptr && node->member;
}

void FieldSet::add_paths(Path* prefix, std::vector<Path>* out) const {
  for (const Node& node : nodes_) {
    if (!node.member) continue;
    out->push_back(*prefix);
    out->back().push_back(node.step);
  }
  for (const Node& node : nodes_) {
    prefix->push_back(node.step);
    node.below.add_paths(prefix, out);
    prefix->pop_back();
  }
}

std::vector<Path> FieldSet::paths() const {
  std::vector<Path> all;
  Path prefix;
  add_paths(&prefix, &all);
  return all;
}

FieldSet FieldSet::united(const FieldSet& other) const {
  if (other.empty()) return *this;
  if (empty()) return other;
  FieldSet out;
  auto a = nodes_.begin(), b = other.nodes_.begin();
  while (a != nodes_.end() || b != other.nodes_.end()) {
    const int order = a == nodes_.end()         ? 1
                      : b == other.nodes_.end() ? -1
                                                : a->step.compare(b->step);
    if (order < 0) {
      out.nodes_.push_back(*a++);
    } else if (order > 0) {
      out.nodes_.push_back(*b++);
    } else {
      out.nodes_.push_back({a->step, a->member || b->member, a->below.united(b->below)});
      ++a, ++b;
    }
  }
  return out;
}

FieldSet FieldSet::without(const FieldSet& other) const {
  FieldSet left = *this;
  left.remove(other);
  return left;
}

void FieldSet::remove(const FieldSet& other) {
  for (const Node& theirs : other.nodes_) {
    Node* mine = find(theirs.step);
    if (mine == nullptr) continue;
    mine->member = mine->member && !theirs.member;
    mine->below.remove(theirs.below);
    drop_if_empty(mine);
  }
}

FieldSet FieldSet::shared_with(const FieldSet& other) const {
  FieldSet out;
  for (const Node& node : nodes_) {
    const Node* theirs = other.find(node.step);
    if (theirs == nullptr) continue;
    Node both{node.step, node.member && theirs->member, node.below.shared_with(theirs->below)};
    if (!both.empty()) out.nodes_.push_back(std::move(both));
  }
  return out;
}

FieldSet FieldSet::without_trees(const FieldSet& other) const {
  FieldSet left = *this;
  left.remove_trees(other);
  return left;
}

void FieldSet::remove_trees(const FieldSet& other) {
  for (const Node& theirs : other.nodes_) {
    Node* mine = find(theirs.step);
    if (mine == nullptr) continue;
    if (theirs.member) *mine = Node{mine->step, false, {}};
    mine->below.remove_trees(theirs.below);
    drop_if_empty(mine);
  }
}

void FieldSet::drop_if_empty(Node* node) {
  if (node->empty()) nodes_.erase(nodes_.begin() + (node - nodes_.data()));
}

Value FieldSet::to_fields() const {
  Value::Object members;
  members.reserve(nodes_.size());
  for (const Node& node : nodes_) {
    Value below = node.below.to_fields();
    if (node.member && !below.empty()) {
      auto& inner = below.object_members();
      inner.insert(inner.begin(), Value::Member{".", Value::object()});
    }
    members.push_back({node.step.to_fields(), std::move(below)});
  }
  return Value(std::move(members));
}

void FieldSet::append_fields(std::string* out) const {
  char separator = '{';
  for (const Node& node : nodes_) {
    *out += std::exchange(separator, ',');
    if (node.step.kind == PathStep::Kind::field) {
      append_field_step(out, node.step.name);
    } else {
      append_json_string(out, node.step.to_fields());
    }
    *out += ':';
    const bool named = node.member && !node.below.empty();
    if (!named) {
      node.below.append_fields(out);
      continue;
    }
    *out += "{\".\":{}";
    const size_t open = out->size();
    node.below.append_fields(out);
    (*out)[open] = ',';  // In place of its bracket.
  }
  *out += nodes_.empty() ? "{}" : "}";
}

Result<FieldSet> FieldSet::parse_fields(const Value& fields) {
  if (!fields.is_object()) return bad_request("fieldsV1: not an object");
  FieldSet set;
  for (const Value::Member& member : fields.members()) {
    if (member.name == ".") continue;  // Says something of the one above.
    const PathStep step = ORCH_TRY(PathStep::parse_fields(member.name));
    FieldSet below = ORCH_TRY(parse_fields(member.value));
    Node& node = set.at(step);
    node.member = below.empty() || member.value.has(".");
    node.below = std::move(below);
  }
  return set;
}

bool FieldSet::operator==(const FieldSet& other) const { return nodes_ == other.nodes_; }

}  // namespace orch::api
