// The tree, and RapidJSON's reader behind it.
#include "api/json.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "api/json_syntax.h"
#include "api/rapidjson.h"
#include "base/strings.h"

namespace orch::api {

namespace {

const Value kNull;
const std::string kEmptyString;
constexpr size_t kVectorBytes = 16;  // RapidJSON reads so many at once, up to the NUL's own.
const Array kNoItems;
const Value::Object kNoMembers;

// RapidJSON unescapes half of a surrogate pair ("\ude00") to bytes that are no UTF-8: once stored,
// such an object could never be read again. As Go does, the replacement character stands for it;
// it has as many bytes.
std::string without_half_pairs(std::string_view text) {
  constexpr char kReplacement[] = "\xEF\xBF\xBD";
  std::string whole(text);
  for (size_t at = 0; (at = whole.find('\xED', at)) != whole.npos; at += 3) {
    const bool half = at + 2 < whole.size() && (whole[at + 1] & '\x20') != 0;
    if (half) whole.replace(at, 3, kReplacement);
  }
  return whole;
}

// Builds the tree from RapidJSON's events, each value in its place: a container that is open is the
// last thing that its own container got, so what points to it stays good until it is closed.
class TreeBuilder {
 public:
  TreeBuilder(std::string_view text, std::vector<std::string>* duplicates)
      : duplicates_(duplicates),
        may_have_halves_(text.find("\\ud") != text.npos || text.find("\\uD") != text.npos) {
    open_.reserve(kUsualDepth);
  }

  bool Null() { return add(nullptr); }
  bool Bool(bool b) { return add(b); }
  // Numbers come as texts (kParseNumbersAsStringsFlag) and never otherwise: RapidJSON's own
  // conversion reads beyond its table of powers for some.
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view number(text, size);
    if (const auto whole = parse_int(number)) return add(*whole);
    double d = 0;
    const auto [end, error] = std::from_chars(text, text + size, d);
    // Out of range is either next to nothing, or too much.
    if (error == std::errc::result_out_of_range)
      d = std::strtod(std::string(number).c_str(), nullptr);
    number_too_big_ = std::isinf(d);
    return !number_too_big_ && add(d);
  }
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    if (may_have_halves_) return add(without_half_pairs({text, size}));
    return add(std::string_view(text, size));
  }
  bool StartObject() { return open(Value::Object{}); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    key_ = {text, size};
    if (may_have_halves_) key_ = whole_key_ = without_half_pairs(key_);
    too_wide_ = open_.back()->size() >= kMaxMembers;
    return !too_wide_;
  }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool StartArray() { return open(Array{}); }
  bool EndArray(rapidjson::SizeType) { return close(); }

  bool too_deep() const { return too_deep_; }
  bool too_wide() const { return too_wide_; }
  bool number_too_big() const { return number_too_big_; }
  Value take() { return std::move(root_); }

 private:
  // What most objects of Kubernetes keep within.
  static constexpr size_t kUsualMembers = 4, kUsualDepth = 16;

  template <class Container>
  bool open(Container empty) {
    if (open_.size() >= static_cast<size_t>(kMaxDepth)) {
      too_deep_ = true;
      return false;
    }
    open_.push_back(place(std::move(empty)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  template <class T>
  bool add(T value) {
    place(value);
    return true;
  }

  // Makes the Value of `value` where it belongs, without a move.
  template <class T>
  Value* place(T&& value) {
    if (open_.empty()) {
      root_ = Value(std::forward<T>(value));
      return &root_;
    }
    Value& top = *open_.back();
    if (top.is_array()) return &top.array_items().emplace_back(std::forward<T>(value));
    if (Value* earlier = top.find(key_)) {
      if (duplicates_ != nullptr) duplicates_->push_back(path());
      *earlier = Value(std::forward<T>(value));
      return earlier;
    }
    auto& members = top.object_members();
    if (members.empty()) members.reserve(kUsualMembers);  // Many stay empty, in managedFields.
    return &members.emplace_back(std::string(key_), std::forward<T>(value)).value;
  }

  // Of the member `key_` of what is open.
  std::string path() const {
    std::string out;
    for (size_t i = 0; i < open_.size(); ++i) {
      const Value* const inner = i + 1 < open_.size() ? open_[i + 1] : nullptr;
      if (open_[i]->is_array()) {
        out += "[" + std::to_string(open_[i]->size() - 1) + "]";
        continue;
      }
      std::string_view name = key_;
      for (const Value::Member& member : open_[i]->members()) {
        if (&member.value == inner) name = member.name;
      }
      if (!out.empty()) out += ".";
      out += name;
    }
    return out;
  }

  std::vector<std::string>* duplicates_;
  const bool may_have_halves_;
  std::string whole_key_;     // What `key_` looks at then.
  std::vector<Value*> open_;  // Containers being read, outermost first.
  std::string_view key_;      // Of the member being read, in the text.
  Value root_;
  bool too_deep_ = false;
  bool too_wide_ = false;
  bool number_too_big_ = false;
};

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
  // Most names differ in length or first letter already.
  const char first = name.empty() ? '\0' : name.front();
  for (const Member& member : members()) {
    if (member.name.size() != name.size() || member.name[0] != first) continue;
    if (member.name == name) return &member.value;
  }
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
  for (size_t dot; (dot = dotted_path.find('.')) != dotted_path.npos;) {
    value = &(*value)[dotted_path.substr(0, dot)];
    dotted_path.remove_prefix(dot + 1);
  }
  return (*value)[dotted_path];
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
  // The text is checked as a whole, and read from a copy that ends with a NUL and in which strings
  // are unescaped where they stand: all that is faster than RapidJSON's way of looking at and
  // copying each character. Recursion is bounded by kMaxDepth.
  if (!valid_utf8(text)) return bad_request("invalid JSON: not valid UTF-8");
  std::string copy;
  copy.reserve(text.size() + kVectorBytes);
  copy = text;
  TreeBuilder builder(text, options.duplicates);
  rapidjson::InsituStringStream input(copy.data());
  rapidjson::Reader reader;
  constexpr unsigned flags = rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseInsituFlag;
  const rapidjson::ParseResult parsed = reader.Parse<flags>(input, builder);
  if (builder.too_deep())
    return bad_request("JSON nested deeper than " + std::to_string(kMaxDepth) + " levels");
  if (builder.too_wide())
    return bad_request("JSON object with more than " + std::to_string(kMaxMembers) + " members");
  if (builder.number_too_big())
    return bad_request("invalid JSON at byte " + std::to_string(parsed.Offset()) +
                       ": number too big to be stored in double");
  if (parsed.IsError())
    return bad_request(render_syntax_error(text, parsed.Code(), parsed.Offset()));
  // To RapidJSON a NUL is the end of the text.
  if (input.Tell() != text.size())
    return bad_request("invalid JSON at byte " + std::to_string(input.Tell()) + ": a NUL");
  return builder.take();
}

}  // namespace orch::api
