// Values as JSON text: compact on the way of every write, indented for people.
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "api/json.h"
#include "api/rapidjson.h"

namespace orch::api {

namespace {

// RapidJSON appends to this; it is std::string with the stream's names.
struct StringSink {
  using Ch = char;
  std::string* out;
  void Put(char c) { out->push_back(c); }
  void Flush() {}
};

template <class Writer>
void write_value(Writer& writer, const Value& value) {
  if (value.is_object()) {
    writer.StartObject();
    for (const Value::Member& member : value.members()) {
      writer.Key(member.name.data(), static_cast<rapidjson::SizeType>(member.name.size()));
      write_value(writer, member.value);
    }
    writer.EndObject();
  } else if (value.is_array()) {
    writer.StartArray();
    for (const Value& item : value.items()) write_value(writer, item);
    writer.EndArray();
  } else {
    const std::string text = to_json(value);
    writer.RawValue(text.data(), text.size(), rapidjson::kNullType);
  }
}

// Compact JSON is on the way of every write, so it goes straight into the text; RapidJSON is left
// with the shortest form of a double.
void append_double(std::string* out, double d) {
  if (!std::isfinite(d)) {
    *out += "null";  // JSON has no other word for it.
    return;
  }
  StringSink sink{out};
  rapidjson::Writer<StringSink> writer(sink);
  writer.Double(d);
}

constexpr std::array<bool, 256> make_escaped() {
  std::array<bool, 256> escaped{};
  for (size_t c = 0; c < 0x20; ++c) escaped[c] = true;
  escaped['"'] = escaped['\\'] = true;
  return escaped;
}
constexpr std::array<bool, 256> kEscaped = make_escaped();

void append_escaped(std::string* out, char c) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
  *out += '\\';
  if (const size_t at = kPlain.find(c); at != kPlain.npos) {
    *out += kLetters[at];
  } else {
    *out += "u00";
    *out += kHex[static_cast<unsigned char>(c) >> 4];
    *out += kHex[static_cast<unsigned char>(c) & 15];
  }
}

}  // namespace

void append_json(std::string* out, const Value& value) {
  if (value.is_string()) {
    append_json_string(out, value.as_string());
  } else if (value.is_object()) {
    char separator = '{';
    for (const Value::Member& member : value.members()) {
      *out += std::exchange(separator, ',');
      append_json_string(out, member.name);
      *out += ':';
      append_json(out, member.value);
    }
    *out += value.size() == 0 ? "{}" : "}";
  } else if (value.is_array()) {
    char separator = '[';
    for (const Value& item : value.items()) {
      *out += std::exchange(separator, ',');
      append_json(out, item);
    }
    *out += value.size() == 0 ? "[]" : "]";
  } else if (value.is_int()) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value.as_int()).ptr;
    out->append(digits, static_cast<size_t>(end - digits));
  } else if (value.is_double()) {
    append_double(out, value.as_double());
  } else {
    *out += value.is_null() ? "null" : value.as_bool() ? "true" : "false";
  }
}

void append_json_string(std::string* out, std::string_view text) {
  // Most need no escape: one growth and one copy.
  const auto is_escaped = [](char c) { return kEscaped[static_cast<unsigned char>(c)]; };
  size_t plain = 0;
  while (plain < text.size() && !is_escaped(text[plain])) ++plain;
  const size_t begin = out->size();
  out->resize(begin + plain + 2, '"');
  if (plain > 0) std::memcpy(out->data() + begin + 1, text.data(), plain);
  if (plain == text.size()) return;
  out->pop_back();
  size_t written = plain;
  for (size_t i = plain; i < text.size(); ++i) {
    if (!is_escaped(text[i])) continue;
    out->append(text, written, i - written);
    append_escaped(out, text[i]);
    written = i + 1;
  }
  out->append(text, written, text.size() - written);
  *out += '"';
}

std::string to_json(const Value& value) {
  std::string out;
  append_json(&out, value);
  return out;
}

std::string to_json_pretty(const Value& value) {
  std::string out;
  StringSink sink{&out};
  rapidjson::PrettyWriter<StringSink> writer(sink);
  write_value(writer, value);
  return out;
}

}  // namespace orch::api
