// JSON patch (RFC 6902) and merge patch (RFC 7386). The strategic one is in strategic_patch.cpp.
#include "api/patch.h"

#include "base/strings.h"

namespace orch::api {

namespace {

// A pointer's steps, unescaped: "/a~1b/0" → {"a/b", "0"}.
Result<std::vector<std::string>> parse_pointer(const std::string& pointer) {
  std::vector<std::string> steps;
  if (pointer.empty()) return steps;
  if (pointer[0] != '/') return bad_request("JSON pointer \"" + pointer + "\" must begin with '/'");
  for (const std::string_view raw : split(std::string_view(pointer).substr(1), '/')) {
    std::string step;
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '~') {
        step += raw[i];
      } else if (i + 1 < raw.size() && (raw[i + 1] == '0' || raw[i + 1] == '1')) {
        step += raw[++i] == '0' ? '~' : '/';
      } else {
        return bad_request("JSON pointer \"" + pointer + "\" has a bad escape");
      }
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

Status unprocessable(std::string message) { return invalid(std::move(message)); }

// The index that `step` names; `size` itself only where something is added.
Result<size_t> array_index(const std::string& step, size_t size, bool adding) {
  if (adding && step == "-") return size;
  const bool leading_zero = step.size() > 1 && step[0] == '0';
  const auto index = parse_int(step);
  if (!index || *index < 0 || leading_zero || step[0] == '+')
    return unprocessable("\"" + step + "\" is no array index");
  if (static_cast<size_t>(*index) >= size + (adding ? 1 : 0))
    return unprocessable("array index " + step + " is out of range");
  return static_cast<size_t>(*index);
}

Result<Value*> step_into(Value* value, const std::string& step) {
  if (value->is_array())
    return &value->array_items()[ORCH_TRY(array_index(step, value->size(), false))];
  if (Value* member = value->find(step)) return member;
  return unprocessable("the path has no member \"" + step + "\"");
}

Result<Value*> resolve(Value* root, const std::vector<std::string>& steps, size_t count) {
  Value* value = root;
  for (size_t i = 0; i < count; ++i) value = ORCH_TRY(step_into(value, steps[i]));
  return value;
}

Result<void> add_at(Value* root, const std::vector<std::string>& steps, Value value) {
  if (steps.empty()) {
    *root = std::move(value);
    return {};
  }
  Value* parent = ORCH_TRY(resolve(root, steps, steps.size() - 1));
  const std::string& last = steps.back();
  if (parent->is_array()) {
    const size_t index = ORCH_TRY(array_index(last, parent->size(), true));
    Array& items = parent->array_items();
    items.insert(items.begin() + static_cast<ptrdiff_t>(index), std::move(value));
    return {};
  }
  if (!parent->is_object())
    return unprocessable("can't add \"" + last + "\" to a " + parent->type_name());
  parent->set(last, std::move(value));
  return {};
}

Result<Value> remove_at(Value* root, const std::vector<std::string>& steps) {
  if (steps.empty()) return unprocessable("can't remove the whole document");
  Value* parent = ORCH_TRY(resolve(root, steps, steps.size() - 1));
  Value removed = std::move(*ORCH_TRY(step_into(parent, steps.back())));
  if (parent->is_array()) {
    const size_t index = ORCH_TRY(array_index(steps.back(), parent->size(), false));
    parent->array_items().erase(parent->array_items().begin() + static_cast<ptrdiff_t>(index));
  } else {
    parent->remove(steps.back());
  }
  return removed;
}

bool starts_with(const std::vector<std::string>& steps, const std::vector<std::string>& prefix) {
  return steps.size() > prefix.size() && std::equal(prefix.begin(), prefix.end(), steps.begin());
}

Result<void> apply_operation(Value* document, const Value& operation) {
  const std::string& op = operation["op"].as_string();
  if (!operation["path"].is_string()) return bad_request("JSON patch operation without a path");
  const auto path = ORCH_TRY(parse_pointer(operation["path"].as_string()));
  const bool takes_value = op == "add" || op == "replace" || op == "test";
  if (takes_value && !operation.has("value"))
    return bad_request("JSON patch operation \"" + op + "\" without a value");

  if (op == "add") return add_at(document, path, operation["value"]);
  if (op == "remove") {
    ORCH_TRY(remove_at(document, path));
    return {};
  }
  if (op == "replace") {
    *ORCH_TRY(resolve(document, path, path.size())) = operation["value"];
    return {};
  }
  if (op == "test") {
    const auto found = resolve(document, path, path.size());
    if (found && **found == operation["value"]) return {};
    if (!found && operation["value"].is_null()) return {};
    return unprocessable("testing path " + operation["path"].as_string() + " value failed");
  }
  if (op == "move" || op == "copy") {
    if (!operation["from"].is_string())
      return bad_request("JSON patch operation \"" + op + "\" without from");
    const auto from = ORCH_TRY(parse_pointer(operation["from"].as_string()));
    if (op == "copy")
      return add_at(document, path, *ORCH_TRY(resolve(document, from, from.size())));
    if (starts_with(path, from)) return unprocessable("can't move a value into itself");
    if (path == from) {
      ORCH_TRY(resolve(document, from, from.size()));
      return {};
    }
    return add_at(document, path, ORCH_TRY(remove_at(document, from)));
  }
  return bad_request("unknown JSON patch operation \"" + op + "\"");
}

void merge_into(Value* document, const Value& patch) {
  if (!patch.is_object()) {
    *document = patch;
    return;
  }
  if (!document->is_object()) *document = Value(Value::Object{});
  for (const Value::Member& member : patch.members()) {
    if (member.value.is_null())
      document->remove(member.name);
    else
      merge_into(&(*document)[member.name], member.value);
  }
}

}  // namespace

Result<Value> apply_json_patch(Value document, const Value& patch) {
  if (!patch.is_array()) return bad_request("a JSON patch is an array of operations");
  if (patch.size() > kMaxPatchOperations)
    return too_large("The allowed maximum operations in a JSON patch is " +
                     std::to_string(kMaxPatchOperations) + ", got " + std::to_string(patch.size()));
  // A patch of copies could grow without end: the document stays below the limit of any request.
  size_t growth = 0;
  for (const Value& operation : patch.items()) {
    ORCH_TRY(apply_operation(&document, operation));
    if (operation["op"].as_string() == "copy") {
      growth = to_json(document).size();
      if (growth > kMaxDocumentBytes) return too_large("the patched document is too large");
    }
  }
  return document;
}

Result<Value> apply_merge_patch(Value document, const Value& patch) {
  if (!patch.is_object()) return bad_request("a merge patch is a JSON object");
  merge_into(&document, patch);
  return document;
}

}  // namespace orch::api
