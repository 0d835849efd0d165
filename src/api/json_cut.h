// json_cut: where the parts of a JSON text stand, without making values of them. For texts that
// were checked before, and have no blanks between their tokens: what to_json() wrote. Pure.
#pragma once

#include <string_view>

namespace orch::api {

// The value that `text` begins with; "" when it doesn't begin with a whole one.
std::string_view first_value(std::string_view text);

// Calls visit(name, value) for each member of an object until it says false. Names come without
// their quotes, as escaped as they stand there.
template <class Visit>
void for_each_member(std::string_view object, const Visit& visit) {
  object.remove_prefix(object.empty() ? 0 : 1);
  while (!object.empty() && object.front() == '"') {
    const std::string_view name = first_value(object);
    object.remove_prefix(name.size());
    if (name.empty() || object.empty()) return;
    const std::string_view value = first_value(object.substr(1));
    if (!visit(name.substr(1, name.size() - 2), value)) return;
    object.remove_prefix(1 + value.size());
    if (!object.empty() && object.front() == ',') object.remove_prefix(1);
  }
}

// Calls visit(value) for each item of an array until it says false.
template <class Visit>
void for_each_item(std::string_view array, const Visit& visit) {
  array.remove_prefix(array.empty() ? 0 : 1);
  while (!array.empty() && array.front() != ']') {
    const std::string_view value = first_value(array);
    if (value.empty()) return;
    if (!visit(value)) return;
    array.remove_prefix(value.size());
    if (!array.empty() && array.front() == ',') array.remove_prefix(1);
  }
}

// The member of an object, "" when there is none.
std::string_view member_text(std::string_view object, std::string_view name);

}  // namespace orch::api
