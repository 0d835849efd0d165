// Selectors: a parsed label selector prints as one that means the same; field selectors never
// crash. The first line is a label selector, the second a field selector, the others labels.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/selector.h"
#include "base/check.h"
#include "base/strings.h"

using namespace orch;
using namespace orch::api;

namespace {

Labels labels_from(const std::vector<std::string_view>& lines) {
  Value map = Value::object();
  for (size_t i = 2; i < lines.size(); ++i) {
    const size_t equals = lines[i].find('=');
    if (equals != lines[i].npos)
      map.set(lines[i].substr(0, equals), Value(lines[i].substr(equals + 1)));
  }
  return labels_of(Value::object({{"metadata", Value::object({{"labels", map}})}}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = split(text, '\n');
  const Labels labels = labels_from(lines);
  if (const auto selector = LabelSelector::parse(lines[0]); selector.ok()) {
    const std::string printed = selector->to_string();
    const auto again = LabelSelector::parse(printed);
    ORCH_CHECK(again.ok());
    ORCH_CHECK(again->to_string() == printed);
    ORCH_CHECK(again->matches(labels) == selector->matches(labels));
    ORCH_CHECK(again->everything() == selector->everything());
  }
  if (lines.size() > 1) {
    if (const auto fields = FieldSelector::parse(lines[1]); fields.ok())
      ORCH_CHECK(fields->everything() == fields->requirements().empty());
  }
  if (const auto object = parse_json(text); object.ok()) {
    if (const auto selector = LabelSelector::from_object(*object); selector.ok())
      selector->matches(labels);
  }
  return 0;
}
