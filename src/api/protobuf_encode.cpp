// Writing. Everything goes from the last byte to the first (api/protobuf_wire.h), so each message
// is walked once, its fields by falling numbers.
#include <algorithm>
#include <array>
#include <bit>

#include "api/duration.h"
#include "api/protobuf.h"
#include "api/protobuf_wire.h"
#include "base/check.h"
#include "base/strings.h"
#include "base/unix_time.h"

namespace orch::api {
namespace {

// contentEncoding = 3 and contentType = 4 of runtime.Unknown, both empty.
constexpr std::string_view kEnvelopeTail("\x1a\0\x22\0", 4);
constexpr size_t kTypicalBytes = 2048;

class Encoder {
 public:
  explicit Encoder(size_t expected_bytes = kTypicalBytes) : out_(expected_bytes) {}

  WireWriter& out() { return out_; }

  void message(const Type& type, const Value& object) {
    Embedded open;
    for (size_t i = type.wire_order.size(); i-- > 0;) {
      const Field& field = type.fields[type.wire_order[i]];
      enter(field, &open);
      field_of(field, object[field.name]);
    }
    leave(0, &open);
  }

  // The list of a map's value, a message of its own: items = 1.
  void items(int number, const Field& field, const Value& list) {
    const Array& values = list.items();
    for (size_t i = values.size(); i-- > 0;) single(number, *field.element, values[i]);
  }

 private:
  // The embedded messages that are being written, outermost first, and where each ends.
  struct Embedded {
    size_t depth = 0;
    std::array<int, 2> numbers{};
    std::array<size_t, 2> marks{};
  };

  void leave(size_t depth, Embedded* open) {
    while (open->depth > depth) {
      --open->depth;
      out_.enclose(open->numbers[open->depth], open->marks[open->depth]);
    }
  }

  // Into the messages that hold the field, out of all others.
  void enter(const Field& field, Embedded* open) {
    const size_t depth = field.wire_depth();
    size_t same = 0;
    while (same < std::min(depth, open->depth) && open->numbers[same] == field.wire_path[same]) {
      ++same;
    }
    leave(same, open);
    for (; open->depth < depth; ++open->depth) {
      open->numbers[open->depth] = field.wire_path[open->depth];
      open->marks[open->depth] = out_.size();
    }
  }

  void field_of(const Field& field, const Value& value) {
    if (field.shape == Shape::array) return items(field.wire_number(), field, value);
    if (field.shape == Shape::map) return entries(field, value);
    const bool unset = field.pointer || field.shape == Shape::bytes;
    if (!value.is_null() || !unset) single(field.wire_number(), field, value);
  }

  // key = 1, value = 2, both even when empty.
  void entries(const Field& field, const Value& map) {
    const Value::Object& members = map.members();
    for (size_t i = members.size(); i-- > 0;) {
      const size_t mark = out_.size();
      if (field.element->shape == Shape::array) {
        items(1, *field.element, members[i].value);
        out_.enclose(2, mark);
      } else {
        single(2, *field.element, members[i].value);
      }
      out_.text(1, members[i].name);
      out_.enclose(field.wire_number(), mark);
    }
  }

  // null is written as the zero value.
  void single(int number, const Field& field, const Value& value) {
    switch (field.shape) {
      case Shape::string:
        return out_.text(number, value.as_string());
      case Shape::boolean:
        return out_.number(number, value.as_bool() ? 1 : 0);
      case Shape::int32:
      case Shape::int64:
        return out_.number(number, static_cast<uint64_t>(value.as_int()));
      case Shape::number:
        return out_.fixed64(number, std::bit_cast<uint64_t>(value.as_double()));
      case Shape::bytes:
        return out_.text(number, base64_decode(value.as_string()).value_or(""));
      default:
        break;
    }
    const size_t mark = out_.size();
    if (field.shape == Shape::object) {
      message(*field.type, value);
    } else {
      special(field.shape, value);
    }
    out_.enclose(number, mark);
  }

  // The scalars that are messages; a null time or document is an empty one.
  void special(Shape shape, const Value& value) {
    switch (shape) {
      case Shape::quantity:
        return out_.text(1, value.is_null() ? "0" : value.as_string());
      case Shape::int_or_string:
        out_.text(3, value.as_string());
        out_.number(2, static_cast<uint64_t>(value.as_int()));
        return out_.number(1, value.is_string() ? 1 : 0);
      case Shape::duration: {
        const int64_t nanos = parse_duration_ns(value.as_string()).value_or(0);
        return out_.number(1, static_cast<uint64_t>(nanos));
      }
      case Shape::any:
        if (!value.is_null()) out_.text(1, to_json(value));
        return;
      default:
        return time(shape, value);
    }
  }

  // metav1.Time keeps whole seconds, MicroTime microseconds; their text says as much.
  void time(Shape shape, const Value& value) {
    UnixTime parsed;
    if (value.is_null() || !parse_unix_time(value.as_string(), &parsed)) return;
    out_.number(2, static_cast<uint64_t>(shape == Shape::micro_time ? parsed.nanos : 0));
    out_.number(1, static_cast<uint64_t>(parsed.seconds));
  }

  WireWriter out_;
};

// magic and typeMeta = 1.
void write_head(WireWriter* out, std::string_view api_version, std::string_view kind) {
  const size_t mark = out->size();
  out->text(2, kind);
  out->text(1, api_version);
  out->enclose(1, mark);
  out->raw(kProtobufMagic);
}

}  // namespace

std::string encode_protobuf(const Type& type, const Value& object) {
  ORCH_CHECK(has_protobuf(type));
  Encoder encoder;
  WireWriter& out = encoder.out();
  out.raw(kEnvelopeTail);
  const size_t mark = out.size();
  encoder.message(type, object);
  out.enclose(2, mark);
  write_head(&out, object["apiVersion"].as_string(), object["kind"].as_string());
  return out.take();
}

std::string protobuf_list_head(const Schema& schema, std::string_view api_version,
                               std::string_view kind, const Value& metadata, size_t items_bytes) {
  const Type* const type = schema.find_type("meta/v1.ListMeta");
  ORCH_CHECK(type != nullptr);
  Encoder encoder;
  WireWriter& out = encoder.out();
  encoder.message(*type, metadata);
  out.enclose(1, 0);
  out.varint(out.size() + items_bytes);
  out.tag(2, Wire::bytes);
  write_head(&out, api_version, kind);
  return out.take();
}

std::string protobuf_list_item(const Type& type, const Value& object) {
  Encoder encoder;
  encoder.message(type, object);
  encoder.out().enclose(2, 0);
  return encoder.out().take();
}

std::string_view protobuf_list_tail() { return kEnvelopeTail; }

std::string protobuf_watch_frame(std::string_view event_type, std::string_view body) {
  constexpr size_t kAround = 64;
  WireWriter out(body.size() + event_type.size() + kAround);
  out.text(1, body);
  out.enclose(2, 0);
  out.text(1, event_type);
  char length[4];
  for (size_t i = 0; i < sizeof length; ++i) {
    length[i] = static_cast<char>(out.size() >> (8 * (sizeof length - 1 - i)));
  }
  out.raw({length, sizeof length});
  return out.take();
}

}  // namespace orch::api
