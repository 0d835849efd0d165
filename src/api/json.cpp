// The tree, and RapidJSON's reader and writer behind it. RapidJSON is included here alone.
#include "api/json.h"

#define RAPIDJSON_ASSERT(x) ORCH_CHECK(x)
#define RAPIDJSON_HAS_STDSTRING 1
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/reader.h>
#include <rapidjson/writer.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/strings.h"

namespace orch::api {

namespace {

const Value kNull;
const std::string kEmptyString;
const Array kNoItems;
const Value::Object kNoMembers;

// Builds the tree from RapidJSON's events. One frame for each open array or object.
class TreeBuilder {
 public:
  explicit TreeBuilder(std::vector<std::string>* duplicates) : duplicates_(duplicates) {}

  bool Null() { return add(Value()); }
  bool Bool(bool b) { return add(Value(b)); }
  // Numbers come as texts (kParseNumbersAsStringsFlag) and never otherwise: RapidJSON's own
  // conversion reads beyond its table of powers for some.
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view number(text, size);
    if (const auto whole = parse_int(number)) return add(Value(*whole));
    double d = 0;
    const auto [end, error] = std::from_chars(text, text + size, d);
    // Out of range is either next to nothing, or too much.
    if (error == std::errc::result_out_of_range)
      d = std::strtod(std::string(number).c_str(), nullptr);
    number_too_big_ = std::isinf(d);
    return !number_too_big_ && add(Value(d));
  }
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    return add(Value(std::string_view(text, size)));
  }
  bool StartObject() { return open(Value(Value::Object{})); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    frames_.back().key.assign(text, size);
    return true;
  }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool StartArray() { return open(Value(Array{})); }
  bool EndArray(rapidjson::SizeType) { return close(); }

  bool too_deep() const { return too_deep_; }
  bool number_too_big() const { return number_too_big_; }
  Value take() { return std::move(root_); }

 private:
  struct Frame {
    Value value;
    std::string key;  // Of the member being read, for objects.
  };

  bool open(Value empty) {
    if (frames_.size() >= static_cast<size_t>(kMaxDepth)) {
      too_deep_ = true;
      return false;
    }
    frames_.push_back({std::move(empty), {}});
    return true;
  }

  bool close() {
    Value done = std::move(frames_.back().value);
    frames_.pop_back();
    return add(std::move(done));
  }

  bool add(Value value) {
    if (frames_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Frame& top = frames_.back();
    if (top.value.is_array()) {
      top.value.array_items().push_back(std::move(value));
      return true;
    }
    if (Value* earlier = top.value.find(top.key)) {
      if (duplicates_ != nullptr) duplicates_->push_back(path());
      *earlier = std::move(value);
      return true;
    }
    top.value.object_members().push_back({std::move(top.key), std::move(value)});
    return true;
  }

  std::string path() const {
    std::string out;
    for (const Frame& frame : frames_) {
      if (frame.value.is_array()) {
        out += "[" + std::to_string(frame.value.size()) + "]";
      } else {
        if (!out.empty()) out += ".";
        out += frame.key;
      }
    }
    return out;
  }

  std::vector<std::string>* duplicates_;
  std::vector<Frame> frames_;
  Value root_;
  bool too_deep_ = false;
  bool number_too_big_ = false;
};

// RapidJSON appends to this; it is std::string with the stream's names.
struct StringSink {
  using Ch = char;
  std::string* out;
  void Put(char c) { out->push_back(c); }
  void Flush() {}
};

template <class Writer>
void write_value(Writer& writer, const Value& value) {
  if (value.is_null()) {
    writer.Null();
  } else if (value.is_bool()) {
    writer.Bool(value.as_bool());
  } else if (value.is_int()) {
    writer.Int64(value.as_int());
  } else if (value.is_double()) {
    const double d = value.as_double();
    if (std::isfinite(d))
      writer.Double(d);
    else
      writer.Null();  // JSON has no other word for it.
  } else if (value.is_string()) {
    writer.String(value.as_string().data(),
                  static_cast<rapidjson::SizeType>(value.as_string().size()));
  } else if (value.is_array()) {
    writer.StartArray();
    for (const Value& item : value.items()) write_value(writer, item);
    writer.EndArray();
  } else {
    writer.StartObject();
    for (const Value::Member& member : value.members()) {
      writer.Key(member.name.data(), static_cast<rapidjson::SizeType>(member.name.size()));
      write_value(writer, member.value);
    }
    writer.EndObject();
  }
}

}  // namespace

Value Value::object(std::initializer_list<std::pair<std::string_view, Value>> members) {
  Object object;
  object.reserve(members.size());
  for (const auto& [name, value] : members) object.push_back({std::string(name), value});
  return Value(std::move(object));
}

Value Value::array(std::initializer_list<Value> items) { return Value(Array(items)); }

const char* Value::type_name() const {
  static constexpr const char* names[] = {"null",   "bool",  "number", "number",
                                          "string", "array", "object"};
  return names[data_.index()];
}

bool Value::as_bool(bool otherwise) const {
  const bool* b = std::get_if<bool>(&data_);
  return b != nullptr ? *b : otherwise;
}

int64_t Value::as_int(int64_t otherwise) const {
  if (const int64_t* n = std::get_if<int64_t>(&data_)) return *n;
  if (const double* d = std::get_if<double>(&data_))
    if (*d == std::floor(*d) && std::fabs(*d) < 9e15) return static_cast<int64_t>(*d);
  return otherwise;
}

double Value::as_double(double otherwise) const {
  if (const int64_t* n = std::get_if<int64_t>(&data_)) return static_cast<double>(*n);
  const double* d = std::get_if<double>(&data_);
  return d != nullptr ? *d : otherwise;
}

const std::string& Value::as_string() const {
  const std::string* text = std::get_if<std::string>(&data_);
  return text != nullptr ? *text : kEmptyString;
}

const Array& Value::items() const {
  const Array* array = std::get_if<Array>(&data_);
  return array != nullptr ? *array : kNoItems;
}

const Value::Object& Value::members() const {
  const Object* object = std::get_if<Object>(&data_);
  return object != nullptr ? *object : kNoMembers;
}

const Value* Value::find(std::string_view name) const {
  for (const Member& member : members())
    if (member.name == name) return &member.value;
  return nullptr;
}

Value* Value::find(std::string_view name) {
  return const_cast<Value*>(std::as_const(*this).find(name));
}

const Value& Value::operator[](std::string_view name) const {
  const Value* value = find(name);
  return value != nullptr ? *value : kNull;
}

const Value& Value::operator[](size_t index) const {
  return index < items().size() ? items()[index] : kNull;
}

const Value& Value::at(std::string_view dotted_path) const {
  const Value* value = this;
  for (const std::string_view name : split(dotted_path, '.')) value = &(*value)[name];
  return *value;
}

Value& Value::operator[](std::string_view name) {
  if (is_null()) data_ = Object{};
  if (Value* value = find(name)) return *value;
  object_members().push_back({std::string(name), Value()});
  return object_members().back().value;
}

bool Value::remove(std::string_view name) {
  if (!is_object()) return false;
  return std::erase_if(object_members(), [&](const Member& m) { return m.name == name; }) > 0;
}

Value& Value::push_back(Value item) {
  if (is_null()) data_ = Array{};
  return array_items().emplace_back(std::move(item));
}

Array& Value::array_items() {
  ORCH_CHECK(is_array());
  return std::get<Array>(data_);
}

Value::Object& Value::object_members() {
  ORCH_CHECK(is_object());
  return std::get<Object>(data_);
}

bool Value::empty() const {
  if (is_null()) return true;
  if (is_string()) return as_string().empty();
  return (is_array() || is_object()) && size() == 0;
}

size_t Value::size() const { return is_object() ? members().size() : items().size(); }

bool Value::operator==(const Value& other) const {
  if (is_number() && other.is_number())
    return is_int() && other.is_int() ? as_int() == other.as_int()
                                      : as_double() == other.as_double();
  if (data_.index() != other.data_.index()) return false;
  if (is_array()) return items() == other.items();
  if (!is_object()) return data_ == other.data_;
  if (size() != other.size()) return false;
  for (const Member& member : members()) {
    const Value* theirs = other.find(member.name);
    if (theirs == nullptr || !(member.value == *theirs)) return false;
  }
  return true;
}

// std::variant's comparison asks for this; Value::operator== never gets here for objects.
bool operator==(const Value::Member& a, const Value::Member& b) {
  return a.name == b.name && a.value == b.value;
}

Result<Value> parse_json(std::string_view text, const ParseOptions& options) {
  if (text.size() > options.max_bytes)
    return too_large("JSON document of " + std::to_string(text.size()) +
                     " bytes is larger than the limit of " + std::to_string(options.max_bytes));
  TreeBuilder builder(options.duplicates);
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> input(stream);
  rapidjson::Reader reader;
  constexpr unsigned flags = rapidjson::kParseValidateEncodingFlag |
                             rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
  const rapidjson::ParseResult parsed = reader.Parse<flags>(input, builder);
  if (builder.too_deep())
    return bad_request("JSON nested deeper than " + std::to_string(kMaxDepth) + " levels");
  if (builder.number_too_big())
    return bad_request("invalid JSON at byte " + std::to_string(parsed.Offset()) +
                       ": number too big to be stored in double");
  if (parsed.IsError())
    return bad_request(std::string("invalid JSON at byte ") + std::to_string(parsed.Offset()) +
                       ": " + rapidjson::GetParseError_En(parsed.Code()));
  // To RapidJSON a NUL is the end of the text.
  if (input.Tell() != text.size())
    return bad_request("invalid JSON at byte " + std::to_string(input.Tell()) + ": a NUL");
  return builder.take();
}

void append_json(std::string* out, const Value& value) {
  StringSink sink{out};
  rapidjson::Writer<StringSink> writer(sink);
  write_value(writer, value);
}

void append_json_string(std::string* out, std::string_view text) {
  StringSink sink{out};
  rapidjson::Writer<StringSink> writer(sink);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
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
