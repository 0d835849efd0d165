// Reading. One walk over the bytes, beside the type; nothing in them is trusted.
#include "api/protobuf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "api/duration.h"
#include "api/protobuf_wire.h"
#include "base/strings.h"
#include "base/unix_time.h"

namespace orch::api {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// Seconds and nanos; the epoch is how Go writes the zero time.
Result<Value> read_time(std::string_view bytes, bool micro) {
  const SmallMessage small = ORCH_TRY(read_small_message(bytes));
  const auto seconds = static_cast<int64_t>(ORCH_TRY(small.number(1)));
  const auto nanos = static_cast<int64_t>(ORCH_TRY(small.number(2)));
  if (seconds == 0 && nanos == 0) return Value();
  if (seconds < kFirstUnixSecond || seconds > kLastUnixSecond) return malformed_protobuf();
  if (nanos < 0 || nanos >= kNanosPerSecond) return malformed_protobuf();
  const UnixTime time{seconds, nanos};
  return Value(micro ? format_micro_time(time) : format_time(time));
}

Result<Value> read_text(std::string_view bytes) {
  if (!valid_utf8(bytes)) return malformed_protobuf();
  return Value(bytes);
}

Result<Value> read_int_or_string(std::string_view bytes) {
  const SmallMessage small = ORCH_TRY(read_small_message(bytes));
  if (ORCH_TRY(small.number(1)) == 1) return read_text(ORCH_TRY(small.text(3)));
  return Value(static_cast<int64_t>(static_cast<int32_t>(ORCH_TRY(small.number(2)))));
}

Result<Value> read_quantity(std::string_view bytes) {
  const std::string_view text = ORCH_TRY(ORCH_TRY(read_small_message(bytes)).text(1));
  return text.empty() ? Value("0") : read_text(text);
}

Result<Value> read_duration(std::string_view bytes) {
  const SmallMessage small = ORCH_TRY(read_small_message(bytes));
  return Value(format_duration_ns(static_cast<int64_t>(ORCH_TRY(small.number(1)))));
}

Result<Value> read_raw(std::string_view bytes) {
  const std::string_view raw = ORCH_TRY(ORCH_TRY(read_small_message(bytes)).text(1));
  if (raw.empty()) return Value();
  return parse_json(raw);
}

bool is_varint(Shape shape) {
  return shape == Shape::boolean || shape == Shape::int32 || shape == Shape::int64;
}

// Go writes the zeros of fields that are no pointers; JSON leaves these out.
bool is_unset(const Field& field, const Value& value) {
  if (value.is_null()) return true;
  if (field.pointer) return false;
  switch (field.shape) {
    case Shape::string:
      return value.empty();
    case Shape::boolean:
      return !value.as_bool();
    case Shape::int32:
    case Shape::int64:
    case Shape::number:
      return value.as_double() == 0;
    default:
      return false;
  }
}

// Entries are appended as they come; of those with the same key the last one stands.
void settle_map(Value* map) {
  auto& members = map->object_members();
  std::stable_sort(members.begin(), members.end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  size_t kept = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    if (i + 1 < members.size() && members[i + 1].name == members[i].name) continue;
    if (kept != i) members[kept] = std::move(members[i]);
    ++kept;
  }
  members.resize(kept);
}

bool deeper_than(const Value& value, int levels) {
  if (!value.is_array() && !value.is_object()) return false;
  if (levels == 0) return true;
  for (const Value& item : value.items()) {
    if (deeper_than(item, levels - 1)) return true;
  }
  for (const Value::Member& member : value.members()) {
    if (deeper_than(member.value, levels - 1)) return true;
  }
  return false;
}

class Decoder {
 public:
  explicit Decoder(size_t max_values) : values_left_(max_values) {}

  // Adds to what `object` has: a message may come in several parts.
  Result<void> message(const Type& type, std::string_view bytes, Value* object) {
    if (++depth_ > kMaxDepth) return bad_request("the body is nested too deeply");
    if (object->is_null()) *object = Value::object();
    ORCH_TRY(fields(type, {}, 0, bytes, object));
    for (Value::Member& member : object->object_members()) {
      const Field* field = member.value.is_object() ? type.find(member.name) : nullptr;
      if (field != nullptr && field->shape == Shape::map) settle_map(&member.value);
    }
    --depth_;
    return {};
  }

  // metadata = 1, items = 2.
  Result<void> list(const Type& metadata, const Type& item_type, std::string_view bytes,
                    Value* object) {
    (*object)["metadata"] = Value::object();
    (*object)["items"] = Value::array();
    for (WireReader reader(bytes); !reader.at_end();) {
      const WireItem item = ORCH_TRY(reader.next());
      if (item.number > 2) continue;
      if (item.wire != Wire::bytes) return malformed_protobuf();
      if (item.number == 1) {
        ORCH_TRY(message(metadata, item.text, object->find("metadata")));
      } else {
        ORCH_TRY(count());
        ORCH_TRY(message(item_type, item.text, &object->find("items")->push_back({})));
      }
    }
    return {};
  }

 private:
  Result<void> count() {
    if (values_left_-- == 0) return bad_request("the body holds too many values");
    return {};
  }

  // The first `depth` numbers of `path` lead to the embedded message whose fields these are; JSON
  // shows them as the type's own.
  Result<void> fields(const Type& type, Field::WirePath path, size_t depth, std::string_view bytes,
                      Value* object) {
    for (WireReader reader(bytes); !reader.at_end();) {
      const WireItem item = ORCH_TRY(reader.next());
      path[depth] = item.number;
      const Field* field = find(type, path, depth);
      if (field == nullptr) continue;
      if (field->wire_depth() == depth) {
        ORCH_TRY(take(*field, item, object));
      } else {
        if (item.wire != Wire::bytes) return malformed_protobuf();
        ORCH_TRY(fields(type, path, depth + 1, item.text, object));
      }
    }
    return {};
  }

  // The field at that path, or the first within it.
  static const Field* find(const Type& type, const Field::WirePath& path, size_t depth) {
    const auto found =
        std::partition_point(type.wire_order.begin(), type.wire_order.end(),
                             [&](uint16_t index) { return type.fields[index].wire_path < path; });
    if (found == type.wire_order.end()) return nullptr;
    const Field& field = type.fields[*found];
    const auto end = path.begin() + static_cast<ptrdiff_t>(depth) + 1;
    return std::equal(path.begin(), end, field.wire_path.begin()) ? &field : nullptr;
  }

  Result<void> take(const Field& field, const WireItem& item, Value* object) {
    if (field.shape == Shape::array) return take_element(field, item, object);
    if (field.shape == Shape::map) return take_entry(field, item, object);
    if (field.shape == Shape::object) {
      if (item.wire != Wire::bytes) return malformed_protobuf();
      return message(*field.type, item.text, &(*object)[field.name]);
    }
    Value value = ORCH_TRY(single(field, item));
    if (is_unset(field, value)) {
      object->remove(field.name);
    } else {
      object->set(field.name, std::move(value));
    }
    return {};
  }

  Result<void> take_element(const Field& field, const WireItem& item, Value* object) {
    Value& list = (*object)[field.name];
    if (!is_varint(field.element->shape) || item.wire != Wire::bytes) {
      ORCH_TRY(count());
      list.push_back(ORCH_TRY(single(*field.element, item)));
      return {};
    }
    // Packed; Go doesn't write it so, but may be asked to read it.
    for (WireReader packed(item.text); !packed.at_end();) {
      ORCH_TRY(count());
      WireItem one;
      one.scalar = ORCH_TRY(packed.varint());
      list.push_back(ORCH_TRY(single(*field.element, one)));
    }
    return {};
  }

  Result<void> take_entry(const Field& field, const WireItem& item, Value* object) {
    if (item.wire != Wire::bytes) return malformed_protobuf();
    ORCH_TRY(count());
    const SmallMessage entry = ORCH_TRY(read_small_message(item.text));
    Value key = ORCH_TRY(read_text(ORCH_TRY(entry.text(1))));
    const Field& element = *field.element;
    Value value;
    if (element.shape == Shape::array) {
      // A list as a map's value is a message of its own: items = 1.
      value = Value::array();
      for (WireReader reader(ORCH_TRY(entry.text(2))); !reader.at_end();) {
        ORCH_TRY(count());
        value.push_back(ORCH_TRY(single(*element.element, ORCH_TRY(reader.next()))));
      }
    } else {
      WireItem held = entry.items[2];
      if (held.number == 0 && !is_varint(element.shape)) held.wire = Wire::bytes;  // Empty.
      value = ORCH_TRY(single(element, held));
    }
    Value& map = (*object)[field.name];
    if (map.is_null()) map = Value::object();
    map.object_members().push_back({key.as_string(), std::move(value)});
    return {};
  }

  Result<Value> single(const Field& field, const WireItem& item) {
    if (is_varint(field.shape)) {
      if (item.wire != Wire::varint) return malformed_protobuf();
      if (field.shape == Shape::boolean) return Value(item.scalar != 0);
      if (field.shape == Shape::int64) return Value(static_cast<int64_t>(item.scalar));
      return Value(int64_t{static_cast<int32_t>(item.scalar)});
    }
    if (field.shape == Shape::number) {
      if (item.wire != Wire::fixed64) return malformed_protobuf();
      const auto value = std::bit_cast<double>(item.scalar);
      if (!std::isfinite(value)) return malformed_protobuf();  // JSON has no word for it.
      return Value(value);
    }
    if (item.wire != Wire::bytes) return malformed_protobuf();
    switch (field.shape) {
      case Shape::bytes:
        return Value(base64_encode(item.text));
      case Shape::quantity:
        return read_quantity(item.text);
      case Shape::int_or_string:
        return read_int_or_string(item.text);
      case Shape::time:
        return read_time(item.text, false);
      case Shape::micro_time:
        return read_time(item.text, true);
      case Shape::duration:
        return read_duration(item.text);
      case Shape::any:
        return read_raw(item.text);
      case Shape::object: {
        Value object;
        ORCH_TRY(message(*field.type, item.text, &object));
        return object;
      }
      default:
        return read_text(item.text);
    }
  }

  int depth_ = 0;
  size_t values_left_;
};

}  // namespace

Result<Value> decode_protobuf(const Schema& schema, std::string_view bytes,
                              const ProtobufLimits& limits) {
  if (bytes.size() > limits.max_bytes) {
    return too_large("a protobuf body of " + std::to_string(bytes.size()) +
                     " bytes is larger than the limit of " + std::to_string(limits.max_bytes));
  }
  if (!bytes.starts_with(kProtobufMagic)) return malformed_protobuf();
  const SmallMessage unknown = ORCH_TRY(read_small_message(bytes.substr(kProtobufMagic.size())));
  const SmallMessage meta = ORCH_TRY(read_small_message(ORCH_TRY(unknown.text(1))));
  const std::string api_version(ORCH_TRY(meta.text(1))), kind(ORCH_TRY(meta.text(2)));
  if (!valid_utf8(api_version) || !valid_utf8(kind)) return malformed_protobuf();
  const std::string_view raw = ORCH_TRY(unknown.text(2));

  Value object = Value::object({{"kind", Value(kind)}, {"apiVersion", Value(api_version)}});
  Decoder decoder(limits.max_values);
  const Type* type = schema.find_document_type(api_version, kind);
  if (type != nullptr && has_protobuf(*type)) {
    ORCH_TRY(decoder.message(*type, raw, &object));
  } else {
    const std::string stem = kind.ends_with("List") ? kind.substr(0, kind.size() - 4) : "";
    const Type* item = schema.find_document_type(api_version, stem);
    const Type* metadata = schema.find_type("meta/v1.ListMeta");
    if (item == nullptr || metadata == nullptr || !has_protobuf(*item)) {
      return bad_request("no kind \"" + kind + "\" is registered for version \"" + api_version +
                         "\"");
    }
    ORCH_TRY(decoder.list(*metadata, *item, raw, &object));
  }
  if (deeper_than(object, kMaxDepth)) return bad_request("the body is nested too deeply");
  return object;
}

}  // namespace orch::api
