// What every document that a parser accepts must hold, whichever the parser: it is written in a
// form that reads back as the same value, and written again as the same bytes.
#pragma once

#include <string>

#include "api/json.h"
#include "base/check.h"
#include "base/strings.h"

namespace orch::api {

inline void check_round_trips(const Value& value) {
  const std::string json = to_json(value);
  ORCH_CHECK(valid_utf8(json));
  const Result<Value> again = parse_json(json);
  ORCH_CHECK(again.ok());
  ORCH_CHECK(*again == value);
  ORCH_CHECK(to_json(*again) == json);
  const Result<Value> pretty = parse_json(to_json_pretty(value));
  ORCH_CHECK(pretty.ok() && *pretty == value);
  const Result<Value> yaml = parse_yaml(to_yaml(value));
  ORCH_CHECK(yaml.ok());
  ORCH_CHECK(*yaml == value);
}

}  // namespace orch::api
