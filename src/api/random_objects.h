// RandomObjects: for property tests, objects of any type of the schema, the same for the same seed.
#pragma once

#include <random>
#include <string>
#include <string_view>

#include "api/schema.h"
#include "base/clock.h"
#include "base/strings.h"

namespace orch::api {

class RandomObjects {
 public:
  explicit RandomObjects(uint32_t seed) : engine_(seed) {}

  // Without kind and apiVersion, which messages inside of others don't carry.
  Value object(const Type& type, int depth) {
    Value made = Value::object();
    for (const Field& field : type.fields) {
      if (field.wire_path[0] == 0 || below(3) == 0) continue;
      const bool deep = depth == 0;
      if (deep && (field.shape == Shape::object || field.element != nullptr)) continue;
      Value value = any_of(field, depth);
      // An empty list or map is not told from none.
      if (field.element != nullptr && value.empty()) continue;
      made.set(field.name, std::move(value));
    }
    return made;
  }

 private:
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(engine_() % bound); }

  std::string text() {
    constexpr std::string_view kPieces[] = {"a",  "Z",  "0",  "\u00fc", "\u20ac",
                                            "\"", "\\", "\n", " "};
    std::string made;
    for (uint32_t n = below(12); n > 0; --n) made += kPieces[below(std::size(kPieces))];
    return made;
  }

  int64_t integer(int bits) {
    const auto value = static_cast<int64_t>((uint64_t{engine_()} << 32) | engine_());
    switch (below(4)) {
      case 0:
        return 0;
      case 1:
        return below(200);
      default:
        return bits == 32 ? int64_t{static_cast<int32_t>(value)} : value;
    }
  }

  WallTime time() {
    return WallTime{std::chrono::seconds{1 + below(4'000'000'000)} +
                    std::chrono::microseconds{below(1'000'000)}};
  }

  Value any_of(const Field& field, int depth) {
    switch (field.shape) {
      case Shape::string:
        return Value(text());
      case Shape::boolean:
        return Value(below(2) == 0);
      case Shape::int32:
        return Value(integer(32));
      case Shape::int64:
        return Value(integer(64));
      case Shape::number:
        return Value(static_cast<double>(integer(32)) / 8);
      case Shape::bytes:
        return Value(base64_encode(text()));
      case Shape::quantity:
        return Value(std::to_string(1 + below(900)) + (below(2) == 0 ? "m" : "Mi"));
      case Shape::int_or_string:
        return below(2) == 0 ? Value(integer(32)) : Value(text());
      case Shape::time:
        return Value(format_time(time()));
      case Shape::micro_time:
        return Value(format_micro_time(time()));
      case Shape::duration:
        return Value(std::to_string(1 + below(59)) + "s");
      case Shape::any:
        return Value::object({{"f:x", Value::array({1, "two", nullptr, text()})}});
      case Shape::object:
        return object(*field.type, depth - 1);
      case Shape::array: {
        Value list = Value::array();
        for (uint32_t n = below(3); n > 0; --n) list.push_back(any_of(*field.element, depth - 1));
        return list;
      }
      case Shape::map: {
        Value map = Value::object();
        for (uint32_t n = below(3); n > 0; --n) map.set(text(), any_of(*field.element, depth - 1));
        return map;
      }
    }
    return {};
  }

  std::mt19937 engine_;
};

}  // namespace orch::api
