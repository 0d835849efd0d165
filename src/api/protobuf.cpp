#include "api/protobuf.h"

#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr std::string_view kMagic("k8s\0", 4);

enum class Wire : int { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

// One field of a message.
struct Item {
  int number = 0;
  Wire wire = Wire::varint;
  uint64_t scalar = 0;    // varint and fixed.
  std::string_view text;  // bytes.
};

Status malformed() { return bad_request("the body is no well-formed protobuf message"); }

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool at_end() const { return bytes_.empty(); }

  Result<Item> next() {
    Item item;
    const uint64_t tag = ORCH_TRY(varint());
    item.number = static_cast<int>(tag >> 3);
    item.wire = static_cast<Wire>(tag & 7);
    switch (item.wire) {
      case Wire::varint:
        item.scalar = ORCH_TRY(varint());
        return item;
      case Wire::fixed64:
        item.scalar = ORCH_TRY(fixed(8));
        return item;
      case Wire::fixed32:
        item.scalar = ORCH_TRY(fixed(4));
        return item;
      case Wire::bytes: {
        const uint64_t size = ORCH_TRY(varint());
        if (size > bytes_.size()) return malformed();
        item.text = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return item;
      }
    }
    return malformed();
  }

  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) return malformed();
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (!(byte & 0x80)) return value;
    }
    return malformed();
  }

  Result<uint64_t> fixed(size_t size) {
    if (bytes_.size() < size) return malformed();
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      value |= uint64_t{static_cast<unsigned char>(bytes_[i])} << (8 * i);
    }
    bytes_.remove_prefix(size);
    return value;
  }

 private:
  std::string_view bytes_;
};

// The fields of a small message, by number; the last of each wins.
struct Small {
  static constexpr int kMax = 4;
  Item items[kMax + 1];
};

Result<Small> read_small(std::string_view bytes) {
  Small small;
  for (Reader reader(bytes); !reader.at_end();) {
    const Item item = ORCH_TRY(reader.next());
    if (item.number > 0 && item.number <= Small::kMax) small.items[item.number] = item;
  }
  return small;
}

Result<Value> read_time(std::string_view bytes, bool micro) {
  const Small small = ORCH_TRY(read_small(bytes));
  const auto seconds = static_cast<int64_t>(small.items[1].scalar);
  const auto nanos = static_cast<int64_t>(small.items[2].scalar);
  if (seconds == 0 && nanos == 0) return Value();
  constexpr int64_t kLastSecond = 253'402'300'799;  // The end of the year 9999.
  if (seconds < 0 || nanos < 0 || nanos >= 1'000'000'000) return malformed();
  if (seconds > kLastSecond || seconds > INT64_MAX / 1'000'000'000 - 1) return malformed();
  const WallTime time{std::chrono::nanoseconds(seconds * 1'000'000'000 + nanos)};
  return Value(micro ? format_micro_time(time) : format_time(time));
}

Result<Value> read_int_or_string(std::string_view bytes) {
  const Small small = ORCH_TRY(read_small(bytes));
  const bool text = small.items[1].scalar == 1;
  if (text) return Value(small.items[3].text);
  return Value(int64_t{static_cast<int32_t>(small.items[2].scalar)});
}

class Decoder {
 public:
  Result<Value> message(const Type& type, std::string_view bytes) {
    if (++depth_ > kMaxDepth) return bad_request("the body is nested too deeply");
    Value object = Value::object();
    ORCH_TRY(fields(type, 0, bytes, &object));
    --depth_;
    return object;
  }

 private:
  // `outer` is the embedded message whose fields these are; JSON shows them one level up.
  Result<void> fields(const Type& type, int outer, std::string_view bytes, Value* object) {
    for (Reader reader(bytes); !reader.at_end();) {
      const Item item = ORCH_TRY(reader.next());
      if (const Field* field = find(type, outer, item.number)) {
        ORCH_TRY(take(*field, item, object));
      } else if (outer == 0 && item.wire == Wire::bytes && embeds(type, item.number)) {
        ORCH_TRY(fields(type, item.number, item.text, object));
      }
    }
    return {};
  }

  static const Field* find(const Type& type, int outer, int number) {
    for (const Field& field : type.fields) {
      if (field.proto == number && field.proto_outer == outer) return &field;
    }
    return nullptr;
  }

  static bool embeds(const Type& type, int number) {
    for (const Field& field : type.fields) {
      if (field.proto_outer == number) return true;
    }
    return false;
  }

  Result<void> take(const Field& field, const Item& item, Value* object) {
    if (field.shape == Shape::array) return take_element(field, item, object);
    if (field.shape == Shape::map) return take_entry(field, item, object);
    Value value = ORCH_TRY(single(field, item));
    // Go writes the zero of every field that is no pointer; JSON leaves it out.
    const bool zero = value.is_null() || (value.is_string() && value.as_string().empty()) ||
                      (value.is_number() && value.as_double() == 0) ||
                      (value.is_bool() && !value.as_bool());
    if (!zero || (field.pointer && !value.is_null())) object->set(field.name, std::move(value));
    return {};
  }

  Result<void> take_element(const Field& field, const Item& item, Value* object) {
    Value& list = (*object)[field.name];
    const Shape shape = field.element->shape;
    const bool number = shape == Shape::int32 || shape == Shape::int64 || shape == Shape::boolean;
    if (!number || item.wire != Wire::bytes) {
      list.push_back(ORCH_TRY(single(*field.element, item)));
      return {};
    }
    for (Reader packed(item.text); !packed.at_end();) {
      Item one;
      one.scalar = ORCH_TRY(packed.varint());
      list.push_back(ORCH_TRY(single(*field.element, one)));
    }
    return {};
  }

  Result<void> take_entry(const Field& field, const Item& item, Value* object) {
    if (item.wire != Wire::bytes) return malformed();
    const Small entry = ORCH_TRY(read_small(item.text));
    const std::string_view key = entry.items[1].text;
    if (!valid_utf8(key)) return malformed();
    const Field& element = *field.element;
    Value value;
    if (element.shape == Shape::array) {
      // A list as a map's value is a message of its own: items = 1.
      value = Value::array();
      for (Reader reader(entry.items[2].text); !reader.at_end();) {
        value.push_back(ORCH_TRY(single(*element.element, ORCH_TRY(reader.next()))));
      }
    } else {
      Item held = entry.items[2];
      if (held.number == 0) held.wire = Wire::bytes;  // Left out: empty.
      value = ORCH_TRY(single(element, held));
    }
    Value& map = (*object)[field.name];
    if (map.is_null()) map = Value::object();
    map.set(key, std::move(value));
    return {};
  }

  Result<Value> single(const Field& field, const Item& item) {
    switch (field.shape) {
      case Shape::boolean:
        return Value(item.scalar != 0);
      case Shape::int32:
        return Value(int64_t{static_cast<int32_t>(item.scalar)});
      case Shape::int64:
        return Value(static_cast<int64_t>(item.scalar));
      case Shape::number:
        return Value(std::bit_cast<double>(item.scalar));
      default:
        break;
    }
    if (item.wire != Wire::bytes) return malformed();
    switch (field.shape) {
      case Shape::bytes:
        return Value(base64_encode(item.text));
      case Shape::time:
        return read_time(item.text, false);
      case Shape::micro_time:
        return read_time(item.text, true);
      case Shape::int_or_string:
        return read_int_or_string(item.text);
      case Shape::object:
        return message(*field.type, item.text);
      case Shape::quantity:
        return text(ORCH_TRY(read_small(item.text)).items[1].text);
      case Shape::duration: {
        const Small small = ORCH_TRY(read_small(item.text));
        return Value(std::to_string(static_cast<int64_t>(small.items[1].scalar)) + "ns");
      }
      case Shape::any: {
        const std::string_view raw = ORCH_TRY(read_small(item.text)).items[1].text;
        if (raw.empty()) return Value();
        return parse_json(raw);
      }
      default:
        return text(item.text);
    }
  }

  static Result<Value> text(std::string_view bytes) {
    if (!valid_utf8(bytes)) return malformed();
    return Value(bytes);
  }

  int depth_ = 0;
};

// The type of a top-level kind: a resource's, or one that only subresources and options speak.
const Type* type_of(const Schema& schema, const std::string& api_version, const std::string& kind) {
  if (const Resource* resource = schema.find_kind(api_version, kind)) return resource->type;
  const auto parts = split(api_version, '/');
  const std::string version(parts.back());
  const std::string_view group = parts.size() == 2 ? parts[0] : std::string_view("core");
  const std::string package = std::string(group.substr(0, group.find('.'))) + "/" + version;
  if (const Type* type = schema.find_type(package + "." + kind)) return type;
  return schema.find_type("meta/v1." + kind);
}

}  // namespace

Result<Value> parse_protobuf(const Schema& schema, std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return malformed();
  const Small unknown = ORCH_TRY(read_small(bytes.substr(kMagic.size())));
  const Small meta = ORCH_TRY(read_small(unknown.items[1].text));
  const std::string api_version(meta.items[1].text), kind(meta.items[2].text);
  if (!valid_utf8(api_version) || !valid_utf8(kind)) return malformed();
  const Type* type = type_of(schema, api_version, kind);
  if (!type) {
    return bad_request("no kind \"" + kind + "\" is registered for version \"" + api_version +
                       "\"");
  }
  Value object = ORCH_TRY(Decoder().message(*type, unknown.items[2].text));
  object.set("kind", kind);
  object.set("apiVersion", api_version);
  return object;
}

}  // namespace orch::api
